"""Load a manifest with all that planning is given from outside: the vendors' rules, and the eyes that look at reference images."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from batchgen.api.dialects import known_uses
from batchgen.app.vendor import rules_for
from batchgen.core.dialects import ImageFacts
from batchgen.planning.loader import load
from batchgen.planning.plan import Plan
from batchgen.settings import resource_dir


def _measure(content: bytes) -> ImageFacts:
    from batchgen.files.referencecheck import inspect_image  # noqa: PLC0415 - slow to import, and only references need it

    return inspect_image(content)


def load_plan(path: Path, environ: Mapping[str, str], *, max_jobs: int, sets: Sequence[str] = (), only: Sequence[str] = ()) -> Plan:
    """Read, check and count a manifest; raise ManifestError with all problems at once, InputError for a plugin that cannot be used."""
    return load(
        path,
        rules_for=rules_for,
        known_uses=known_uses(),
        vendors_dir=resource_dir("manifests") / "vendors",
        measure=_measure,
        environ=environ,
        max_jobs=max_jobs,
        sets=sets,
        only=only,
    )
