"""The journal of orders in an output folder: what the job table is told, written down once more on this machine.

Theory of operation. The job table is the truth; the journal is for the two cases in which it cannot be. A table that does not take an
accepted task id (full disk, lost connection) finds it here at the next start. And a table that knows less than the journal is an older
copy, which would buy again what was bought since: the start refuses it.

Each database has a file of its own, ``.batchgen-{first 8 of its id}.journal``, and where several runs of one database share the folder
each run has one: the first that no other process holds (``-2``, ``-3``, ...). What a dead run wrote, all others read. A line is a CRC-32
and a JSON object: ``mark`` (how far the
database had come), ``intent`` (an order that goes out next) or ``outcome`` (what became of it). Room for the outcome is allocated before
an intent is written, so that an answer finds its place on a full disk. Lines reach the kernel at once and survive any death of the
process; they are forced to the disk only when the table has refused a fact, since otherwise its own commit follows at once. Whatever
stands before a mark that the database has reached is known to it. Reading ends at the first line that is not whole.

The file grows until ``LIMIT_BYTES`` and is then written anew with the latest mark and the orders that are still open; until then it
can bring an older copy of the database up to date (``batchgen db adopt-journal``).
"""

import json
import os
import threading
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Final

from batchgen.core.errors import FileError, StoreError
from batchgen.core.jobs import JobKey
from batchgen.core.money import Micros
from batchgen.core.ports import Intent, Settled
from batchgen.core.states import Outcome
from batchgen.files import folderlock
from batchgen.files.folders import Root, disk_errors, move_new, open_new, open_regular, sync, write_all

LIMIT_BYTES: Final = 8 * 1024 * 1024
_MOST_BYTES: Final = 8 * LIMIT_BYTES
_CHUNK_BYTES: Final = 64 * 1024
_OUTCOME_BYTES: Final = 2048
"""Room kept for the outcome of each open order; a task id of 256 characters fits in any spelling."""
_PREFIX: Final = ".batchgen-"
_SUFFIX: Final = ".journal"
_TEMP: Final = ".part"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Mark:
    """How far a database had come: the numbers of its latest run and of its latest event."""

    run: int
    event: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One order as the journal tells it; ``settled`` is None while nothing is known of its answer."""

    intent: Intent
    settled: Settled | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What a journal holds: its orders, oldest first, the marks with the number of orders before each, and where it ends in bytes."""

    path: Path
    entries: tuple[Entry, ...] = ()
    marks: tuple[tuple[Mark, int], ...] = ()
    end: int = 0

    def is_ahead_of(self, here: Mark) -> bool:
        """Say whether the database has been further on than it is now."""
        return any(mark > here for mark, _ in self.marks)

    def since(self, here: Mark) -> tuple[Entry, ...]:
        """Give the orders that a database that has come so far may not know."""
        return self.entries[max((before for mark, before in self.marks if mark <= here), default=0) :]

    def is_whole_since(self, here: Mark) -> bool:
        """Say whether nothing has been dropped of what such a database may not know."""
        return bool(self.marks) and self.marks[0][0] <= here


def name_of(database: str, number: int = 1) -> str:
    """Name the journals of the database with that id."""
    return f"{_PREFIX}{database[:8]}{_SUFFIX}" if number == 1 else f"{_PREFIX}{database[:8]}-{number}{_SUFFIX}"


def is_shared(folder: Path, database: str) -> bool:
    """Say whether another database has worked in the folder."""
    return bool({path.name for path in folder.glob(f"{_PREFIX}*{_SUFFIX}")} - set(names_in(folder, database)))


def names_in(folder: Path, database: str) -> list[str]:
    """Name the journals that a database has in the folder; the first one whether or not it is there."""
    others = (path.name for path in folder.glob(f"{_PREFIX}{database[:8]}-*{_SUFFIX}"))
    return [name_of(database), *sorted(others)]


def read_all(folder: Path, database: str, *, only: Collection[int] | None = None) -> list[History]:
    """Give what every journal of a database in the folder holds, those of runs at work included; raise FileError."""
    return [read(folder, database, name=name, only=only) for name in names_in(folder, database)]


def read(folder: Path, database: str, *, name: str = "", only: Collection[int] | None = None) -> History:
    """Give what the first journal of a database holds, or the one of that name, empty when there is none; raise FileError.

    ``only`` are the orders wanted, where not all are: a full journal tells of 25,000.
    """
    name = name or name_of(database)
    root = Root(folder)
    with disk_errors("read", root, name):
        try:
            with root.opened() as place:
                file = open_regular(place, name)
        except FileNotFoundError:
            return History(path=root.path / name)
        if file is None:
            raise FileError(f"{root.path / name} is no ordinary file")
        with file:
            content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise FileError(f"{root.path / name} is too large for a journal; move it away")
    return _told(root.path / name, content, database, only)


class OrderJournal:
    """The journal of one database in one folder, open for a run; implements ``core.ports.Journal``. Safe to use from several threads."""

    def __init__(self, folder: Path, database: str, mark: Mark, *, open_orders: Collection[int] = ()) -> None:
        """Open the journal, or begin one, and note how far the database has come.

        ``open_orders`` are the attempts whose outcome the job table does not know. Raises FileError when the disk refuses.
        """
        self._database: Final = database
        self._root: Final = Root(folder)
        self._gate: Final = threading.Lock()
        self._allocated = 0
        self._mark = mark
        with disk_errors("open", self._root, name_of(database)), self._root.opened(create=True) as place:
            self._name, self._descriptor = _first_free(place, database)
        try:
            history = read(folder, database, name=self._name, only=open_orders)
            self._open: Final = {entry.intent.attempt_id: entry for entry in history.entries}
            self._end = history.end
            with disk_errors("open", self._root, self._name), self._root.opened() as place:
                os.ftruncate(self._descriptor, self._end)  # half a line of a death in mid-write goes
                self._allocate(_CHUNK_BYTES)
                sync(place)
            self._append(_mark_line(database, mark))
        except BaseException:
            os.close(self._descriptor)
            raise

    @property
    def path(self) -> Path:
        """Where it stands."""
        return self._root.path / self._name

    def intend(self, intent: Intent) -> None:
        """Note that an order goes out next; raise FileError when the disk refuses, and then it must not."""
        with self._gate:
            self._open[intent.attempt_id] = Entry(intent=intent)
            self._append(_intent_line(intent), room=_OUTCOME_BYTES * len(self._open))

    def settle(self, attempt_id: int, settled: Settled) -> None:
        """Note what became of an order; raise FileError when the disk refuses, though room was kept."""
        with self._gate:
            if (entry := self._open.get(attempt_id)) is not None:
                self._open[attempt_id] = replace(entry, settled=settled)
            self._append(_outcome_line(attempt_id, settled))

    def settled(self, attempt_id: int) -> Settled | None:
        """Give what this journal knows of the answer to an order, or another run's in the same folder; raise FileError."""
        with self._gate:
            entry = self._open.get(attempt_id)
        return entry.settled if entry is not None and entry.settled is not None else self.recall([attempt_id]).get(attempt_id)

    def recall(self, attempt_ids: Collection[int]) -> dict[int, Settled]:
        """Give what is known of these orders in any journal of the database in this folder; raise FileError."""
        histories = read_all(self._root.path, self._database, only=attempt_ids) if attempt_ids else []
        entries = (entry for history in histories for entry in history.entries)
        return {entry.intent.attempt_id: entry.settled for entry in entries if entry.settled is not None}

    def recorded(self, attempt_id: int) -> None:
        """Note that the job table knows the order's outcome."""
        with self._gate:
            self._open.pop(attempt_id, None)

    def sync(self) -> None:
        """Force to the disk what was written; raise FileError."""
        with self._gate, disk_errors("fsync", self._root, self._name):
            os.fdatasync(self._descriptor)

    def open_orders(self) -> frozenset[int]:
        """Give the orders whose outcome the job table did not know at this moment."""
        with self._gate:
            return frozenset(self._open)

    def mark(self, mark: Mark, *, still_open: frozenset[int]) -> None:
        """Note durably how far the database has come, and begin anew when the journal has grown long.

        ``still_open`` are the open orders at an instant before the database was asked. Raises FileError, and StoreError when the database
        has fallen behind an earlier mark: a server that was put back, or took the place of another, has lost what was recorded.
        """
        if mark < self._mark:
            raise StoreError(
                f"the database has fallen back to run {mark.run}, event {mark.event}, from run {self._mark.run}, event {self._mark.event}: "
                f"it is an older copy of itself; nothing is ordered on it until it is put right ({self.path} tells what it lacks)"
            )
        self._mark = mark
        with self._gate:
            line = _mark_line(self._database, mark)
            if self._end > LIMIT_BYTES:
                self._begin_anew(line, still_open | set(self._open))
            else:
                self._append(line)
            with disk_errors("fsync", self._root, self._name):
                os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Give back the room that was kept and close the file; safe to call twice."""
        with self._gate:
            if self._descriptor >= 0:
                with suppress(OSError):  # the room is a loan; a disk that refuses loses nothing by it
                    os.ftruncate(self._descriptor, self._end)
                os.close(self._descriptor)
                self._descriptor = -1

    def _append(self, line: bytes, *, room: int = 0) -> None:
        with disk_errors("write", self._root, self._name, need=len(line) + room):
            if self._end + len(line) + room > self._allocated:
                self._allocate(len(line) + room)
            rest = memoryview(line)
            while rest:
                written = os.pwrite(self._descriptor, rest, self._end)
                self._end += written
                rest = rest[written:]

    def _allocate(self, need: int) -> None:
        size = self._end + max(need, _CHUNK_BYTES)
        os.posix_fallocate(self._descriptor, self._end, size - self._end)
        self._allocated = size

    def _begin_anew(self, mark_line: bytes, keep: Collection[int]) -> None:
        """Put a short journal in the place of the long one, in one step."""
        text = mark_line + b"".join(_lines(read(self._root.path, self._database, name=self._name, only=keep).entries))
        with disk_errors("write", self._root, self._name, need=len(text)), self._root.opened() as place:
            descriptor = _replaced(place, self._name, text)
        os.close(self._descriptor)
        self._descriptor, self._end, self._allocated = descriptor, len(text), 0


def start_over(folder: Path, database: str, mark: Mark) -> None:
    """Put journals that hold nothing but the mark in the place of the former ones; raise FileError.

    The former ones stay beside them under names of their own: they may name tasks that found no place in the database.
    """
    root = Root(folder)
    for name in names_in(folder, database):
        with disk_errors("write", root, name), root.opened(create=True) as place:
            with suppress(FileNotFoundError, FileExistsError):
                move_new(place, name, f"{name}.{mark.run}-{mark.event}")
            os.close(_replaced(place, name, _mark_line(database, mark)))


def _first_free(place: int, database: str) -> tuple[str, int]:
    """Open the first journal that no other process holds, making it if it is missing; give its name and its descriptor.

    The lock lies on the file itself and dies with the process; where the file system knows none, the first journal is taken.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    for name in (name_of(database, number) for number in count(1)):
        descriptor = os.open(name, flags, 0o600, dir_fd=place)
        try:
            if folderlock.locked(descriptor) and _is_named(place, name, descriptor):
                return name, descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise AssertionError("unreachable")


def _is_named(place: int, name: str, descriptor: int) -> bool:
    """Say whether the name still leads to the open file: its owner may have begun anew meanwhile."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.stat(name, dir_fd=place, follow_symlinks=False), os.fstat(descriptor))
    return False


def _replaced(place: int, name: str, text: bytes) -> int:
    """Put a whole journal in the place of the former one, in one step and durably; give its descriptor."""
    descriptor = open_new(place, name + _TEMP)
    try:
        folderlock.locked(descriptor)
        write_all(descriptor, text)
        os.fsync(descriptor)
        os.rename(name + _TEMP, name, src_dir_fd=place, dst_dir_fd=place)
        sync(place)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


# --- lines ---


def _line(facts: Mapping[str, object]) -> bytes:
    text = json.dumps(facts, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _mark_line(database: str, mark: Mark) -> bytes:
    return _line({"mark": database, "run": mark.run, "event": mark.event})


def _intent_line(intent: Intent) -> bytes:
    return _line({"intent": intent.attempt_id, "key": intent.key, "body": intent.body_sha256, "reserved": intent.reserved})


def _outcome_line(attempt_id: int, settled: Settled) -> bytes:
    facts: dict[str, object] = {"outcome": attempt_id, "is": settled.outcome.value}
    if settled.task_id is not None:
        facts |= {"task": settled.task_id, "cost": settled.cost}
    return _line(facts)


def _lines(entries: Collection[Entry]) -> Iterator[bytes]:
    for entry in entries:
        yield _intent_line(entry.intent)
        if entry.settled is not None:
            yield _outcome_line(entry.intent.attempt_id, entry.settled)


def _told(path: Path, content: bytes, database: str, only: Collection[int] | None) -> History:
    """Read lines up to the first that is not whole; raise FileError for a file that does not begin with a mark of this database."""
    entries: list[Entry] = []
    places: dict[int, int] = {}
    marks: list[tuple[Mark, int]] = []
    end = 0
    while (stop := content.find(b"\n", end)) >= 0 and (facts := _facts(content[end:stop])) is not None:
        if end == 0 and facts.get("mark") != database:
            raise FileError(f"{path} is the journal of another database; move it away")
        match facts:
            case {"mark": _, "run": int(run), "event": int(event)}:
                marks.append((Mark(run=run, event=event), len(entries)))
            case {"intent": int(attempt_id)} if only is None or attempt_id in only:
                places[attempt_id] = len(entries)
                entries.append(Entry(intent=_intent(attempt_id, facts)))
            case {"outcome": int(attempt_id)} if attempt_id in places:
                entries[places[attempt_id]] = replace(entries[places[attempt_id]], settled=_settled(facts))
            case _:
                pass  # of an order that is not wanted, or was dropped long ago
        end = stop + 1
    return History(path=path, entries=tuple(entries), marks=tuple(marks), end=end)


def _facts(line: bytes) -> Mapping[str, object] | None:
    check, _, text = line.partition(b" ")
    if check != b"%08x" % zlib.crc32(text):
        return None
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return facts if isinstance(facts, Mapping) else None


def _intent(attempt_id: int, facts: Mapping[str, object]) -> Intent:
    return Intent(
        attempt_id=attempt_id, key=JobKey(str(facts.get("key"))), body_sha256=str(facts.get("body")), reserved=_money(facts.get("reserved"))
    )


def _settled(facts: Mapping[str, object]) -> Settled:
    task = facts.get("task")
    return Settled(outcome=Outcome(str(facts.get("is"))), task_id=task if isinstance(task, str) else None, cost=_money(facts.get("cost")))


def _money(amount: object) -> Micros | None:
    return Micros(amount) if isinstance(amount, int) else None
