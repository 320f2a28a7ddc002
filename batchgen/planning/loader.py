"""Load a manifest into a plan: read, check, count. Every problem is collected and raised at once; nothing is written anywhere."""

import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from batchgen.core.errors import ManifestError
from batchgen.core.problems import Problem
from batchgen.planning import reader
from batchgen.planning.checked import Checked, check
from batchgen.planning.entries import Entries
from batchgen.planning.findings import Findings, did_you_mean
from batchgen.planning.judge import Judge
from batchgen.planning.manifest import Manifest
from batchgen.planning.names import Names
from batchgen.planning.naming import STANDARD
from batchgen.planning.opening import UnreadableError, open_regular
from batchgen.planning.origins import Origins
from batchgen.planning.outputs import output_settings, run_settings
from batchgen.planning.plan import Plan, SourceFile
from batchgen.planning.provider import KNOWN_USES, RulesFor, Vendors, check_notify, check_provider
from batchgen.planning.reader import Node
from batchgen.planning.references import Measure, check_references
from batchgen.planning.settings import ReferenceSettings, RunSettings
from batchgen.planning.survey import Survey
from batchgen.planning.sweeps import BuiltSweep, SweepBuilder
from batchgen.planning.totals import Totals, streams

MAX_JOBS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What the caller of ``load`` asked for."""

    path: Path
    vendors: Vendors
    environ: Mapping[str, str]
    sets: Sequence[str]
    only: Sequence[str]
    max_jobs: int
    measure: Measure | None

    @property
    def folder(self) -> Path:
        """Give the folder that relative paths start from."""
        return Path(os.path.abspath(self.path)).parent  # noqa: PTH100 - resolve() would follow symbolic links


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """A manifest, checked and built, but not counted."""

    manifest: Manifest
    settings: RunSettings
    references: Mapping[str, ReferenceSettings]
    entries: Entries
    sweeps: Sequence[BuiltSweep]


def load(  # noqa: PLR0913 - everything that a plan depends on
    path: Path,
    *,
    rules_for: RulesFor,
    environ: Mapping[str, str],
    sets: Sequence[str] = (),
    only: Sequence[str] = (),
    max_jobs: int = MAX_JOBS,
    measure: Measure | None = None,
    known_uses: Sequence[str] = KNOWN_USES,
    vendors_dir: Path | None = None,
) -> Plan:
    """Read, check and count a manifest; raise ManifestError with all problems at once.

    ``sets`` are ``param=value`` that overrule everything, ``only`` are ``key=value`` filters on a parameter, label, ``sweep`` or
    ``prompt_id`` (any of the values of a repeated key). ``measure`` decodes a reference image in full and tells its facts, or raises
    BadImageError; without it only the first bytes of images are looked at. Needs no key and no network.
    """
    request = _Request(
        path=path,
        vendors=Vendors(rules_for=rules_for, known_uses=known_uses, shipped=vendors_dir),
        environ=environ,
        sets=sets,
        only=only,
        max_jobs=max_jobs,
        measure=measure,
    )
    findings = Findings(str(path))
    source = _source(path)
    tree = findings.tree = reader.read(source, findings.here)
    checked = None if tree is None else check(tree, findings)
    if tree is None or checked is None:
        raise findings.as_error()
    return _counted(_built(checked, request, findings), request, source, tree, findings)


def _built(checked: Checked, request: _Request, findings: Findings) -> _Parts:
    """Check everything that stands in the manifest and the heads of the files it names."""
    manifest, environ = checked.manifest, request.environ
    provider, rules = check_provider(manifest, findings, environ, request.vendors, folder=request.folder)
    if rules is None:
        raise findings.as_error()
    has_root = checked.is_whole((), {"references_root"})  # without it nobody can say where references may lie
    references = check_references(manifest, findings, request.folder, request.measure) if has_root else {}
    knows = has_root and len(references) == len(manifest.references) and checked.is_whole((), {"references"})
    names = Names(findings, rules, references, knows_references=knows)
    entries = Entries(findings, names, request.folder)
    builder = SweepBuilder(findings, checked, names, entries, rules)
    sweeps = builder.build(references, sets=request.sets, only=request.only)
    variables = [*STANDARD, *sorted(names.params - names.roles), *sorted(entries.labels)]
    settings = run_settings(
        manifest,
        provider=provider,
        output=output_settings(manifest, request.folder, variables, findings),
        references=references,
        notify=check_notify(manifest, findings, environ, provider),
    )
    return _Parts(manifest=manifest, settings=settings, references=references, entries=entries, sweeps=sweeps)


def _counted(parts: _Parts, request: _Request, source: bytes, tree: Node, findings: Findings) -> Plan:
    """Read every prompt once, count, and make the plan if nothing stands against it."""
    merges, is_filtered = parts.manifest.duplicates == "merge", bool(request.only)
    origins = Origins(tree, findings.shown_path, {sweep.plan.name: sweep.at for sweep in parts.sweeps})
    survey = Survey(findings, Judge(findings, origins))
    totals = Totals(findings, max_jobs=request.max_jobs, is_filtered=is_filtered, merges=merges)
    counts = [totals.count(sweep, survey) for sweep in parts.sweeps]
    _tell_idle_overrides(parts.sweeps, findings)
    findings.raise_errors()
    plans = [sweep.plan for sweep in parts.sweeps]
    repeated = survey.repeated_texts()
    summary = totals.summary(plans, counts, repeated)
    findings.raise_errors()
    _tell_idle_prices(parts.settings.provider.prices, summary.models, findings)
    return Plan(
        source=source,
        source_sha256=hashlib.sha256(source).hexdigest(),
        path=request.path,
        settings=parts.settings,
        files=(*_prompt_files(parts.entries, survey), *_images(parts.manifest, parts.references)),
        total=sum(sweep.rows for sweep in summary.sweeps),
        warnings=findings.warnings(),
        summary=summary,
        streams=streams(plans, counts, parts.settings.order),
        repeated=repeated,
        merges=merges,
        origins=origins,
    )


def _source(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read(reader.MAX_BYTES + 1)
    except UnreadableError as error:
        raise ManifestError([Problem(code="E100", message=str(error), path=str(path))]) from error


def _tell_idle_overrides(sweeps: Sequence[BuiltSweep], findings: Findings) -> None:
    for sweep in sweeps:
        for number in range(len(sweep.plan.changes)):
            if sweep.plan.is_whole and number not in sweep.plan.matched:
                findings.warn("W301", "this override matches no row", (*sweep.at, "overrides", number))


def _tell_idle_prices(prices: Mapping[str, str], models: Collection[str], findings: Findings) -> None:
    for model in prices:
        if model not in models:
            findings.warn(
                "W303",
                f"no row has the model {model!r}, so this price is not used",
                ("provider", "prices", model),
                hint=did_you_mean(model, models),
            )


def _prompt_files(entries: Entries, survey: Survey) -> list[SourceFile]:
    return [SourceFile(path=file.written, sha256=file.sha256(), prompts=survey.files[file.shown]) for file in entries.files.values()]


def _images(manifest: Manifest, references: Mapping[str, ReferenceSettings]) -> list[SourceFile]:
    return [
        SourceFile(path=Path(written.path).as_posix(), sha256=references[name].sha256 or "", prompts=0)
        for name, written in manifest.references.items()
        if written.path is not None
    ]
