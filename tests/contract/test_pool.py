"""Several runs of one batch: what each has in hand, who counts as dead, and how they divide limits. On SQLite and on PostgreSQL."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from random import Random

import pytest
from sqlalchemy import Connection, create_engine

from batchgen.core import events as e
from batchgen.core.errors import LeaseLostError, StoreError
from batchgen.core.limits import Found, Limits, Pace
from batchgen.core.ports import Upload
from batchgen.core.sharing import Part, Share, divided
from batchgen.core.states import State
from batchgen.core.steering import Kind, Request
from batchgen.store import commands, paces, pool, runs, uploads
from batchgen.store.engine import open_engine
from batchgen.store.ledger import SqlLedger
from batchgen.store.pool import Gate, Meeting, Visitor
from tests.support.cli import wait_until
from tests.support.databases import START, OpenTable, Table, event, opened, postgres_url

LONG_S = 3600.0


def join(table: Table, pid: int = 4712, *, lease_s: float = LONG_S) -> SqlLedger:
    """Let another run work on the table; give its ledger, and its number as ``table.run_id``."""
    process = runs.Process(host="night-2", pid=pid, boot_id="b00t", tool_version="0.1.0")
    started = table.thread.call(lambda c: runs.start(c, batch_id=table.batch_id, process=process, at=START, lease_s=lease_s))
    table.run_id = started.result()
    return SqlLedger(table.thread, batch_id=table.batch_id, run_id=table.run_id)


def claimed(ledger: SqlLedger, limit: int = 100, *, skip: frozenset[int] = frozenset()) -> list[int]:
    """Claim rows and give their numbers."""
    return [job.id for job in ledger.claim(limit=limit, now=START, skip=skip, full_models=frozenset()).result()]


def bury(table: Table, *run_ids: int) -> list[int]:
    """Take runs for dead."""
    return table.thread.call(lambda c: runs.bury(c, run_ids, at=START)).result()


def test_no_row_is_claimed_by_two_runs(open_table: OpenTable) -> None:
    """Each gets the next rows in running order that nobody has in hand."""
    table = open_table(5)
    second = join(table)

    assert [[1, 2], [3, 4], [5], []] == [claimed(table.ledger, 2), claimed(second, 2), claimed(join(table), 2), claimed(join(table), 2)]


def test_a_claim_gives_back_what_the_one_before_took(open_table: OpenTable) -> None:
    """But for rows that are being ordered; others may have them then."""
    table = open_table(4)
    second = join(table)
    claimed(table.ledger, 3)

    assert [2, 3] == claimed(table.ledger, 2, skip=frozenset({1}))
    assert [4] == claimed(second)


def test_a_row_that_goes_back_to_planned_is_free_for_all(open_table: OpenTable) -> None:
    """What could not be sent waits for whoever comes first."""
    table = open_table(1)
    second = join(table)
    claimed(table.ledger)
    table.walk(1, e.SubmitStarted, e.SubmitNotSent)

    assert [1] == claimed(second)


def test_a_run_taken_for_dead_loses_every_change(open_table: OpenTable) -> None:
    """It can neither record, nor claim, nor adopt, nor say that it lives; nothing of the group is written."""
    table = open_table(2)
    first = table.run_id
    table.walk(1, e.SubmitStarted, e.SubmitAccepted)

    assert [first] == bury(table, first)
    assert [] == bury(table, first)
    late = [
        table.ledger.record(table.change(1, e.RenderFinished)),
        table.ledger.record(table.change(2, e.SubmitStarted)),
        table.ledger.claim(limit=1, now=START, skip=frozenset(), full_models=frozenset()),
        table.ledger.live(),
        table.ledger.orphans(),
        table.thread.call(lambda c: runs.beat(c, first, at=START)),
    ]
    assert [LeaseLostError] * len(late) == [type(future.exception()) for future in late]
    assert [State.SUBMITTED, State.PLANNED] == [State(row[0]) for row in table.sql("SELECT state FROM job ORDER BY id")]


def test_what_a_dead_run_had_in_hand_goes_on_in_others(open_table: OpenTable) -> None:
    """Tasks and results go to the first that looks, claimed rows back to all; one that works keeps what it has."""
    table = open_table(6)
    first = table.run_id
    claimed(table.ledger, 4)
    table.walk(1, e.SubmitStarted)
    table.walk(2, e.SubmitStarted, e.SubmitAccepted)
    table.walk(3, e.SubmitStarted, e.SubmitAccepted, e.RenderFinished)
    second = join(table)
    third = join(table)

    assert [[], []] == [second.orphans().result(), third.orphans().result()]
    bury(table, first)

    assert [1, 2, 3] == [job.id for job in second.orphans().result()]
    assert [] == third.orphans().result()
    assert [4, 5, 6] == claimed(third)
    assert [1, 2, 3] == [job.id for job in second.live().result()]


def test_the_end_of_a_run_frees_what_it_had(open_table: OpenTable) -> None:
    """A drained run leaves its tasks to the others at once, without any lease running out."""
    table = open_table(2)
    table.walk(1, e.SubmitStarted, e.SubmitAccepted)
    claimed(table.ledger)
    second, first = join(table), 1

    table.thread.call(lambda c: runs.finish(c, first, runs.Ending(stop_reason="interrupted", exit_code=130), at=START)).result()

    assert [1] == [job.id for job in second.orphans().result()]
    assert [2] == claimed(second)


def test_silence_is_measured_by_the_database(open_table: OpenTable) -> None:
    """A lease that has run out ends a run only where silence is judged; a sign of life renews it; the runner's clock does not matter."""
    table = open_table(1)
    silent, alive = (join(table, lease_s=-1.0), table.run_id), (join(table, lease_s=-1.0), table.run_id)
    table.thread.call(lambda c: runs.beat(c, alive[1], at=START - timedelta(days=9), lease_s=LONG_S)).result()

    buried = [
        table.thread.call(partial(runs.bury_dead, is_gone=lambda _run: False, judges_silent=judges, at=START)).result()
        for judges in (False, True, True)
    ]

    assert [[], [silent[1]], []] == buried
    assert [] == alive[0].orphans().result()


def test_a_process_that_is_gone_is_not_waited_for(open_table: OpenTable) -> None:
    """Whoever can see that it is gone need not wait for its lease; a run that holds a file's lock is never judged so."""
    table = open_table(1)
    join(table, pid=1)
    gone = table.run_id

    found = table.thread.call(partial(runs.bury_dead, is_gone=lambda run: run["pid"] == 1, judges_silent=False, at=START)).result()

    assert [gone] == found
    assert [("died",)] == table.sql("SELECT stop_reason FROM run WHERE pid = 1")


def test_work_in_other_hands_is_waited_for(open_table: OpenTable) -> None:
    """Nothing is planned, but what another run has in hand may come back: for that one there is nothing to wait for."""
    table = open_table(1)
    table.walk(1, e.SubmitStarted, e.SubmitAccepted)
    second = join(table)

    assert second.next_due().result() is not None
    assert table.ledger.next_due().result() is None
    assert second.next_due(without=frozenset({"other"})).result() is None


def test_what_another_run_only_holds_is_not_waited_for(open_table: OpenTable) -> None:
    """A task that takes too long, or a picture that cannot be fetched now: each run ends with what it holds, and none waits for another."""
    table = open_table(2)
    second = join(table)
    table.walk(1, e.SubmitStarted, e.SubmitAccepted, e.TaskStalled)
    table.walk(2, e.SubmitStarted, e.SubmitAccepted, e.RenderFinished)
    assert second.next_due().result() is not None

    table.record(2, event(e.DownloadDeferred, next_at=START))
    assert second.next_due().result() is not None
    table.record(2, event(e.DownloadDeferred, next_at=None))

    assert second.next_due().result() is None


def test_who_tries_some_rows_waits_for_no_others(open_table: OpenTable) -> None:
    """What another run has in hand keeps a trial only where it is one of its rows."""
    table = open_table(2)
    table.walk(1, e.SubmitStarted, e.SubmitAccepted)
    join(table)

    def due(*rows: int) -> bool:
        ledger = SqlLedger(table.thread, batch_id=table.batch_id, run_id=table.run_id, only=frozenset(rows))
        return ledger.next_due().result() is not None

    claimed(table.ledger)
    table.sql("UPDATE job SET state = 'saved', run_id = NULL WHERE id = 2")
    assert (True, False) == (due(1), due(2))


def test_a_batch_wants_workers_while_something_is_in_nobodys_hands(open_table: OpenTable) -> None:
    """Rows that are due, or tasks of a dead run; not what somebody has, what waits for later, or what is paused."""
    table, other = open_table(1), open_table(1, name="day")

    def wanting() -> list[str]:
        return table.thread.call(lambda c: pool.wanting(c, at=START)).result()

    assert ["night", "day"] == wanting()
    claimed(table.ledger)
    assert ["day"] == wanting()
    request = Request(kind=Kind.PAUSE, actor="operator:ana", asked_at=START)
    other.thread.call(lambda c: commands.ask(c, other.batch_id, request)).result()
    assert [] == wanting()
    table.walk(1, e.SubmitStarted, e.SubmitAccepted)
    bury(table, 1)
    assert ["night"] == wanting()
    assert ["night", "day"] == table.thread.call(pool.unfinished).result()
    join(table).live().result()
    assert [] == wanting()
    table.ledger = SqlLedger(table.thread, batch_id=table.batch_id, run_id=table.run_id)
    table.record(1, event(e.RenderFailed))
    assert ["day"] == table.thread.call(pool.unfinished).result()


def meet(table: Table, run_id: int, limits: Limits, held: Mapping[str, Share], gate: Gate | None = None, vendor: str = "v") -> Meeting:
    """Let a run meet the others."""
    visitor = Visitor(run_id=run_id, batch_id=table.batch_id, vendor=vendor, held=held, gate=gate)
    return table.thread.call(lambda c: pool.meet(c, visitor, partial(divided, limits))).result()


@pytest.mark.parametrize("seed", range(3))
def test_shares_never_pass_the_limit_whoever_comes_and_goes(open_table: OpenTable, seed: int) -> None:
    """At every moment what all may have alive, or still have, is within the limit; in the end each has its even part."""
    table, random = open_table(1), Random(seed)
    limits = Limits(pace=Pace(in_flight=13, submits_per_s=5.0), per_model={"painter": Pace(in_flight=3)})
    held: dict[int, dict[str, Share]] = {table.run_id: {}}
    for _ in range(60):
        turn = random.random()
        if turn < 0.15 and len(held) < 6:
            join(table)
            held[table.run_id] = {}
        elif turn < 0.25 and len(held) > 1:
            gone = random.choice(sorted(held))
            bury(table, gone)
            del held[gone]
        else:
            run = random.choice(sorted(held))
            met = meet(table, run, limits, held[run])
            held[run] = {model: _alive(share, held[run].get(model, Share()), random) for model, share in met.shares.items()}
        for model, most in (("", 13), ("painter", 3)):
            assert most >= sum(shares[model].in_flight or 0 for shares in held.values() if model in shares)
        assert 5.0 + 1e-3 >= sum(shares[""].submits_per_s or 0.0 for shares in held.values() if shares)
    for _ in range(3):
        for run, shares in held.items():
            held[run] = dict(meet(table, run, limits, shares).shares)
    assert 13 == sum(shares[""].in_flight or 0 for shares in held.values())
    assert max(share[""].in_flight or 0 for share in held.values()) - min(share[""].in_flight or 0 for share in held.values()) <= 1


def _alive(share: Share, before: Share, random: Random) -> Share:
    """Give what a run holds after a meeting: its share, or what it still has alive of a larger one that it had."""
    still = random.randint(0, before.in_flight or 0)
    return Share(in_flight=None if share.in_flight is None else max(share.in_flight, still), submits_per_s=share.submits_per_s)


def test_a_wish_of_the_vendor_reaches_everybody(open_table: OpenTable) -> None:
    """The later of two wishes stands; other vendors are none of it."""
    table = open_table(1)
    first, second = table.run_id, (join(table), table.run_id)[1]
    early, late = (Gate(shut_until=START + timedelta(seconds=seconds), why="rate limited") for seconds in (5, 60))

    told: Sequence[Gate | None] = [
        meet(table, first, Limits(), {}, early).gate,
        meet(table, second, Limits(), {}).gate,
        meet(table, second, Limits(), {}, late).gate,
        meet(table, first, Limits(), {}, early).gate,
        meet(table, first, Limits(), {}, vendor="another").gate,
    ]

    assert [early, early, late, late, None] == told


def test_those_who_meet_learn_how_far_the_batch_is(open_table: OpenTable) -> None:
    """How many they are, and all jobs by state."""
    table = open_table(3)
    table.walk(1, e.SubmitStarted)
    join(table)

    met = meet(table, table.run_id, Limits(), {})

    assert (2, 2, 1) == (met.members, met.states[State.PLANNED], met.states[State.SUBMITTING])
    assert Part(rank=1, members=2) == Part(rank=1, members=met.members)


# --- where others write at the same moment ---


@pytest.fixture
def open_server_table(postgres: str) -> Iterator[OpenTable]:
    """Open tables of a fresh database on the server."""
    with opened(postgres_url(postgres)) as open_one:
        yield open_one


def _keeps_upload(_table: Table, connection: Connection) -> None:
    upload = Upload(sha256="ab" * 32, vendor="v", url="https://cdn.example/a.png", expires_at=START, created_at=START)
    uploads.keep(connection, upload)


def _keeps_pace(_table: Table, connection: Connection) -> None:
    paces.keep(connection, "v", {"": Found(in_flight=4.0)}, at=START)


def _keeps_gate(table: Table, connection: Connection) -> None:
    gate = Gate(shut_until=START, why="rate limited")
    visitor = Visitor(run_id=table.run_id, batch_id=table.batch_id, vendor="v", held={}, gate=gate)
    pool.meet(connection, visitor, partial(divided, Limits()))


@pytest.mark.postgres
@pytest.mark.parametrize("keeps", [_keeps_upload, _keeps_pace, _keeps_gate])
def test_what_two_runs_note_of_a_vendor_at_once_fails_for_neither(
    open_server_table: OpenTable, keeps: Callable[[Table, Connection], None]
) -> None:
    """Both have the first reference of a batch to send, or meet the first refusal: the second waits for the first, and goes on."""
    night, day = open_server_table(1), open_server_table(1, name="day")

    with night.engine.begin() as first:
        keeps(night, first)
        second = day.thread.call(partial(keeps, day))
        wait_until(lambda: night.sql("SELECT count(*) FROM pg_locks WHERE NOT granted")[0][0])

    assert second.result() is None


@pytest.mark.postgres
def test_a_database_in_which_prompts_could_not_be_kept_is_refused(postgres: str) -> None:
    """Another encoding than UTF-8 is named, with what to create instead."""
    engine = create_engine(postgres.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE plain TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
    engine.dispose()

    with pytest.raises(StoreError, match=r"encoded in SQL_ASCII.*ENCODING 'UTF8'"):
        open_engine(postgres.replace("/postgres?", "/plain?"))
