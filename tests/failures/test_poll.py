"""Questions that fail, row by row of the failure table (P1 to P11): each fault for real, through the real command line.

Every case compares state, reason, orders, money, the vendor's own counts, the exit code, and the words that the operator reads. Where
minutes must pass (P1 after five of them, P5 after ten, P7 after thirty), ``tests/unit/worker/test_following.py`` lets them pass.
"""

from dataclasses import dataclass, field

import pytest

from tests.failures.conftest import StartRude
from tests.support.cli import CommandLine, open_vendor
from tests.support.fates import Fate, fate, fate_of, manifest, run_until, told
from tests.support.rude_vendor import RESET, Fault, code, gives, says, tells

PAGE = b"<html><head><title>Bad Gateway</title></head></html>"
SAVED = "saved: accepted"
FAILS = tells(status="failed", error_message="upstream \x1b[31mE7731\u202e", cost=0.03)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the table: what the first questions meet (later ones are honest), what is left of it, what is read of it and what is not.

    With ``for_ever`` the last of them is met by all later ones. A run that would wait is ended once its diary says what stands in
    ``until``; ``also`` are the commands that are read besides ``status --json``.
    """

    id: str
    faults: tuple[Fault, ...]
    left: Fate
    said: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ("run.pausing", "run.questions_fail")
    for_ever: bool = False
    until: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    changes: dict[str, object] = field(default_factory=dict)


def _saved(id: str, *faults: Fault, **more: object) -> Row:  # noqa: A002 - pytest's word
    """Give a row of tasks that each meet one of the faults at once, and whose pictures all arrive all the same."""
    count = len(faults)
    left = Fate(code=0, jobs=(SAVED,) * count, money=(f"{0.03 * count:g}", "0", "0"), posts=count, charges=count)
    changes = {"limits": {"in_flight": count}}
    return Row(**{"id": id, "faults": faults, "left": left, "said": (f"{count} saved now",), "changes": changes} | more)  # type: ignore[arg-type]


ROWS = (
    _saved(
        "P1 reset, HTTP 500, 502, code -1, garbage, empty",
        RESET,
        code(-1, "internal error", status=500),
        says(502, PAGE),
        code(-1, "server error"),
        says(200, b'{"code": 20000, "data": {"task_id": "img_1", "sta'),
        says(200),
    ),
    _saved("P2 HTTP 429, too frequent", says(429, Retry_After="0"), code(40000, "too frequent")),
    Row(
        id="P2 ten minutes",
        faults=(says(429, Retry_After="600"),),
        left=Fate(code=143, jobs=("submitted: accepted", "planned"), money=("0.03", "0", "0"), posts=1, charges=1),
        said=("warning: run.pausing what=questions detail=rate limited until 2",),
        unsaid=(),
        until=("run.pausing",),
    ),
    *(
        Row(
            id=f"P3 {name}",
            faults=(fault,),
            left=Fate(code=4, jobs=("submitted: accepted", "planned"), money=("0.03", "0", "0"), posts=1, charges=1),
            also=("status",),
            said=(
                "stopped: the API key in JIMMYAI_API_KEY",
                "was rejected",
                "1 paid task waits at the vendor; how long the results are kept: ",
                "    its result is kept at least until 2",
            ),
        )
        for name, fault in (("code 20001", code(20001, "no such key")), ("HTTP 401", says(401)))
    ),
    _saved(
        "P4 unknown word, no word",
        tells(status="dreaming"),
        tells(status="dreaming"),
        tells(task_id="img_1"),
        said=("reason=status detail=dreaming", "3 saved now"),
    ),
    _saved(
        "P5 no, empty, relative URL at first",
        tells(status="completed", cost=0.03),
        tells(status="completed", cost=0.03, result={"image_url": ""}),
        tells(status="completed", cost=0.03, result={"image_url": "out/img_3.png"}),
    ),
    _saved("P6 more than asked", gives(2), also=("verify",), said=("detail=1 image asked, 2 given: all are kept", "1 saved now")),
    _saved("P6 a flood", gives(12_000), said=("detail=1 image asked, 16 given: all are kept", "1 saved now")),
    Row(
        id="P6 a flood that no answer may be",
        faults=(gives(200_000),),
        left=Fate(code=3, jobs=("submitted(stalled): accepted",), money=("0.03", "0", "0"), posts=1, charges=1),
        said=("the task runs longer than limits.timeout.task",),
        for_ever=True,
        changes={"limits": {"in_flight": 1, "timeout": {"task": "1s"}}},
    ),
    _saved("P7 not found at first", code(-1, "任务不存在"), says(404, {"code": 404, "msg": "task not found"})),
    Row(
        id="P8 moderation, safety, policy",
        faults=tuple(
            tells(status="failed", error_message=words, cost=0)
            for words in ("PROVIDER_MODERATION_ERROR: TRADEMARK", "safety system", "against our policy", "内容违规", "审核", "moderation")
        ),
        left=Fate(code=3, jobs=("failed(moderated): accepted",) * 6, posts=6, charges=6),
        said=("reason=moderated detail=PROVIDER_MODERATION_ERROR: TRADEMARK", "6 refused: 6 moderated"),
        changes={"limits": {"in_flight": 6, "halt": {"consecutive_failures": 2}}},
    ),
    Row(
        id="P9 passing failure",
        faults=(tells(status="failed", error_message="Read timed out", cost=0.03),),
        left=Fate(code=0, jobs=("saved: accepted accepted",), money=("0.06", "0", "0"), posts=2, charges=2),
        also=("show", "verify"),
        said=(
            "no violation",
            "order 1  accepted, 0.03 coin, task img_1, ",
            "(transient: Read timed out)",
            "order 2  accepted, 0.03 coin, task img_2, ",
            "retry_allowed -> planned by policy: regenerate",
        ),
    ),
    Row(
        id="P9 twice",
        faults=(tells(status="failed", error_message="s3 upload failed", cost=0.03),) * 2,
        left=Fate(code=3, jobs=("failed(transient): accepted accepted",), money=("0.06", "0", "0"), posts=2, charges=2),
        said=("reason=transient detail=s3 upload failed", "1 failed: "),
    ),
    Row(
        id="P9 no money for another",
        faults=(tells(status="failed", error_message="Read timed out", cost=0.03),),
        left=Fate(code=5, jobs=("planned(regenerate): accepted",), money=("0.03", "0", "0"), posts=1, charges=1),
        said=("stopped: ", "1 left; go on with"),
        changes={"limits": {"in_flight": 1, "budget": {"cost": 0.05}}},
    ),
    Row(
        id="P10 unknown words, canceled",
        faults=(FAILS, tells(status="canceled", cost=0.03)),
        left=Fate(code=3, jobs=("failed(remote): accepted",) * 2, money=("0.06", "0", "0"), posts=2, charges=2),
        said=("reason=remote detail=upstream \\x1b[31mE7731\\u202e", "reason=remote detail=canceled", "2 failed: "),
        changes={"limits": {"in_flight": 2}},
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_question_that_meets_a_fault(cli: CommandLine, start_rude: StartRude, row: Row) -> None:
    """What is left is what the table says, and the operator reads why."""
    vendor = start_rude(on_poll=row.faults, for_ever=row.for_ever)
    cli.write(manifest(vendor.url, len(row.left.jobs), **row.changes))

    run = run_until(cli, *row.until) if row.until else cli("run", "study.yaml", "-y")

    batch, read = told(cli, run)
    read += "".join(cli(command, *([cli.job("gate 1")["key"]] if command == "show" else [])).out for command in row.also)
    assert row.left == fate_of(cli, run, batch, vendor), read
    assert [] == [words for words in row.said if words not in read], read
    assert [] == [words for words in row.unsaid if words in run.err], read


@pytest.mark.slow
def test_tasks_that_fail_one_after_the_other_pause_the_orders(cli: CommandLine, start_rude: StartRude) -> None:
    """P10: five failures in a row are the vendor's trouble: the run says so and waits, and what it did not order costs nothing."""
    vendor = start_rude(on_poll=(FAILS,), for_ever=True)
    cli.write(manifest(vendor.url, 7))

    run = run_until(cli, "run.pausing")

    batch, read = told(cli, run)
    left = Fate(code=143, jobs=("failed(remote): accepted",) * 5 + ("planned",) * 2, money=("0.15", "0", "0"), posts=5, charges=5)
    assert left == fate_of(cli, run, batch, vendor), read
    assert "warning: run.pausing what=orders detail=tasks fail: upstream \\x1b[31mE7731\\u202e until 2" in run.err


def test_word_is_told_once(cli: CommandLine, start_rude: StartRude) -> None:
    """P4: three tasks that dream are one warning."""
    vendor = start_rude(on_poll=(tells(status="dreaming"),) * 6)
    cli.write(manifest(vendor.url, 3, limits={"in_flight": 3}))

    run = cli("run", "study.yaml", "-y")

    assert 0 == run.code
    assert 1 == run.err.count("dreaming")


def test_rejected_key_keeps_what_is_paid_for_the_next_run(cli: CommandLine, start_rude: StartRude) -> None:
    """P3: with a key that works again the paid picture is fetched and the rest is ordered, each once."""
    vendor = start_rude(on_poll=(code(20001),))
    cli.write(manifest(vendor.url, 2))

    rejected, resumed = cli("run", "study.yaml", "-y"), cli("resume", "-y")

    batch, read = told(cli, resumed)
    left = Fate(code=0, jobs=(SAVED, SAVED), money=("0.06", "0", "0"), posts=2, charges=2)
    assert left == fate_of(cli, resumed, batch, vendor), read
    assert 4 == rejected.code


def test_task_past_its_deadline_is_stalled_and_fetched_by_a_later_run(cli: CommandLine, start_rude: StartRude) -> None:
    """P11: a task that runs longer than allowed stays submitted and paid, its age is shown, and a later run fetches it."""
    vendor = start_rude(on_poll=(tells(status="processing", progress=50),))
    cli.write(manifest(vendor.url, 1, limits={"in_flight": 1, "timeout": {"task": "0.1s"}}))

    run = cli("run", "study.yaml", "-y")
    batch, read = told(cli, run)
    stalled, status = fate_of(cli, run, batch, vendor), cli("status").out
    resumed = cli("resume", "-y")

    money = ("0.03", "0", "0")
    assert Fate(code=3, jobs=("submitted(stalled): accepted",), money=money, posts=1, charges=1) == stalled, read
    assert "reason=stalled detail=the task runs longer than limits.timeout.task" in run.err
    assert "  oldest task since 2" in status
    batch, read = told(cli, resumed)
    assert Fate(code=0, jobs=(SAVED,), money=money, posts=1, charges=1) == fate_of(cli, resumed, batch, vendor), read


def test_status_that_runs_backwards_changes_nothing(cli: CommandLine) -> None:
    """P11: a completed task whose dead URL is to be renewed is told as processing again: it is asked on, and bought once."""
    with open_vendor(faults=("download.expired@1", "result.backwards@2"), latency_s=0.0) as vendor:
        cli.write(manifest(vendor.url, 1))
        run = cli("run", "study.yaml", "-y")
        stats, charges = vendor.stats(), vendor.charges()

    batch, read = told(cli, run)
    left = Fate(code=0, jobs=(SAVED,), money=("0.03", "0", "0"), posts=1, charges=1)
    assert left == fate(cli, run, batch, posts=stats["posts"], charges=len(charges)), read
    assert {"download.expired", "result.backwards"} == set(stats["faults"])
    assert "1 saved now" in run.out
