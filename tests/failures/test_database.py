"""Rows B1 to B5 of the failure table: the job database is held, full, damaged, replaced, read-only or of another version."""

import re
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.failures.conftest import StartVendor
from tests.support.books import bill, books
from tests.support.cli import CommandLine, study, wait_until
from tests.support.disks import Disk, FailingDisk
from tests.support.recording_vendor import RecordingVendor
from tests.support.webhost import Answer, Arrived, serving

NOWHERE = "http://127.0.0.1:9"
_HOLD = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
other.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""

PATIENCE_S = 100.0
"""How long a command may take to get somewhere on a machine that has much else to do."""


def _prompts(count: int) -> list[str]:
    return [f"picture {number}" for number in range(1, count + 1)]


@contextmanager
def _held(database: Path) -> Iterator[int]:
    """Let another process hold the database until the block ends; give its pid."""
    command = [sys.executable, "-c", _HOLD, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert "held\n" == holder.stdout.readline()
        try:
            yield holder.pid
        finally:
            holder.kill()


def test_b1_held_for_a_while_no_order_goes_out_and_the_run_goes_on(cli: CommandLine, start_vendor: StartVendor) -> None:
    """While another process holds the database nothing is ordered; when it lets go every row is bought once and saved: exit 0."""
    vendor = start_vendor(latency_s=0.0)
    cli.write(study(vendor.url, _prompts(40), limits={"in_flight": 1}))

    with cli.background("run", "study.yaml", "-y") as running:
        wait_until(lambda: vendor.posts >= 3, timeout_s=PATIENCE_S)
        with _held(cli.folder / "batchgen.db"):
            wait_until(lambda: vendor.stats()["polls"] > 0, timeout_s=PATIENCE_S)
            before = vendor.posts
            with pytest.raises(TimeoutError):
                wait_until(lambda: vendor.posts > before + 1, timeout_s=2)
        ended = cli.finish(running)

    assert 0 == ended.code, ended.err
    assert {"saved": 40} == cli.states()
    assert "40 orders, 1.2 spent, 0 reserved, 0 held" == books(cli)
    assert "40 POSTs, 40 charges" == bill(vendor)


@pytest.mark.slow
def test_b1_held_for_good_the_run_is_refused_and_the_holder_named(cli: CommandLine, start_vendor: StartVendor) -> None:
    """After 30 s of waiting: exit 7, the holder's pid in the sentence, nothing ordered, every row as it was."""
    vendor = start_vendor()
    cli.write(study(vendor.url, _prompts(2)))
    cli("plan", "study.yaml", "--save")

    with _held(cli.folder / "batchgen.db") as pid:
        refused = cli("run", "study.yaml", "-y")

    told = f"error: another process has held the job database for too long (batchgen.db: held by process {pid})\n"
    assert (7, told) == (refused.code, refused.err)
    assert {"planned": 2} == cli.states()
    assert "0 orders, 0 spent, 0 reserved, 0 held" == books(cli)
    assert "0 POSTs, 0 charges" == bill(vendor)


def _accepted_while_the_database_fails(cli: CommandLine, strike: Callable[[], object], heal: Callable[[], object]) -> str:
    """Run two orders, one after the other, with the database on ``disk``, which is struck as the first order is answered.

    Gives what the operator read on stderr, after checking what holds whatever the fault: exit 7, no further order, the id in the journal
    and told; and with the disk healed a resume that takes it from there and orders only the second.
    """
    vendor, db, strikes = RecordingVendor(url=""), ("--db", "disk/jobs.db"), list[object]()

    def answer(request: Arrived) -> Answer:
        if request.method == "POST" and not strikes:
            strikes.append(strike())
        kind, content = vendor.answer(request)
        return 200, {"Content-Type": kind}, content

    with serving(answer) as vendor.url:
        cli.write(study(vendor.url, _prompts(2), limits={"in_flight": 1}))
        struck = cli(*db, "run", "study.yaml", "-y")
        ordered = len(vendor.orders)
        heal()
        resumed = cli(*db, "resume", "-y")

    assert (7, 1) == (struck.code, ordered), struck.err
    assert "fact=submit_accepted task_id=img_1 kept=in the journal; the next start records it" in struck.err
    assert re.search(r"accepted and paid, not in the database: [0-9a-f]{8} is task img_1, kept in the journal", struck.out)
    assert 0 == resumed.code, resumed.err
    assert {"saved": 2} == Counter(job["state"] for job in cli.jobs(*db))
    assert "2 orders, 0.06 spent, 0 reserved, 0 held" == books(cli, *db)
    assert 2 == len(vendor.orders)
    assert 0 == cli(*db, "verify").code
    return struck.err


def test_b2_full_disk_keeps_the_id_in_the_journal(cli: CommandLine, disk: Disk) -> None:
    """The disk of the database fills while an order is out."""
    err = _accepted_while_the_database_fails(cli, lambda: disk.fill(0), lambda: disk.resize(1 << 20))

    assert "no room left on the disk of the job database (disk/jobs.db)" in err


def test_b2_a_disk_that_turns_read_only_keeps_the_id_in_the_journal(cli: CommandLine, failing_disk: FailingDisk) -> None:
    """The disk of the database meets an error while an order is out, and the kernel takes no further write."""
    err = _accepted_while_the_database_fails(cli, failing_disk.fail, failing_disk.mend)

    assert re.search(r"the (job database or its folder is read-only|disk failed under the job database) \(disk/jobs\.db\)", err), err


def test_b2_full_disk_stops_the_run_and_what_is_paid_is_fetched_later(cli: CommandLine, disk: Disk) -> None:
    """The disk fills while a picture comes: no further order, exit 7 with the place; with room again the run goes on: exit 0."""
    vendor = RecordingVendor(url="")
    db = ("--db", "disk/jobs.db")

    def answer(request: Arrived) -> Answer:
        if request.path.startswith("/files/") and not vendor.downloads:
            disk.fill(0)
        kind, content = vendor.answer(request)
        return 200, {"Content-Type": kind}, content

    with serving(answer) as vendor.url:
        cli.write(study(vendor.url, _prompts(2), limits={"in_flight": 1, "submit_rate": "6/min"}))
        full = cli(*db, "run", "study.yaml", "-y")
        ordered = len(vendor.orders)
        disk.resize(1 << 20)
        states, money = Counter(job["state"] for job in cli.jobs(*db)), books(cli, *db)
        resumed = cli(*db, "resume", "-y")

    assert 7 == full.code
    assert "no room left on the disk of the job database (disk/jobs.db)" in full.err
    assert (1, {"rendered": 1, "planned": 1}) == (ordered, states)
    assert "1 orders, 0.03 spent, 0 reserved, 0 held" == money
    assert 0 == resumed.code, resumed.err
    assert "2 orders, 0.06 spent, 0 reserved, 0 held" == books(cli, *db)
    assert 2 == len(vendor.orders)


@pytest.mark.parametrize("fault", ["unlinked", "replaced"])
def test_b3_a_database_that_is_no_longer_there_stops_the_run_at_once(cli: CommandLine, start_vendor: StartVendor, fault: str) -> None:
    """A file that was removed, or in whose place another one stands, gets no further write and no order goes out: exit 7."""
    vendor = start_vendor(latency_s=0.0)
    database, other = cli.folder / "batchgen.db", cli.folder / "other.db"
    cli.write(study(vendor.url, _prompts(10), limits={"in_flight": 1, "submit_rate": "20/min"}))
    cli("plan", "study.yaml", "--save")
    shutil.copy(database, other)
    before = other.read_bytes()

    with cli.background("run", "study.yaml", "-y") as running:
        wait_until(lambda: cli.select("SELECT 1 FROM v_jobs WHERE state = 'saved'"), timeout_s=PATIENCE_S)
        ordered = vendor.posts
        database.rename(cli.folder / "moved.db") if fault == "unlinked" else other.rename(database)
        ended = cli.finish(running, timeout_s=45)

    assert 7 == ended.code, ended.err
    assert "the job database was removed or replaced while it was in use: batchgen.db; put the file back, or a backup" in ended.err
    assert vendor.posts == ordered
    assert not database.exists() if fault == "unlinked" else before == database.read_bytes()


def test_b3_the_right_file_put_back_goes_on_and_an_older_copy_is_refused(cli: CommandLine, start_vendor: StartVendor) -> None:
    """After a replacement in mid-run the copy would buy again what it does not know: exit 7; the file itself goes on: exit 0."""
    vendor = start_vendor(latency_s=0.0)
    database = cli.folder / "batchgen.db"
    cli.write(study(vendor.url, _prompts(3)))
    cli("plan", "study.yaml", "--save")
    cli("db", "backup", "older.db")
    cli("run", "study.yaml", "-y", "--budget", "0.06")
    database.rename(cli.folder / "right.db")
    shutil.copy(cli.folder / "older.db", database)

    older = cli("resume", "-y")
    (cli.folder / "right.db").rename(database)
    right = cli("resume", "-y")

    assert (7, 0) == (older.code, right.code)
    assert "this database is an older copy" in older.err
    assert "3 orders, 0.09 spent, 0 reserved, 0 held" == books(cli)
    assert "3 POSTs, 3 charges" == bill(vendor)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff", "the job database is damaged; restore a backup or try sqlite3's .recover (batchgen.db)"),
        (b"holiday photos ", "the file is not an SQLite database (batchgen.db)"),
    ],
    ids=["corrupt", "notadb"],
)
def test_b3_a_damaged_database_is_left_alone(cli: CommandLine, start_vendor: StartVendor, content: bytes, told: str) -> None:
    """Pages of nonsense, or no database at all: exit 7 with the way out, nothing ordered, not a byte changed."""
    vendor = start_vendor()
    cli.write(study(vendor.url, _prompts(2)))
    cli("plan", "study.yaml", "--save")
    database = cli.folder / "batchgen.db"
    sound = database.read_bytes()
    kept = sound[:4096] if content == b"\xff" else b""
    damaged = (kept + content * len(sound))[: len(sound)]
    database.write_bytes(damaged)

    run, status = cli("run", "study.yaml", "-y"), cli("status")
    untouched = damaged == database.read_bytes()
    database.write_bytes(sound)

    assert (7, 7) == (run.code, status.code)
    assert f"error: {told}\n" == run.err == status.err
    assert untouched
    assert "0 orders, 0 spent, 0 reserved, 0 held" == books(cli)
    assert "0 POSTs, 0 charges" == bill(vendor)


def test_b4_a_read_only_database_answers_and_takes_no_run(cli: CommandLine, start_vendor: StartVendor, disk: Disk) -> None:
    """On a disk that takes no writes ``status`` and ``jobs`` answer as ever; ``run`` and ``resume`` refuse with the path: exit 7."""
    vendor = start_vendor()
    db = ("--db", "disk/jobs.db")
    cli.write(study(vendor.url, _prompts(2)))
    cli(*db, "plan", "study.yaml", "--save")
    disk.forbid_writing()

    run, resumed = cli(*db, "run", "study.yaml", "-y"), cli(*db, "resume", "-y")
    status, jobs, money = cli(*db, "status"), cli(*db, "jobs", "--json"), books(cli, *db)

    assert (7, 7, 0, 0) == (run.code, resumed.code, status.code, jobs.code)
    assert "error: the lock file cannot be used: disk/jobs.db.lock: Read-only file system\n" == run.err == resumed.err
    assert ["planned", "planned"] == [job["state"] for job in jobs.document["jobs"]]
    assert "0 orders, 0 spent, 0 reserved, 0 held" == money
    assert "0 POSTs, 0 charges" == bill(vendor)


def test_b5_a_database_of_a_newer_version_is_refused_and_unchanged(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Both revisions stand in the sentence: exit 7, nothing ordered, not a byte changed."""
    vendor = start_vendor()
    cli.write(study(vendor.url, _prompts(2)))
    cli("plan", "study.yaml", "--save")
    current = cli("db", "current", "--json").document["revision"]
    database = cli.folder / "batchgen.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from_the_future'")
    before = database.read_bytes()

    run, resumed = cli("run", "study.yaml", "-y"), cli("resume", "-y")

    told = f"batchgen.db has schema from_the_future, newer than {current}, the newest this program knows: update batchgen"
    assert (7, 7) == (run.code, resumed.code)
    assert f"error: {told}\n" == run.err == resumed.err
    assert before == database.read_bytes()
    assert "0 POSTs, 0 charges" == bill(vendor)


def test_t13_two_processes_on_one_database_the_second_is_told_the_first(cli: CommandLine, start_vendor: StartVendor) -> None:
    """The second runner gets exit 8 and the pid of the first, and orders nothing; the first works on as if nothing had been."""
    vendor = start_vendor(latency_s=60)
    cli.write(study(vendor.url, _prompts(3)))

    with cli.background("run", "study.yaml", "-y") as first:
        wait_until(lambda: vendor.posts == 3, timeout_s=PATIENCE_S)
        second, third = cli("run", "study.yaml", "-y"), cli("resume", "-y")
        first.terminate()
        ended = cli.finish(first)

    assert (8, 8, 143) == (second.code, third.code, ended.code)
    assert f"process {first.pid} on " in second.err
    assert f"process {first.pid} on " in third.err
    assert {"submitted": 3} == cli.states()
    assert "3 orders, 0.09 spent, 0 reserved, 0 held" == books(cli)
    assert "3 POSTs, 3 charges" == bill(vendor)
