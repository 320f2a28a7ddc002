"""Load a manifest with all that planning is given from outside: the vendors' rules, and the eyes that look at reference images."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from batchgen.api.dialects import BUILT_IN, known_uses
from batchgen.app.vendor import rules_for
from batchgen.core.dialects import Dialect
from batchgen.core.problems import Problem
from batchgen.files.inspector import Inspector
from batchgen.files.referencecheck import inspect_image
from batchgen.planning.loader import load
from batchgen.planning.plan import Plan
from batchgen.settings import resource_dir


def load_plan(path: Path, environ: Mapping[str, str], *, max_jobs: int, sets: Sequence[str] = (), only: Sequence[str] = ()) -> Plan:
    """Read, check and count a manifest; raise ManifestError with all problems at once, InputError for a plugin that cannot be used."""
    with closing(Inspector()) as inspector:
        plan = load(
            path,
            rules_for=rules_for,
            known_uses=known_uses(),
            vendors_dir=resource_dir("manifests") / "vendors",
            measure=partial(inspect_image, inspector=inspector),
            environ=environ,
            max_jobs=max_jobs,
            sets=sets,
            only=only,
        )
    return replace(plan, warnings=(*plan.warnings, *_strays(plan)))


def _strays(plan: Plan) -> Iterator[Problem]:
    """Warn of each model that the provider does not know and another of our dialects does."""
    use = plan.settings.provider.use
    own = BUILT_IN.get(use)
    for name in plan.summary.models if own is not None else ():
        others = [other for other, dialect in BUILT_IN.items() if other not in {use, "sim"} and _knows(dialect, name)]
        if own is not None and others and not _knows(own, name):
            message = f"model {name!r} is not known to provider.use: {use}, but to {', '.join(others)}"
            yield Problem(code="W401", message=message, path=str(plan.path), severity="warning")


def _knows(dialect: Dialect, name: str) -> bool:
    return any(fnmatchcase(name, model.name) for model in dialect.models())
