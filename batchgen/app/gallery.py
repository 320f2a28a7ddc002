"""The report of a batch: its pictures, its night and its claims, as a page in a folder, as one file, or as a contact sheet."""

import base64
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import quote

from batchgen.app.originals import bring, is_far
from batchgen.app.places import Stocks
from batchgen.app.progress import Progress
from batchgen.app.reading import JobFilter, Row, Status, reading, status
from batchgen.app.vendor import dialect_of
from batchgen.app.wording import counted, file_name
from batchgen.core.errors import InputError
from batchgen.core.places import is_address
from batchgen.core.states import State
from batchgen.files.looks.album import Look, Wanted, look_at
from batchgen.files.looks.sheet import draw_sheet
from batchgen.files.placing import new_file
from batchgen.files.replacing import begins_with
from batchgen.planning.settings import RunSettings
from batchgen.report.claims import Claim, claims_of
from batchgen.report.night import Axis, Night
from batchgen.report.page import HEAD, Evening, Page, render
from batchgen.settings import Settings
from batchgen.store import commands, queries
from batchgen.store.engine import Database
from batchgen.store.instants import to_text

MOST: Final = 20_000
"""Jobs on one page; more are not usable in a browser, and are left out with a word."""
MOST_BYTES: Final = 50 * 1024 * 1024
"""Size of a page in a single file."""
THUMBS: Final = "thumbs"
INDEX: Final = "index.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What was read of a batch for its page; ``looks`` are by job key, ``details`` the vendor's words by job key."""

    status: Status
    evening: Evening
    tags: Sequence[str]
    jobs: Sequence[Row]
    left_out: int
    details: Mapping[str, str]
    looks: Mapping[str, Look]
    claims: Sequence[Claim]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How a page reaches a job's picture, None where it does not, and its thumbnail."""

    picture: Callable[[Row], str | None]
    thumb: Callable[[Look], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Far:
    """What becomes of pictures that a page cannot link where they are.

    ``moved`` gives where those of an output place will lie, as the page reaches them; with ``is_brought`` those of an object storage
    are copied beside the page.
    """

    moved: Mapping[str, str] = field(default_factory=dict)
    is_brought: bool = False


def write_report(settings: Settings, wanted: JobFilter, folder: Path | None, *, progress: Progress, far: Far = Far()) -> list[str]:
    """Write ``index.html`` and the thumbnails it shows into a folder, and say so; raise InputError for a folder that holds another's page.

    A page that is there is replaced in one step. It links the pictures where they lie, and ``far`` says what of those that lie elsewhere.
    """
    found = _named(settings, wanted)
    target = folder or Path(f"report-{file_name(found.batch or '')}")
    _require_ours(target / INDEX)
    collected = collect(settings, found, target / THUMBS, progress=progress)
    brought = bring(collected.jobs, Stocks(settings), target, progress) if far.is_brought else {}

    def link(job: Row) -> str | None:
        if (moved := far.moved.get(job["output_dir"])) is not None:
            return quote(str(PurePosixPath(moved) / job["path"]))
        if is_address(job["output_dir"]):
            return brought.get(job["key"])
        return quote(str(PurePosixPath(os.path.relpath(job["output_dir"], target)) / job["path"]))

    page = page_of(collected, Ways(picture=link, thumb=lambda look: f"{THUMBS}/{look.thumbnail}"))
    _place(target / INDEX, page)
    return [*_told(collected), *_far(collected, far), f"report: {target / INDEX}"]


def write_single(settings: Settings, wanted: JobFilter, file: Path | None, *, progress: Progress) -> list[str]:
    """Write the page into one file that holds small pictures and needs nothing beside it; raise InputError when it would be too large."""
    found = _named(settings, wanted)
    target = file or Path(f"report-{file_name(found.batch or '')}.html")
    _require_ours(target)
    with tempfile.TemporaryDirectory(prefix="batchgen-") as thumbs:
        collected = collect(settings, found, Path(thumbs), progress=progress)
        held = sum((Path(thumbs) / look.thumbnail).stat().st_size for look in collected.looks.values() if look.thumbnail)
        if held * 4 // 3 > MOST_BYTES:
            raise InputError(
                f"one file with {counted(len(collected.looks), 'picture')} would be larger than {MOST_BYTES // 2**20} MB; "
                "choose some with --model, --sweep, --state or --limit, or leave out --single-file"
            )
        page = page_of(collected, Ways(picture=lambda _: None, thumb=lambda look: _embedded(Path(thumbs) / look.thumbnail)))
        _place(target, page)
    return [*_told(collected), f"report: {target}"]


def write_sheet(settings: Settings, wanted: JobFilter, target: Path, *, progress: Progress, force: bool) -> list[str]:
    """Draw a contact sheet: a row for each prompt, a column for each cell of the grid and sample."""
    with tempfile.TemporaryDirectory(prefix="batchgen-") as thumbs:
        collected = collect(settings, _named(settings, wanted), Path(thumbs), progress=progress)
        rows = _places(job["prompt_id"] for job in collected.jobs)
        columns = _places(_column(job) for job in collected.jobs)
        cells: dict[tuple[int, int], Path | str] = {}
        for job in collected.jobs:
            look = collected.looks.get(job["key"])
            word = job["reason"] or job["state"] if look is None else look.problem
            picture = Path(thumbs) / look.thumbnail if look is not None and look.thumbnail else word
            cells.setdefault((rows[job["prompt_id"]], columns[_column(job)]), picture)
        draw_sheet(target, title=collected.status.name, columns=list(columns), rows=list(rows), cells=cells, force=force)
    return [*_told(collected), f"contact sheet: {target}"]


def collect(settings: Settings, wanted: JobFilter, thumbs: Path, *, progress: Progress, former: Collected | None = None) -> Collected:
    """Read a batch and look at its pictures; thumbnails are made in ``thumbs``.

    With what was read before, only new pictures are looked at, and its night and claims are kept.
    """
    progress.at("reading the job database")
    told = status(settings, wanted.batch)[0]
    with reading(settings) as engine:
        batch = queries.batch_named(engine, wanted.batch)
        plan = RunSettings.from_json(queries.latest_plan(engine, batch.id).settings)
        jobs = list(queries.jobs(engine, replace(wanted, limit=min(MOST, wanted.limit or MOST))))
        is_full = len(jobs) == MOST and not (wanted.states or wanted.model or wanted.sweep or wanted.prompt_id)
        night = _night(engine, batch) if former is None else None
        details = {}
        for order in queries.view_rows(engine, "v_attempts", batch=batch.name):
            if night is not None:
                night.add_attempt(order)
            if order["detail"] and not order["superseded"]:
                details[order["key"]] = order["detail"]
        evening = _evening(engine, batch, told, night) if former is None else former.evening
    known = {} if former is None else former.looks
    looks = {job["key"]: known[job["key"]] for job in jobs if job["key"] in known}
    new = [job for job in jobs if job["key"] not in looks]
    looks |= {look.key: look for look in looked_at(new, thumbs, stocks=Stocks(settings), progress=progress)}
    return Collected(
        status=told,
        evening=evening,
        tags=plan.tags,
        jobs=jobs,
        left_out=told.figures.totals.jobs - MOST if is_full else 0,
        details=details,
        looks=looks,
        claims=claims_of(jobs, looks, ratios=_ratios(plan)) if former is None else former.claims,
    )


def looked_at(jobs: Sequence[Row], thumbs: Path, *, stocks: Stocks, progress: Progress) -> Iterator[Look]:
    """Look at the saved pictures among the jobs, one after the other as they are ready."""
    saved = [job for job in jobs if job["state"] == State.SAVED.value]
    wanted = (_wanted(job, stocks) for job in saved)
    for number, look in enumerate(look_at(wanted, thumbs), start=1):
        progress.at(f"{number} of {counted(len(saved), 'picture')} looked at")
        yield look


def _wanted(job: Row, stocks: Stocks) -> Wanted:
    if is_address(job["output_dir"]):
        return Wanted(key=job["key"], path=Path(job["path"]), sha256=job["sha256"], stock=stocks[job["output_dir"]])
    return Wanted(key=job["key"], path=Path(job["output_dir"]) / job["path"], sha256=job["sha256"])


def page_of(collected: Collected, ways: Ways, *, every_s: float = 0.0, cursor: int = 0) -> Page:
    """Shape what was read as the page wants it."""
    prompts = _places(job["prompt"] for job in collected.jobs)
    return Page(
        batch=collected.status.name,
        headline=headline(collected.status),
        evening=collected.evening,
        prompts=list(prompts),
        jobs=[{**job, "prompt": prompts[job["prompt"]]} for job in jobs_on_page(collected, ways)],
        claims=collected.claims,
        tags=collected.tags,
        every_s=every_s,
        cursor=cursor,
    )


_SHOWN: Final = (
    *("key", "prompt", "prompt_id", "sweep", "operation", "model", "params", "labels", "cell", "sample", "state", "reason", "attempts"),
    *("task_id", "cost", "path", "sha256", "bytes", "width", "height", "planned_at", "submitted_at", "saved_at"),
)


def jobs_on_page(collected: Collected, ways: Ways) -> Iterator[Row]:
    """Shape the jobs as ``page.js`` reads them, but for the prompt, which is still its text."""
    claimed: dict[str, dict[str, None]] = {}
    for claim in collected.claims:
        for key in claim.keys:
            claimed.setdefault(key, {})[claim.kind] = None
    for job in collected.jobs:
        look = collected.looks.get(job["key"])
        is_there = look is not None and look.problem in {"", "video"}
        yield {
            **{name: job[name] for name in _SHOWN},
            "detail": collected.details.get(job["key"], "") if look is None else "",
            "source": ways.picture(job) if is_there else None,
            "thumb": ways.thumb(look) if look is not None and look.thumbnail else None,
            "credentials": None if look is None else look.has_credentials,
            "claims": list(claimed.get(job["key"], ())),
        }


def headline(told: Status) -> str:
    """Write the batch in one line."""
    counts = ", ".join(f"{jobs:,} {state.value}" for state, jobs in told.figures.totals.states.items() if jobs)
    return f"{counted(told.figures.totals.jobs, 'job')}: {counts or 'none'}; as of {told.at:%Y-%m-%d %H:%M:%S} UTC"


def _night(engine: Database, batch: queries.Batch) -> Night | None:
    """Give the batch's events in figures; None while nothing was ordered."""
    times = queries.span(engine, batch.id)
    if times is None:
        return None
    night = Night(Axis.over(*(datetime.fromisoformat(instant) for instant in times)))
    for event in queries.events(engine, batch=batch.name):
        night.add_event(event)
    return night


def _evening(engine: Database, batch: queries.Batch, told: Status, night: Night | None) -> Evening:
    lines, unit = list(told.lines()), told.figures.unit
    if night is None:
        return Evening(lines=lines, unit=unit)
    asked = ({"kind": request.kind.value, "at": to_text(request.asked_at)} for _, request in commands.history(engine, [batch.id]))
    return Evening(lines=lines, unit=unit, night=night, cap=told.steering.limits.budget_cost, pauses=night.pauses(asked))


def _ratios(plan: RunSettings) -> dict[str, Sequence[str]]:
    """Give the aspect ratios that each model is known to draw, whatever the operation."""
    found: dict[str, dict[str, None]] = {}
    for model in dialect_of(plan.provider).models():
        found.setdefault(model.name, {}).update(dict.fromkeys(model.ratios))
    return {name: list(ratios) for name, ratios in found.items()}


def _named(settings: Settings, wanted: JobFilter) -> JobFilter:
    with reading(settings) as engine:
        return replace(wanted, batch=queries.batch_named(engine, wanted.batch).name)


def _require_ours(page: Path) -> None:
    """Raise InputError when the file is there and is no report."""
    if not begins_with(page, HEAD):
        raise InputError(f"{page} is no report of batchgen; name another place with --output")


def _place(file: Path, page: Page) -> None:
    """Put a page where it belongs, its owner's alone like all that holds prompts, and on the disk."""
    with new_file(file, replaces=True) as target:
        target.write(render(page).encode())


def _told(collected: Collected) -> list[str]:
    lines = []
    if collected.left_out:
        lines.append(
            f"{counted(collected.left_out, 'job')} left out: a page holds {MOST:,}; choose others with --model, --sweep or --state"
        )
    if collected.claims:
        lines.append(f"{counted(len(collected.claims), 'claim')}: pictures that are not what was ordered, listed on the page")
    return lines


def _far(collected: Collected, far: Far) -> Iterator[str]:
    """Say that full-size pictures are not on the page, and how they come there."""
    places = {job["output_dir"] for job in collected.jobs if is_far(job)} - far.moved.keys()
    if places and not far.is_brought:
        yield f"the page shows small pictures only, the others are in {', '.join(sorted(places))}; --originals brings them beside it"


def _places(names: Iterable[str]) -> dict[str, int]:
    """Give each name its number, in the order in which they come."""
    return {name: number for number, name in enumerate(dict.fromkeys(names))}


def _column(job: Mapping[str, Any]) -> str:
    return f"{job['cell']} / {job['sample']}"


def _embedded(thumb: Path) -> str:
    return "data:image/webp;base64," + base64.b64encode(thumb.read_bytes()).decode()
