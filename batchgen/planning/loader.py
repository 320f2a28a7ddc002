"""Load a manifest into a plan: read, check, count. Every problem is collected and raised at once; nothing is written anywhere."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from batchgen.core.errors import ManifestError
from batchgen.core.ports import Rules
from batchgen.core.problems import Problem
from batchgen.planning import provider, reader
from batchgen.planning.checked import Checked, check
from batchgen.planning.entries import Entries
from batchgen.planning.findings import Findings, did_you_mean
from batchgen.planning.grids import build_axes, build_cells, build_changes
from batchgen.planning.judge import Judge
from batchgen.planning.manifest import Grid, Manifest, Shuffle, Sweep
from batchgen.planning.names import Names
from batchgen.planning.naming import (
    STANDARD,
    PathRefusedError,
    folder_template,
    name_template,
    slug,
)
from batchgen.planning.orders import Filter, SweepPlan
from batchgen.planning.origins import Origins
from batchgen.planning.plan import Plan, PlanSummary, SourceFile, Stream, SweepSummary
from batchgen.planning.prompts import UnreadableError, open_regular
from batchgen.planning.reader import Node
from batchgen.planning.reader import Path as Place
from batchgen.planning.references import check_references
from batchgen.planning.scalars import Value
from batchgen.planning.settings import OutputSettings, PaceSettings, ProviderSettings, ReferenceSettings, RunSettings
from batchgen.planning.survey import Counts, Survey, count_repeats
from batchgen.planning.templates import TemplateRefusedError

MAX_JOBS: Final = 10_000
_MOST_CELLS: Final = 1_000_000
"""A grid bigger than this is not expanded, whatever its exclude rules may leave."""
_SHAPING: Final = frozenset({"grid", "zip", "params", "include", "exclude"})


def load(
    path: Path,
    *,
    rules_for: Callable[[str], Rules | None],
    environ: Mapping[str, str],
    sets: Sequence[str] = (),
    only: Sequence[str] = (),
    max_jobs: int = MAX_JOBS,
) -> Plan:
    """Read, check and count a manifest; raise ManifestError with all problems at once.

    ``sets`` are ``param=value`` that overrule everything, ``only`` are ``key=value`` filters on a parameter, label, ``sweep`` or
    ``prompt_id`` (any of the values of a repeated key). Needs no key and no network.
    """
    findings = Findings(str(path))
    source = _source(path)
    tree = reader.read(source, _report(findings))
    if tree is None:
        findings.raise_errors()
        raise AssertionError("a manifest that cannot be read has a problem")
    findings.tree = tree
    checked = check(tree, findings)
    if checked is None:
        findings.raise_errors()
        raise AssertionError("a manifest that cannot be checked has a problem")
    loading = _Loading(findings, checked, tree, path, environ)
    return loading.plan(source, rules_for, sets=sets, only=only, max_jobs=max_jobs)


def _source(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read(reader.MAX_BYTES + 1)
    except UnreadableError as error:
        raise ManifestError([Problem(code="E100", message=str(error), path=str(path))]) from error


def _report(findings: Findings) -> reader.Report:
    def report(code: str, message: str, line: int, column: int, *, hint: str = "") -> None:
        findings.elsewhere(code, message, findings.shown_path, line, column, hint=hint)

    return report


class _Loading:
    """One loading of one manifest."""

    def __init__(self, findings: Findings, checked: Checked, tree: Node, path: Path, environ: Mapping[str, str]) -> None:
        self._findings = findings
        self._checked = checked
        self._manifest: Manifest = checked.manifest
        self._tree = tree
        self._path = path
        self._folder = Path(os.path.abspath(path)).parent  # noqa: PTH100 - resolve() would follow symbolic links
        self._environ = environ

    def plan(
        self,
        source: bytes,
        rules_for: Callable[[str], Rules | None],
        *,
        sets: Sequence[str],
        only: Sequence[str],
        max_jobs: int,
    ) -> Plan:
        """Check everything that a plan needs, then count."""
        findings = self._findings
        provided, rules = provider.check_provider(self._manifest, findings, self._environ, rules_for)
        if rules is None:
            findings.raise_errors()
            raise AssertionError("a provider without rules is a problem")
        references = check_references(self._manifest, findings, self._folder)
        knows = len(references) == len(self._manifest.references) and self._checked.is_whole((), {"references"})
        names = Names(findings, rules, references, knows_references=knows)
        entries = Entries(findings, names, self._folder)
        sweeps = self._sweeps(names, entries, rules, references, sets, only)
        settings = self._settings(provided, references, names, entries)
        origins = Origins(self._tree, findings.shown_path, {sweep.name: at for sweep, at, _ in sweeps})
        judge = Judge(findings, origins)
        survey = Survey(findings, judge)
        counts = [self._count(sweep, at, survey, grid, max_jobs, is_filtered=bool(only)) for sweep, at, grid in sweeps]
        plans = [sweep for sweep, _, _ in sweeps]
        for sweep, at, _ in sweeps:
            judge.tell_remarks(sweep)
            self._tell_idle_overrides(sweep, at)
        findings.raise_errors()
        repeated = survey.repeated_texts()
        summary = self._summary(plans, counts, repeated)
        total = sum(sweep.rows for sweep in summary.sweeps)
        self._check_total(total, max_jobs, plans, is_filtered=bool(only))
        findings.raise_errors()
        return Plan(
            source=source,
            source_sha256=hashlib.sha256(source).hexdigest(),
            path=self._path,
            settings=settings,
            files=self._files(entries, references, survey),
            total=total,
            warnings=findings.warnings(),
            summary=summary,
            streams=_streams(plans, counts, settings.order),
            repeated=repeated,
            merges=self._manifest.duplicates == "merge",
            origins=origins,
        )

    # --- sweeps ---

    def _sweeps(
        self,
        names: Names,
        entries: Entries,
        rules: Rules,
        references: Mapping[str, ReferenceSettings],
        sets: Sequence[str],
        only: Sequence[str],
    ) -> list[tuple[SweepPlan, Place, Grid]]:
        findings, manifest = self._findings, self._manifest
        before = findings.errors
        defaults = names.layer(manifest.defaults, ("defaults",))
        has_whole_defaults = names.knows_references and findings.errors == before and self._checked.is_whole((), {"defaults"})
        forced = self._forced(sets, names)
        written = self._written_sweeps()
        keeps = self._filter(only, names, [name for name, _, _ in written])
        images = {name: _identity(name, reference) for name, reference in references.items()}
        sweeps: list[tuple[SweepPlan, Place, Grid]] = []
        for name, at, grid in written:
            before = findings.errors
            own = names.layer(grid.params, (*at, "params")) if isinstance(grid, Sweep) else {}
            axes = build_axes(grid, at, names, findings)
            is_whole = has_whole_defaults and findings.errors == before and self._checked.is_whole(at, _SHAPING)
            base: dict[str, Value] = {**defaults, **own}
            cells = build_cells(grid, at, axes, base, names, findings, is_whole=is_whole)
            sources = entries.build(grid.prompts or (), (*at, "prompts"), axes)
            if grid.prompts is None and self._checked.is_whole(at, {"prompts"}):
                findings.error("E105", "the key 'prompts' is missing", at)
            sweep = SweepPlan(
                name=name,
                samples=grid.samples,
                cells=cells,
                changes=build_changes(grid, at, names),
                forced=forced,
                references=images,
                rules=rules,
                sources=sources,
                only=keeps,
                is_whole=is_whole,
            )
            sweeps.append((sweep, at, grid))
        return sweeps

    def _written_sweeps(self) -> list[tuple[str, Place, Grid]]:
        """Give the sweeps with their names and places; the short form is one sweep named after the batch."""
        manifest = self._manifest
        if manifest.sweeps is None:
            return [(manifest.name, (), manifest)] if self._checked.is_whole((), {"sweeps"}) else []
        taken: set[str] = set()
        found: list[tuple[str, Place, Grid]] = []
        for number, sweep in enumerate(manifest.sweeps):
            name = sweep.name or f"sweep{number + 1}"
            if name in taken:
                self._findings.error("E310", f"another sweep is called {name!r} too", ("sweeps", number, "name"))
                continue
            taken.add(name)
            found.append((name, ("sweeps", number), sweep))
        return found

    def _forced(self, sets: Sequence[str], names: Names) -> dict[str, Value]:
        forced: dict[str, Value] = {}
        for word in sets:
            name, sign, value = word.partition("=")
            if not sign or not value:
                self._tell_option("--set", word, "must be PARAM=VALUE")
            elif name not in names.params:
                self._tell_option("--set", word, f"unknown parameter {name!r}", did_you_mean(name, names.params))
            elif names.is_usable(name, value, ()):
                forced[name] = value
        return forced

    def _filter(self, only: Sequence[str], names: Names, sweeps: Sequence[str]) -> Filter:
        wanted: dict[str, set[str]] = {}
        for word in only:
            name, sign, value = word.partition("=")
            if not sign or not name:
                self._tell_option("--only", word, "must be KEY=VALUE")
            elif name == "sweep" and value not in sweeps:
                self._tell_option("--only", word, f"there is no sweep {value!r}", did_you_mean(value, sweeps))
            else:
                wanted.setdefault(name, set()).add(value)
        keeps = {name: frozenset(values) for name, values in wanted.items()}
        special = {"sweep", "prompt_id"}
        return Filter(
            params={name: values for name, values in keeps.items() if name in names.params},
            labels={name: values for name, values in keeps.items() if name not in names.params | special},
            sweeps=keeps.get("sweep"),
            prompt_ids=keeps.get("prompt_id"),
        )

    def _tell_option(self, option: str, word: str, message: str, hint: str = "") -> None:
        self._findings.elsewhere("E309", message, f"{option} {word}", hint=hint)

    # --- counting ---

    def _count(self, sweep: SweepPlan, at: Place, survey: Survey, grid: Grid, max_jobs: int, *, is_filtered: bool) -> Counts:
        """Count one sweep; one that is too big by arithmetic is not expanded."""
        least = sum(1 if source.known is None else source.known for source in sweep.sources)
        rows = sweep.cells.bound * sweep.samples * max(least, 1)
        may_shrink = bool(grid.exclude) or self._skips_invalid(grid) or is_filtered
        if sweep.cells.bound > max(_MOST_CELLS, max_jobs) or (rows > max_jobs and not may_shrink):
            self._tell_too_many(rows, max_jobs, sweep, at)
            return Counts()
        if sweep.is_whole and sweep.cells.count == 0:
            self._findings.error("E308", "the exclude rules leave no cell", (*at, "exclude"))
        return survey.count(sweep, skips_invalid=self._skips_invalid(grid))

    def _skips_invalid(self, grid: Grid) -> bool:
        own = grid.invalid_cells if isinstance(grid, Sweep) else None
        return (own or self._manifest.invalid_cells) == "skip"

    def _tell_too_many(self, rows: int, max_jobs: int, sweep: SweepPlan, at: Place) -> None:
        axes = [f"{' + '.join(axis.names)} {len(axis):,}" for axis in sweep.cells.axes]
        prompts = rows // (sweep.cells.bound * sweep.samples)
        sizes = " x ".join([f"prompts {prompts:,}", *axes, f"samples {sweep.samples:,}"])
        key = next((key for key in ("grid", "zip", "samples") if self._tree.find((*at, key))), "prompts")
        message = f"{rows:,} rows or more ({sizes}); {max_jobs:,} are allowed"
        self._findings.error("E307", message, (*at, key), on_key=True, hint="make it smaller, or raise --max-jobs")

    def _check_total(self, total: int, max_jobs: int, sweeps: Sequence[SweepPlan], *, is_filtered: bool) -> None:
        if total > max_jobs:
            axes = [f"{' + '.join(axis.names)} {len(axis):,}" for sweep in sweeps for axis in sweep.cells.axes]
            named = f" (axes: {', '.join(axes)})" if axes else ""
            message = f"{total:,} rows{named}; {max_jobs:,} are allowed"
            self._findings.error("E307", message, (), hint="make it smaller, or raise --max-jobs")
        elif total == 0:
            message = "--only matches no row" if is_filtered else "no row is left"
            self._findings.error("E308", message)

    def _tell_idle_overrides(self, sweep: SweepPlan, at: Place) -> None:
        for number in range(len(sweep.changes)):
            if number not in sweep.matched and sweep.is_whole:
                self._findings.warn("W301", "this override matches no row", (*at, "overrides", number))

    def _summary(self, sweeps: Sequence[SweepPlan], counts: Sequence[Counts], repeated: frozenset[int]) -> PlanSummary:
        has_twins = any(variant.twins for count in counts for variant in count.variants.values())
        again = count_repeats(sweeps, repeated) if repeated or has_twins else Counter()
        repeats = again.total()
        merges = self._manifest.duplicates == "merge"
        if repeats:
            fate = "merged into one row each" if merges else "kept; `duplicates: merge` drops them"
            self._findings.warn("W302", f"{repeats} rows order the same thing as an earlier row: {fate}")
        models: Counter[str] = Counter()
        summaries = []
        for sweep, count in zip(sweeps, counts, strict=True):
            own = Counter(count.models)
            for (name, model), number in again.items():
                own[model] -= number if merges and name == sweep.name else 0
            models.update(own)
            summaries.append(
                SweepSummary(
                    name=sweep.name,
                    prompts=count.prompts,
                    cells=sweep.cells.count,
                    samples=sweep.samples,
                    rows=own.total(),
                    dropped=count.dropped,
                )
            )
        return PlanSummary(sweeps=tuple(summaries), models={name: rows for name, rows in models.items() if rows}, repeats=repeats)

    # --- the rest ---

    def _files(self, entries: Entries, references: Mapping[str, ReferenceSettings], survey: Survey) -> tuple[SourceFile, ...]:
        files = [SourceFile(path=file.written, sha256=file.sha256(), prompts=survey.files[file.shown]) for file in entries.files.values()]
        images = [
            SourceFile(path=Path(written.path).as_posix(), sha256=references[name].sha256 or "", prompts=0)
            for name, written in self._manifest.references.items()
            if written.path is not None
        ]
        return (*files, *images)

    def _settings(
        self,
        provided: ProviderSettings,
        references: Mapping[str, ReferenceSettings],
        names: Names,
        entries: Entries,
    ) -> RunSettings:
        manifest = self._manifest
        limits, order = manifest.limits, manifest.order
        return RunSettings(
            name=manifest.name,
            tags=manifest.tags,
            metadata=manifest.metadata,
            provider=provided,
            output=self._output([*STANDARD, *names.params - {"images"}, *entries.labels]),
            references=references,
            in_flight=limits.in_flight,
            submits_per_s=limits.submit_rate,
            per_model={
                model: PaceSettings(in_flight=pace.in_flight, submits_per_s=pace.submit_rate) for model, pace in limits.per_model.items()
            },
            submit_timeout_s=limits.timeout.submit,
            task_timeout_s=limits.timeout.task,
            download_timeout_s=limits.timeout.download,
            budget_cost=limits.budget.cost,
            budget_jobs=limits.budget.jobs,
            deadline=limits.deadline,
            halt_after_failures=limits.halt.consecutive_failures,
            order="shuffle" if isinstance(order, Shuffle) else order,
            shuffle_seed=order.shuffle if isinstance(order, Shuffle) else 0,
            on_ambiguous=manifest.on_ambiguous,
            attempts=manifest.retry.attempts,
            backoff_initial_s=manifest.retry.backoff.initial,
            backoff_max_s=manifest.retry.backoff.max,
            notify=provider.check_notify(manifest, self._findings, self._environ),
        )

    def _output(self, variables: Sequence[str]) -> OutputSettings:
        output = self._manifest.output
        folder = ""
        try:
            folder = folder_template(output.dir).render({"batch": slug(self._manifest.name)})
        except (TemplateRefusedError, PathRefusedError) as error:
            self._tell_output(error, "dir", ("batch",))
        try:
            name_template(output.name, known=variables)
        except (TemplateRefusedError, PathRefusedError) as error:
            self._tell_output(error, "name", variables)
        absolute = Path(os.path.normpath(self._folder / folder)).as_posix()
        return OutputSettings(dir=absolute, name=output.name, sidecar=output.sidecar == "json")

    def _tell_output(self, error: TemplateRefusedError | PathRefusedError, key: str, known: Sequence[str]) -> None:
        at = ("output", key)
        if isinstance(error, PathRefusedError):
            self._findings.error("E504", str(error), at)
        elif error.unknown:
            self._findings.error("E502", str(error), at, hint=did_you_mean(error.unknown, known))
        else:
            self._findings.error("E501", str(error), at)


def _identity(name: str, reference: ReferenceSettings) -> dict[str, str]:
    content = {"sha256": reference.sha256} if reference.sha256 is not None else {"url": reference.url or ""}
    return {"name": name, **content}


def _streams(sweeps: Sequence[SweepPlan], counts: Sequence[Counts], order: str) -> tuple[Stream, ...]:
    """Give each sweep its share of the positions: linear in prompt, cell and sample, so that no row must be held to be placed."""
    sizes = [count.prompts * sweep.cells.count for sweep, count in zip(sweeps, counts, strict=True)]
    streams, first = [], 0
    for sweep, count, size in zip(sweeps, counts, sizes, strict=True):
        cells, samples = sweep.cells.count, sweep.samples
        per_sample, per_prompt, per_cell = {
            "by_prompt": (1, cells * samples, samples),
            "by_cell": (1, samples, count.prompts * samples),
        }.get(order, (sum(sizes), cells, 1))
        streams.append(Stream(sweep=sweep, first=first, per_sample=per_sample, per_prompt=per_prompt, per_cell=per_cell))
        first += size * samples if order in {"by_prompt", "by_cell"} else size
    return tuple(streams)
