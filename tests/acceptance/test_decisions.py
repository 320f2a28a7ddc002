"""What only a person may decide: ambiguous orders, failed ones, and rows that are no longer wanted."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.acceptance.conftest import StartVendor
from tests.support.cli import CommandLine, Vendor, open_vendor, study

NOWHERE = "http://127.0.0.1:9"
LOST_ANSWERS = (
    ("accept_then_reset", "accept_then_502", "accept_then_504", "reset"),
    ("accept_then_garbage", "accept_then_cut", "accept_then_empty"),
    ("accept_then_no_id", "accept_then_hang", "502"),
)
"""Ways to lose the answer to an order, a few a run: the fifth within ten minutes would make the run pause."""
DOUBTFUL = ("attached", "resubmitted", "disproved", "abandoned", "undecided")


@pytest.fixture(scope="module")
def doubtful() -> Iterator[Vendor]:
    """Start a vendor that loses the answer to every second order, five times."""
    with open_vendor(faults=tuple(f"post.accept_then_reset@{ordinal}" for ordinal in (2, 4, 6, 8, 10))) as vendor:
        yield vendor


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory, doubtful: Vendor) -> Iterator[CommandLine]:
    """Give a folder whose batch has five ambiguous rows, one for each test, and five saved ones."""
    command_line = CommandLine(folder=tmp_path_factory.mktemp("doubt"))
    prompts = [prompt for name in DOUBTFUL for prompt in (f"fine beside {name}", name)]
    command_line.write(study(doubtful.url, prompts, limits={"in_flight": 1}))
    assert 3 == command_line("run", "study.yaml", "-y").code
    assert {"saved": 5, "ambiguous": 5} == command_line.states()
    yield command_line
    assert [] == command_line.leaks()


def _decisions(cli: CommandLine, key: str, reason: str) -> list[dict[str, Any]]:
    """List the events of a job that an operator caused and that carry the given words."""
    events = cli("events", "--key", key, "--json").document["events"]
    return [event for event in events if event["actor"].startswith("operator:") and reason in str(event)]


def test_status_puts_money_at_risk_first(cli: CommandLine, doubtful: Vendor) -> None:
    """Each ambiguous order counts as spent: 0.03 a picture stands at risk, in JSON and for people."""
    cli.job("undecided")

    (batch,) = cli("status", "--json").document["batches"]
    shown = cli("status").out

    ambiguous = batch["states"]["ambiguous"]
    assert Decimal("0.03") * ambiguous <= Decimal(batch["money"]["held"])
    assert ambiguous == len(batch["ambiguous"])
    assert "risk" in shown.splitlines()[1]
    assert doubtful.charges("undecided")


def test_found_task_is_attached_and_fetched(cli: CommandLine, doubtful: Vendor) -> None:
    """``resolve --task-id`` adopts the task that the vendor's bill names; the picture arrives and nothing is bought."""
    job, posts = cli.job("attached"), doubtful.posts
    (charge,) = [charge for charge in doubtful.charges() if charge["request"]["prompt"] == "attached"]

    resolved = cli("resolve", job["key"], "--task-id", charge["task_id"], "--reason", "found on the bill")
    cli("resume", "-y")

    assert 0 == resolved.code
    assert ("saved", charge["task_id"]) == (cli.job("attached")["state"], cli.job("attached")["task_id"])
    assert posts == doubtful.posts
    assert 1 == len(_decisions(cli, job["key"], "found on the bill"))


def test_resubmitting_buys_once_more_and_keeps_the_first_as_spent(cli: CommandLine, doubtful: Vendor) -> None:
    """``resolve --resubmit`` is a second purchase with a name and a reason; the bill has two lines for the prompt."""
    job = cli.job("resubmitted")

    resolved = cli("resolve", job["key"], "--resubmit", "--reason", "worth a second price")
    cli("resume", "-y")

    assert 0 == resolved.code
    assert ("saved", 2) == (cli.job("resubmitted")["state"], cli.job("resubmitted")["attempts"])
    assert 2 == len([charge for charge in doubtful.charges() if charge["request"]["prompt"] == "resubmitted"])
    assert 1 == len(_decisions(cli, job["key"], "worth a second price"))
    assert 0 == cli("verify").code


def test_disproved_billing_orders_again(cli: CommandLine) -> None:
    """``resolve --not-billed`` lets the row be ordered again, by a recorded decision."""
    job = cli.job("disproved")

    resolved = cli("resolve", job["key"], "--not-billed", "--reason", "usage unchanged")
    cli("resume", "-y")

    assert 0 == resolved.code
    assert ("saved", 2) == (cli.job("disproved")["state"], cli.job("disproved")["attempts"])
    assert 1 == len(_decisions(cli, job["key"], "usage unchanged"))
    assert 0 == cli("verify").code


def test_abandoned_order_stays_spent(cli: CommandLine, doubtful: Vendor) -> None:
    """``resolve --abandon`` cancels the row for good; no later run orders it."""
    job = cli.job("abandoned")

    resolved = cli("resolve", job["key"], "--abandon", "--reason", "not worth asking")
    cli("resume", "-y")

    assert 0 == resolved.code
    assert "cancelled" == cli.job("abandoned")["state"]
    assert 1 == len([charge for charge in doubtful.charges() if charge["request"]["prompt"] == "abandoned"])
    assert 1 == len(_decisions(cli, job["key"], "not worth asking"))


def test_task_of_another_job_is_refused(cli: CommandLine) -> None:
    """A task id that a saved row already owns cannot be attached to a second one."""
    job, owner = cli.job("undecided"), cli.job("fine beside undecided")

    resolved = cli("resolve", job["key"], "--task-id", owner["task_id"], "--reason", "mistaken")

    assert 0 != resolved.code
    assert "Traceback" not in resolved.err
    assert ("ambiguous", "saved") == (cli.job("undecided")["state"], cli.job("fine beside undecided")["state"])
    assert 0 == cli("verify").code


@pytest.mark.parametrize("words", [[], ["--abandon", "--resubmit", "--reason", "x"], ["--abandon"]], ids=["none", "two", "no reason"])
def test_resolve_wants_one_answer_and_a_reason(cli: CommandLine, words: list[str]) -> None:
    """Anything else is exit 2 and changes nothing."""
    key = cli.job("undecided")["key"]

    answer = cli("resolve", key, *words)

    assert 2 == answer.code
    assert "ambiguous" == cli.job("undecided")["state"]


def test_saved_job_cannot_be_resolved(cli: CommandLine) -> None:
    """There is nothing to decide about a row that is not in doubt."""
    answer = cli("resolve", cli.job("fine beside undecided")["key"], "--abandon", "--reason", "mistaken")

    assert 2 == answer.code
    assert "saved" == cli.job("fine beside undecided")["state"]


@pytest.mark.slow
@pytest.mark.parametrize("lost", LOST_ANSWERS, ids=", ".join)
def test_every_lost_answer_is_held_and_settled_by_the_bill(
    start_vendor: StartVendor, tmp_path_factory: pytest.TempPathFactory, lost: tuple[str, ...]
) -> None:
    """However an answer got lost, its row is ambiguous and no second order goes out; the vendor's bill then settles it."""
    vendor = start_vendor(faults=tuple(f"post.{fault}@{2 * number}" for number, fault in enumerate(lost, start=1)))
    cli = CommandLine(folder=tmp_path_factory.mktemp("lost"))
    prompts = [f"picture {number}" for number in range(2 * len(lost))]
    cli.write(study(vendor.url, prompts, limits={"in_flight": 1, "timeout": {"submit": "1s"}}))

    run = cli("run", "study.yaml", "-y")
    states, posts = cli.states(), vendor.posts
    tasks = {charge["request"]["prompt"]: charge["task_id"] for charge in vendor.charges()}
    for job in cli.jobs("--state", "ambiguous"):
        answer = ("--task-id", tasks[job["prompt"]]) if job["prompt"] in tasks else ("--not-billed",)
        assert 0 == cli("resolve", job["key"], *answer, "--reason", "looked up on the bill").code
    resumed = cli("resume", "-y")

    assert (3, 0) == (run.code, resumed.code)
    assert {"saved": len(lost), "ambiguous": len(lost)} == states
    assert len(prompts) == posts
    assert {"saved": len(prompts)} == cli.states()
    assert sorted(prompts) == sorted(charge["request"]["prompt"] for charge in vendor.charges())
    assert 0 == cli("verify").code


@pytest.mark.slow
def test_retry_shows_first_and_orders_failures_once_more(start_vendor: StartVendor, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Without ``-y`` nothing changes; with it the failed rows are planned again, each by a decision, and then bought."""
    vendor = start_vendor(faults=("task.failed_unknown@1", "task.failed_unknown@2"))
    cli = CommandLine(folder=tmp_path_factory.mktemp("retry"))
    cli.write(study(vendor.url, ["a gate", "a door", "a bridge"], limits={"in_flight": 1}))
    cli("run", "study.yaml", "-y")
    failed = cli.jobs("--state", "failed")

    preview = cli("retry", "--reason", "vendor was ill")
    after_preview = cli.states()
    one = cli("retry", "--key", failed[0]["key"][:10], "-y", "--reason", "vendor was ill")
    none = cli("retry", "--reason-word", "moderated", "-y", "--reason", "vendor was ill")
    resumed = cli("resume", "-y")

    assert (0, 0, 0, 3) == (preview.code, one.code, none.code, resumed.code)
    assert all(job["key"][:8] in preview.out for job in failed)
    assert {"saved": 1, "failed": 2} == after_preview
    assert {"saved": 2, "failed": 1} == cli.states()
    assert 1 == len(_decisions(cli, failed[0]["key"], "vendor was ill"))
    assert [] == _decisions(cli, failed[1]["key"], "vendor was ill")
    assert 0 == cli("verify").code


def test_cancel_shows_first_and_drops_only_rows_not_ordered(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Planned rows are dropped with a reason; ``retry --state cancelled`` brings them back."""
    cli = CommandLine(folder=tmp_path_factory.mktemp("cancel"))
    cli.write(study(NOWHERE, ["a gate", "a door"]))
    cli("plan", "study.yaml", "--save")
    key = cli.job("a gate")["key"]

    preview = cli("cancel", "--reason", "enough")
    after_preview = cli.states()
    cancelled = cli("cancel", "--key", key, "-y", "--reason", "enough")
    after = cli.states()
    back = cli("retry", "--state", "cancelled", "-y", "--reason", "after all")

    assert (0, 0, 0) == (preview.code, cancelled.code, back.code)
    assert {"planned": 2} == after_preview
    assert {"planned": 1, "cancelled": 1} == after
    assert {"planned": 2} == cli.states()
    assert 1 == len(_decisions(cli, key, "enough"))
    assert 1 == len(_decisions(cli, key, "after all"))


def test_cancel_leaves_ambiguous_and_saved_rows_alone(cli: CommandLine) -> None:
    """What may have been paid for is never dropped by ``cancel``."""
    before = cli.states()

    answer = cli("cancel", "-y", "--reason", "everything")

    assert 0 == answer.code
    assert before == cli.states()
