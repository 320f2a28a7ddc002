"""The journal of orders: what survives, what is dropped, what is refused."""

import os
import resource
import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from batchgen.core.errors import FileError, StoreError
from batchgen.core.jobs import JobKey
from batchgen.core.money import Micros
from batchgen.core.ports import Intent, Settled
from batchgen.core.states import Outcome
from batchgen.files import journal
from batchgen.files.journal import Entry, Mark, OrderJournal
from tests.support.cli import ROOT

DATABASE = "5d1f0c9e77aa4b0b8c9a"
ACCEPTED = Settled(outcome=Outcome.ACCEPTED, task_id="img_1", cost=Micros(60_000))


def intent(number: int) -> Intent:
    """Build the intent of an attempt."""
    return Intent(attempt_id=number, key=JobKey(f"{number:032x}"), body_sha256="ab" * 32, reserved=Micros(60_000))


def opened(folder: Path, mark: Mark | None = None, *, open_orders: tuple[int, ...] = ()) -> OrderJournal:
    """Open the journal as a run does."""
    return OrderJournal(folder, DATABASE, mark or Mark(run=1, event=0), open_orders=open_orders)


def _fill(written: OrderJournal) -> int:
    """Write intents until the disk refuses one, and give how many it took."""
    for number in range(1, 1_000):
        try:
            written.intend(intent(number))
        except FileError:
            return number - 1
    pytest.fail("the disk took everything")


def test_orders_and_their_outcomes_are_read_as_they_were_written(tmp_path: Path) -> None:
    """Intents stand in their order, each with what is known of its answer; the run's mark stands before them."""
    with closing(opened(tmp_path)) as written:
        written.intend(intent(1))
        written.intend(intent(2))
        written.settle(1, ACCEPTED)

        found = journal.read(tmp_path, DATABASE)
        assert (ACCEPTED, None) == (written.settled(1), written.settled(2))

    assert (Entry(intent=intent(1), settled=ACCEPTED), Entry(intent=intent(2))) == found.entries
    assert ((Mark(run=1, event=0), 0),) == found.marks
    assert found == journal.read(tmp_path, DATABASE)


def test_an_open_order_is_known_to_the_next_run(tmp_path: Path) -> None:
    """What one run wrote, all that share the folder can be asked, whether or not it is still at work."""
    with closing(opened(tmp_path)) as first:
        first.intend(intent(1))
        first.settle(1, ACCEPTED)
        first.intend(intent(2))

    with closing(opened(tmp_path, open_orders=(1, 2))) as second, closing(opened(tmp_path)) as third:
        assert (ACCEPTED, None, None) == (second.settled(1), second.settled(2), second.settled(3))
        assert (ACCEPTED, None, None) == (third.settled(1), third.settled(2), third.settled(3))
        assert [journal.name_of(DATABASE, number) for number in (1, 2)] == sorted(path.name for path in tmp_path.iterdir())[::-1]


@pytest.mark.parametrize("torn", [b"\0" * 500, b"0badc0de {}\n", b"1234", b'deadbeef {"intent":9}\n', b"x" * 500, b"\xff\xfe\n\n"])
def test_reading_ends_at_the_first_line_that_is_not_whole_and_writing_goes_on_there(tmp_path: Path, torn: bytes) -> None:
    """A tail torn by a death, or forged, is not believed; the next run drops it."""
    with closing(opened(tmp_path)) as first:
        first.intend(intent(1))
    path = tmp_path / journal.name_of(DATABASE)
    path.write_bytes(path.read_bytes() + torn)

    assert (Entry(intent=intent(1)),) == journal.read(tmp_path, DATABASE).entries
    with closing(opened(tmp_path)) as second:
        assert path.read_bytes().rstrip(b"\0").endswith(b"}\n")
        second.intend(intent(2))
    assert [1, 2] == [entry.intent.attempt_id for entry in journal.read(tmp_path, DATABASE).entries]


def test_every_cut_of_a_journal_is_a_journal(tmp_path: Path) -> None:
    """Cut at any byte, what stands before the cut in whole lines is read, and nothing else."""
    with closing(opened(tmp_path)) as written:
        for number in (1, 2, 3):
            written.intend(intent(number))
            written.settle(number, ACCEPTED)
    path = tmp_path / journal.name_of(DATABASE)
    whole = path.read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]

    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        assert max((end for end in ends if end <= cut), default=0) == journal.read(tmp_path, DATABASE).end


def test_an_older_copy_knows_less_than_the_journal(tmp_path: Path) -> None:
    """Orders behind the last mark that a database has reached may be unknown to it; a later mark says so without any order."""
    with closing(opened(tmp_path, Mark(run=1, event=0))) as written:
        written.intend(intent(1))
        written.mark(Mark(run=1, event=10), still_open=frozenset())
        written.intend(intent(2))
        written.mark(Mark(run=1, event=20), still_open=frozenset())
    found = journal.read(tmp_path, DATABASE)

    assert [1, 2] == [entry.intent.attempt_id for entry in found.since(Mark(run=1, event=9))]
    assert found.is_whole_since(Mark(run=1, event=9))
    assert [1, 2] == [entry.intent.attempt_id for entry in found.since(Mark(run=0, event=99))]
    assert [2] == [entry.intent.attempt_id for entry in found.since(Mark(run=1, event=10))]
    assert [2] == [entry.intent.attempt_id for entry in found.since(Mark(run=1, event=19))]
    assert (True, False) == (found.is_ahead_of(Mark(run=1, event=19)), found.is_ahead_of(Mark(run=1, event=20)))
    assert (True, False) == (found.is_whole_since(Mark(run=1, event=0)), found.is_whole_since(Mark(run=0, event=99)))
    assert not journal.read(tmp_path, "another").is_whole_since(Mark(run=1, event=0))


def test_a_long_journal_begins_anew_and_keeps_open_orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settled orders go, those that the table may not know yet stay, the mark is the first line; the room is small again.

    That is what was open before the table was asked how far it is, and what has gone out since.
    """
    monkeypatch.setattr(journal, "LIMIT_BYTES", 2_000)
    with closing(opened(tmp_path)) as written:
        for number in range(1, 21):
            written.intend(intent(number))
            written.settle(number, ACCEPTED)
            if number != 7:
                written.recorded(number)
        written.intend(intent(21))
        still_open = written.open_orders()
        written.recorded(7)
        written.intend(intent(22))
        written.mark(Mark(run=1, event=60), still_open=still_open)
        written.intend(intent(23))

        found = journal.read(tmp_path, DATABASE)

    assert [7, 21, 22, 23] == [entry.intent.attempt_id for entry in found.entries]
    assert ACCEPTED == found.entries[0].settled
    assert (Mark(run=1, event=60), 0) == found.marks[0]
    assert [journal.name_of(DATABASE)] == [path.name for path in tmp_path.iterdir()]


def test_a_database_has_a_journal_of_its_own(tmp_path: Path) -> None:
    """Two databases in one folder do not read each other's orders, and each can tell that it is not alone."""
    with closing(opened(tmp_path)) as ours:
        ours.intend(intent(1))
        assert tmp_path / ".batchgen-5d1f0c9e.journal" == ours.path
        assert not journal.is_shared(tmp_path, DATABASE)
        assert journal.is_shared(tmp_path, "another")
        assert () == journal.read(tmp_path, "another").entries


def test_a_journal_of_another_database_under_our_name_is_refused(tmp_path: Path) -> None:
    """What was renamed or forged is neither believed nor written over."""
    with closing(opened(tmp_path)) as ours:
        ours.intend(intent(1))
    content = (tmp_path / journal.name_of(DATABASE)).read_bytes()
    (tmp_path / journal.name_of("another")).write_bytes(content)

    with pytest.raises(FileError, match="another database"):
        OrderJournal(tmp_path, "another", Mark(run=1, event=0))
    assert content == (tmp_path / journal.name_of("another")).read_bytes()


@pytest.mark.parametrize("obstacle", ["link", "folder", "pipe"])
def test_what_is_no_file_is_refused(tmp_path: Path, obstacle: str) -> None:
    """A link leads nowhere, a pipe does not hang."""
    place, elsewhere = tmp_path / journal.name_of(DATABASE), tmp_path / "elsewhere"
    elsewhere.write_text("kept")
    {"link": lambda: place.symlink_to(elsewhere), "folder": place.mkdir, "pipe": lambda: os.mkfifo(place)}[obstacle]()

    with pytest.raises(FileError):
        opened(tmp_path)
    assert "kept" == elsewhere.read_text()


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """Task ids give away results; a folder that is not there yet is made."""
    opened(tmp_path / "out").close()

    assert 0o600 == (tmp_path / "out" / journal.name_of(DATABASE)).stat().st_mode & 0o777


def test_without_room_for_an_outcome_no_intent_is_written(tmp_path: Path) -> None:
    """The room is taken before the order goes out: where there is none, the intent fails, and earlier orders can still be settled."""
    with closing(opened(tmp_path)) as written:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (128 * 1024, hard))
        try:
            taken = _fill(written)
            for number in range(1, taken + 1):
                written.settle(number, Settled(outcome=Outcome.ACCEPTED, task_id="x" * 256, cost=Micros(1)))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    found = journal.read(tmp_path, DATABASE).entries
    assert taken > 10
    assert taken == sum(entry.settled is not None for entry in found)


def test_room_is_taken_at_the_start_and_given_back_at_the_end(tmp_path: Path) -> None:
    """64 KiB while the run lasts; afterwards the file ends with its last line."""
    with closing(opened(tmp_path)) as written:
        taken = written.path.stat().st_size

    assert 64 * 1024 == taken
    assert written.path.stat().st_size == journal.read(tmp_path, DATABASE).end > 0


def test_what_is_too_large_for_a_journal_is_not_read(tmp_path: Path) -> None:
    """Up to 64 MiB are looked through, eight times the size at which it begins anew."""
    path = tmp_path / journal.name_of(DATABASE)
    path.touch()
    os.truncate(path, 64 * 1024 * 1024)

    assert () == journal.read(tmp_path, DATABASE).entries

    os.truncate(path, 64 * 1024 * 1024 + 1)
    with pytest.raises(FileError, match="too large"):
        journal.read(tmp_path, DATABASE)


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    """The sentence says what was tried, where, and what the disk said."""
    (tmp_path / "out").touch()

    with pytest.raises(FileError, match=r"^cannot read .*/out/\.batchgen-5d1f0c9e\.journal: Not a directory$"):
        journal.read(tmp_path / "out", DATABASE)


def test_what_is_not_known_of_an_order_stays_unknown(tmp_path: Path) -> None:
    """Neither the price of an order nor its cost is made up, and an order without a task has none."""
    unpriced = replace(intent(1), reserved=None)
    answers = [Settled(outcome=Outcome.ACCEPTED, task_id="img_1"), Settled(outcome=Outcome.REFUSED), Settled(outcome=Outcome.NOT_SENT)]
    with closing(opened(tmp_path)) as written:
        for number, answer in enumerate(answers, start=1):
            written.intend(replace(unpriced, attempt_id=number))
            written.settle(number, answer)
        written.settle(9, ACCEPTED)

    found = journal.read(tmp_path, DATABASE).entries

    assert [Entry(intent=replace(unpriced, attempt_id=number), settled=answer) for number, answer in enumerate(answers, start=1)] == list(
        found
    )


def test_a_journal_that_starts_over_holds_nothing_but_the_mark(tmp_path: Path) -> None:
    """In one step, for its owner only, also where there was none; the former one stays beside it, a leftover of a death is replaced."""
    folder, name = tmp_path / "out", journal.name_of(DATABASE)
    journal.start_over(folder, DATABASE, Mark(run=1, event=0))
    with closing(opened(folder)) as written:
        written.intend(intent(1))
    (folder / f"{name}.part").write_bytes(b"half a line")

    journal.start_over(folder, DATABASE, Mark(run=3, event=40))

    assert (((Mark(run=3, event=40), 0),), ()) == (journal.read(folder, DATABASE).marks, journal.read(folder, DATABASE).entries)
    assert {name, f"{name}.3-40"} == {path.name for path in folder.iterdir()}
    assert b'"intent":1' in (folder / f"{name}.3-40").read_bytes()
    assert 0o600 == (folder / name).stat().st_mode & 0o777


# --- several runs in one folder ---

_HOLD = """
import sys
from pathlib import Path
from batchgen.core.jobs import JobKey
from batchgen.core.ports import Intent
from batchgen.files.journal import Mark, OrderJournal
held = OrderJournal(Path(sys.argv[1]), sys.argv[2], Mark(run=1, event=0))
held.intend(Intent(attempt_id=1, key=JobKey("1" * 32), body_sha256="ab" * 32, reserved=None))
print(held.path.name, flush=True)
sys.stdin.read()
"""


def test_a_journal_is_held_by_one_process_until_it_dies(tmp_path: Path) -> None:
    """While another process writes into the first, a run gets the second; a kill frees the first, and what stands in it is kept."""
    command = [sys.executable, "-c", _HOLD, str(tmp_path), DATABASE]

    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert journal.name_of(DATABASE) == holder.stdout.readline().strip()
        with closing(opened(tmp_path)) as beside:
            assert journal.name_of(DATABASE, 2) == beside.path.name
        holder.send_signal(signal.SIGKILL)

    with closing(opened(tmp_path)) as after:
        assert journal.name_of(DATABASE) == after.path.name
    assert [1] == [entry.intent.attempt_id for entry in journal.read(tmp_path, DATABASE).entries]


def test_a_second_journal_begins_anew_with_its_own_open_orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run keeps what is open in its own file, whatever stands in the first one, and the file stays its own."""
    monkeypatch.setattr(journal, "LIMIT_BYTES", 500)
    with closing(opened(tmp_path)) as first, closing(opened(tmp_path)) as second:
        first.intend(intent(1))
        for number in range(2, 12):
            second.intend(intent(number))
            second.settle(number, ACCEPTED)
            if number != 7:
                second.recorded(number)
        before = second.path.stat().st_ino

        second.mark(Mark(run=1, event=60), still_open=frozenset())

        kept = journal.read(tmp_path, DATABASE, name=second.path.name)
        assert before != second.path.stat().st_ino
        assert (Entry(intent=intent(7), settled=ACCEPTED),) == kept.entries
        assert (Entry(intent=intent(1)),) == journal.read(tmp_path, DATABASE).entries
        with closing(opened(tmp_path)) as third:
            assert journal.name_of(DATABASE, 3) == third.path.name
        second.intend(intent(12))
    assert [7, 12] == [entry.intent.attempt_id for entry in journal.read(tmp_path, DATABASE, name=second.path.name).entries]


def test_what_any_run_wrote_is_recalled_by_all(tmp_path: Path) -> None:
    """An answer that comes after its run was taken for dead is found in its journal; of orders without an answer nothing is said."""
    with closing(opened(tmp_path)) as silent, closing(opened(tmp_path)) as other:
        silent.intend(intent(1))
        silent.intend(intent(2))
        other.intend(intent(3))
        assert {} == other.recall([1, 2, 3])

        silent.settle(1, ACCEPTED)

        assert {1: ACCEPTED} == other.recall([1, 2, 3])
        assert ({}, {}) == (other.recall([]), other.recall([2]))
        assert (ACCEPTED, None, None) == tuple(other.settled(number) for number in (1, 2, 3))


def test_a_database_that_falls_back_while_a_run_works_is_noticed(tmp_path: Path) -> None:
    """A server that was put back in the middle of a run has lost what was recorded: the mark says so, and does not follow it."""
    with closing(opened(tmp_path, Mark(run=3, event=40))) as written:
        written.mark(Mark(run=3, event=40), still_open=frozenset())
        written.mark(Mark(run=4, event=20), still_open=frozenset())

        with pytest.raises(StoreError, match=r"fallen back to run 3, event 90, from run 4, event 20.*\.journal tells what it lacks"):
            written.mark(Mark(run=3, event=90), still_open=frozenset())

    assert Mark(run=4, event=20) == journal.read(tmp_path, DATABASE).marks[-1][0]


def test_the_journals_of_a_database_are_found_by_their_names(tmp_path: Path) -> None:
    """Those of this database only, the first one whether or not it is there; what is no journal is none."""
    opened(tmp_path / "here").close()
    for name in (
        ".batchgen-5d1f0c9e-2.journal",
        ".batchgen-5d1f0c9e-10.journal",
        ".batchgen-0badc0de-2.journal",
        ".batchgen-5d1f0c9e-2.part",
    ):
        (tmp_path / name).touch()

    found = journal.names_in(tmp_path, DATABASE)

    assert [".batchgen-5d1f0c9e.journal", ".batchgen-5d1f0c9e-10.journal", ".batchgen-5d1f0c9e-2.journal"] == found
    assert journal.is_shared(tmp_path, DATABASE)
    assert not journal.is_shared(tmp_path / "here", DATABASE)
    assert 3 == len(journal.read_all(tmp_path, DATABASE))
