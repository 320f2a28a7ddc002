"""Hold a database against the journal of its output folder: open it for a run, mark how far the database is, notice an older copy."""

from pathlib import Path

from batchgen.app.wording import counted
from batchgen.core.errors import StoreError
from batchgen.files import journal as journals
from batchgen.files.journal import Entry, History, Mark, OrderJournal
from batchgen.logs import lines as diary
from batchgen.store import queries, runs
from batchgen.store.writer import DatabaseThread


def opened(thread: DatabaseThread, folder: Path) -> OrderJournal:
    """Open the folder's journal of this database for a run; raise FileError."""
    name, here = position(thread)
    return OrderJournal(folder, name, here, open_orders=queries.open_orders(thread.engine))


def mark(thread: DatabaseThread, journal: OrderJournal) -> None:
    """Note in the journal how far the database has come; raise FileError or StoreError."""
    still_open = journal.open_orders()
    _, here = position(thread)
    journal.mark(here, still_open=still_open)


def require_current(thread: DatabaseThread, folder: Path, *, batch: str, command: str) -> None:
    """Raise StoreError when the folder has seen this very database further on: what it does not know would be bought again."""
    name = position(thread)[0]
    histories = journals.read_all(folder, name)
    here = position(thread)[1]  # asked after the journals were read, into which others may write
    for history in histories:
        missing = unknown(thread, history, here)
        if missing or history.is_ahead_of(here):
            orders = f"{counted(len(missing), 'order')} that it does not know" if missing else "a later state of it"
            raise StoreError(f"this database is an older copy: {history.path} tells of {orders}; {_way_on(history, here, batch, command)}")
    if journals.is_shared(folder, name):
        diary.get("run").warning("run.folder_of_another_database", folder=str(folder), note="what that one bought is bought again here")


def _way_on(history: History, here: Mark, batch: str, command: str) -> str:
    if history.is_whole_since(here):
        return f"put the newer one back, or take over what the journal knows: {command} db adopt-journal {batch} --reason TEXT"
    return "put the newer one back, or delete the journal: then whatever this copy does not know is ordered again"


def position(thread: DatabaseThread) -> tuple[str, Mark]:
    """Give the database's own id, and how far it has come."""
    name, run, event = thread.call(runs.progress).result()
    return name, Mark(run=run, event=event)


def unknown(thread: DatabaseThread, history: History, here: Mark) -> list[Entry]:
    """Give the journal's orders that the database does not know, oldest first."""
    later = history.since(here)
    known = queries.known_orders(thread.engine, [entry.intent.attempt_id for entry in later])
    return [entry for entry in later if entry.intent.attempt_id not in known]
