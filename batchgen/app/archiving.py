"""Archive a finished batch: its rows move into a job database of their own, and never stand in neither."""

import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from batchgen.app import database, journals
from batchgen.app.calling import program
from batchgen.app.clock import SystemClock
from batchgen.app.processes import living
from batchgen.app.progress import Progress
from batchgen.app.vendor import unit_of
from batchgen.app.wording import counted, file_name
from batchgen.core.errors import InputError, LockedError, SchemaError, StoreError
from batchgen.core.money import from_micros, shown
from batchgen.core.states import State
from batchgen.files import folderlock, journal
from batchgen.planning.settings import RunSettings
from batchgen.settings import Settings, resource_dir
from batchgen.store import archived, archiving, migrate, queries, replica
from batchgen.store.archived import Archived
from batchgen.store.engine import Database, file_of, open_engine, parse
from batchgen.store.lock import RunLock
from batchgen.store.writer import DatabaseThread

_UNFINISHED: Final = (State.PLANNED, State.SUBMITTING, State.AMBIGUOUS, State.SUBMITTED, State.RENDERED)


def as_object(archive: Archived) -> dict[str, object]:
    """Give an archived batch as JSON."""
    money = {name: str(from_micros(getattr(archive, name))) for name in ("spent", "held")}
    where = {"path": archive.path, "at": archive.archived_at, "is_gone": archive.is_gone}
    return {"batch": archive.batch, "jobs": archive.jobs, "money": {**money, "unit": archive.unit, "orders": archive.orders}, **where}


def line(archive: Archived) -> str:
    """Give an archived batch in one line for people."""
    amount = f"{counted(archive.jobs, 'job')}, spent {shown(archive.spent, archive.unit)}"
    rest = "" if archive.is_gone else f"; some rows are still here: {program()} db archive {shlex.quote(archive.batch)} removes them"
    return f"{archive.batch}  archived {archive.archived_at[:10]} ({amount}): {archive.path}{rest}"


def listed(engine: Database, name: str | None) -> list[Archived]:
    """Give the archived batches, or the one of that name if it is archived."""
    return [archive for archive in archived.listed(engine).values() if name in {None, archive.batch}]


def archive(settings: Settings, batch: str, target: Path | None, *, on_progress: Callable[[str], None]) -> Iterator[str]:
    """Move a finished batch into a new SQLite file, or go on with what a dead process had begun; say what was done.

    ``on_progress`` is called from another thread, every two seconds. Raises InputError for a batch that does not exist or is not finished
    and for a target that is something else, LockedError while a run works, StoreError when database or disk refuse; what was copied is
    removed here only once it stands whole and durable under its name.
    """
    database.modernize(settings)
    database.require(settings)
    progress = Progress()
    with progress.told(on_progress), database.writing(settings) as thread, _alone(settings, thread):
        mark = next(iter(listed(thread.engine, batch)), None)
        is_new = mark is None
        if mark is None:
            _copy(settings, thread, batch, _whole(target or Path(f"{file_name(batch)}-archive.db")), progress)
            mark = listed(thread.engine, batch)[0]
        path = _where(thread.engine, mark, target)
        if is_new or not mark.is_gone:
            with _opened(path) as copied:
                archiving.remove(thread.engine, copied, mark.batch_id, at=SystemClock().now(), told=progress.at)
    yield from _told(mark, path, is_new=is_new)


def _told(mark: Archived, path: Path, *, is_new: bool) -> Iterator[str]:
    amount = f"{counted(mark.jobs, 'job')}, {counted(mark.orders, 'order')}, spent {shown(mark.spent, mark.unit)}"
    if mark.is_gone and not is_new:
        yield f"{mark.batch} is archived already: {amount}, in {path}"
    else:
        yield f"{mark.batch}: {amount}, archived in {path} ({path.stat().st_size} bytes)"
    yield f"  look at it: {program()} --db {shlex.quote(str(path))} status"
    yield "  its name stays known here, so that nothing of it is bought again; its pictures stay where they are"


@contextmanager
def _alone(settings: Settings, thread: DatabaseThread) -> Iterator[None]:
    """Keep runs and other archivings out; on a server, where others may work on other batches, only the latter."""
    with ExitStack() as stack:
        if file_of(parse(settings.db_url)) is not None:
            stack.enter_context(RunLock(settings.db_url))
        stack.enter_context(archiving.alone(thread.engine))
        yield


def _copy(settings: Settings, thread: DatabaseThread, name: str, target: Path, progress: Progress) -> None:
    """Make the archive, or take the one that stands there if it has just this batch, and mark the batch."""
    batch = queries.batch_named(thread.engine, name)
    _require_finished(settings, thread.engine, batch)
    was = archiving.shape(thread.engine, batch.id)
    _settle_journals(settings, thread, batch)
    if not target.exists():
        fill(thread.engine, batch.id, target, progress)
        uuid = _uuid_of(target)
    else:
        uuid = _recognized(thread.engine, batch, target, progress)
    plan = RunSettings.from_json(queries.latest_plan(thread.engine, batch.id).settings)
    mark = archiving.Mark(
        path=str(target), db_uuid=uuid, unit=unit_of(plan.provider), actor=f"operator:{settings.login}", at=SystemClock().now()
    )
    archiving.mark(thread.engine, batch.id, was, mark)


def _require_finished(settings: Settings, engine: Database, batch: queries.Batch) -> None:
    """Raise InputError with counts and the way on while something is still to come of it, LockedError while a process works on it."""
    states = queries.totals(engine, batch.id).states
    if left := [f"{states[state]} {state.value}" for state in _UNFINISHED if states[state]]:
        words = f"{database.command(settings)} {{}} {shlex.quote(batch.name)}"
        ways = [f"{words.format('resume')} finishes it"]
        if states[State.PLANNED]:
            ways.append(f"{words.format('cancel')} drops what was not sent")
        if states[State.AMBIGUOUS]:
            ways.append(f"{database.command(settings)} resolve KEY decides about what is ambiguous")
        raise InputError(f"{batch.name} is not finished: {', '.join(left)}; {', '.join(ways)}")
    if (run := living(engine, batch.id, now=SystemClock().now())) is not None:
        raise LockedError(f"process {run['pid']} on {run['host']} still works on {batch.name}; wait for its end")


def _settle_journals(settings: Settings, thread: DatabaseThread, batch: queries.Batch) -> None:
    """Note in the journals of the batch's folders that the database knows their orders, which it is soon to forget.

    Raises StoreError when the database is an older copy, which must not become the archive.
    """
    uuid, _ = journals.position(thread)
    for folder in sorted({batch.output_dir, *queries.saved_folders(thread.engine, batch.id)}):
        here = settings.local_folder(folder)
        if (here / journal.name_of(uuid)).exists():
            with folderlock.held(here, is_shared=database.is_shared(settings)):
                journals.require_current(thread, here, batch=batch.name, command=database.command(settings))
                opened = journals.opened(thread, here)
                try:
                    journals.mark(thread, opened)
                finally:
                    opened.close()


def fill(engine: Database, batch_id: int, target: Path, progress: Progress) -> None:
    """Write a batch that rests into a new SQLite file, which has its name once it is whole, compared row by row and on the disk.

    Raises InputError for a target that exists, StoreError when the batch moved meanwhile or the disk refuses.
    """
    with archiving.new_archive(target) as part:
        migrate.upgrade(str(part), resource_dir("migrations"))
        made = open_engine(str(part))
        try:
            replica.copy(engine, made, batch_id, progress.at)
            replica.require_same(engine, made, batch_id, progress.at)
        finally:
            made.dispose()


def _recognized(engine: Database, batch: queries.Batch, target: Path, progress: Progress) -> str:
    """Give the identity of a file that stands at the target if it has this batch and nothing else, as a dead process left it."""
    try:
        with _opened(target) as found:
            uuid = archiving.require_another(engine, found)
            replica.require_same(engine, found, batch.id, progress.at)
    except StoreError as error:
        raise InputError(f"{target} exists already, and is not {batch.name} as it is now ({error}); name another file with --to") from error
    return uuid


def _where(engine: Database, mark: Archived, target: Path | None) -> Path:
    """Give the path of a marked batch's archive, and note it where it is a new one; raise StoreError when it is not there."""
    path = Path(mark.path) if target is None else _whole(target)
    if not path.is_file():
        raise StoreError(f"the archive of {mark.batch} is not at {path}; put it back, or say where it is now with --to")
    if _uuid_of(path) != mark.db_uuid:
        raise InputError(f"{path} is not the archive of {mark.batch}, which was {mark.path}; name that one with --to")
    if str(path) != mark.path:
        archiving.move_mark(engine, mark.batch_id, str(path))
    return path


def _whole(path: Path) -> Path:
    """Give a path by which it is found from everywhere; a link in its own place stays one."""
    return path.parent.resolve() / path.name


def _uuid_of(path: Path) -> str:
    with _opened(path) as engine:
        return archiving.db_uuid(engine)


@contextmanager
def _opened(path: Path) -> Iterator[Database]:
    """Open an archive for reading; raise SchemaError when it is no job database of this schema."""
    if migrate.current(str(path)) is None:
        raise SchemaError(f"{path} has no batchgen tables")
    migrate.require_head(str(path), resource_dir("migrations"))
    engine = open_engine(str(path), readonly=True)
    try:
        yield engine
    finally:
        engine.dispose()
