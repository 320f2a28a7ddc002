"""Tests of the vendor model on a clock that the test turns: queue, money, endings, keys, signatures and restarts."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.sim import catalogue, synchronous
from batchgen.sim.billing import Ledger
from batchgen.sim.options import SimOptions
from batchgen.sim.order import Form, Order, Refusal
from batchgen.sim.task import Task
from batchgen.sim.vendor import Sale, Vendor

KEY = "sk-test"


@dataclass
class Clock:
    """Tell the instant that the test has set."""

    at: float = 1_790_000_000.0

    def __call__(self) -> float:
        """Return the present."""
        return self.at


def vendor_of(clock: Callable[[], float], ledger: Ledger | None = None, **terms: object) -> Vendor:
    """Return a vendor under these terms."""
    options = SimOptions(**terms)  # type: ignore[arg-type] # terms of any test
    return Vendor(options, ledger or Ledger(), options.plan(), clock)


def body(prompt: str = "a fox", **fields: object) -> bytes:
    """Return the raw body of a create call."""
    return json.dumps({"model": "gpt-image-2", "prompt": prompt, **fields}).encode()


def wanted(raw: bytes) -> Order | Refusal:
    """Return what the vendor makes of the body of a create call."""
    return catalogue.order(raw, Decimal(1))


def created(vendor: Vendor, prompt: str = "a fox", **fields: object) -> Task:
    """Return an accepted task."""
    task = vendor.accept(KEY, wanted(body(prompt, **fields)))
    assert isinstance(task, Task)
    return task


def test_a_task_is_queued_then_runs_then_completes() -> None:
    """The state follows the clock and progress never falls."""
    clock = Clock()
    task = created(vendor_of(clock))

    told = [task.at(task.starts_at + (task.ends_at - task.starts_at) * (part + 0.5) / 20) for part in range(22)]

    assert [each["status"] for each in told] == ["queued"] * 2 + ["processing"] * 18 + ["completed"] * 2
    progress = [int(str(each["progress"])) for each in told]
    assert sorted(progress) == progress
    assert (progress[0], progress[-1]) == (0, 100)


def test_latencies_follow_the_seed_and_not_the_clock() -> None:
    """The same seed gives the same durations, whenever and wherever."""
    one, other = (vendor_of(Clock(at), seed=4) for at in (1e9, 2e9))

    first = [created(one).ends_at - 1e9 for _ in range(3)]
    second = [created(other).ends_at - 2e9 for _ in range(3)]

    assert pytest.approx(first, abs=1e-5) == second
    assert len(set(first)) == 3


def test_the_median_latency_is_the_one_asked_for() -> None:
    """Half of the gpt-image-2 tasks at 1k are quicker than the option, half slower."""
    clock = Clock()
    vendor = vendor_of(clock, latency_s=10.0, max_running=1000)

    durations = sorted(created(vendor).ends_at - clock.at for _ in range(401))

    assert 9 < durations[200] < 11
    assert durations[0] > 2
    assert durations[-1] < 40


def test_more_than_may_be_in_flight_is_not_let_in() -> None:
    """Unfinished tasks count, queued ones too; when one ends, the next submit fits."""
    clock = Clock()
    vendor = vendor_of(clock, latency_s=10.0, max_running=1, max_in_flight=2)
    tasks = [created(vendor) for _ in range(2) if vendor.admits()]

    assert (2, False) == (len(tasks), vendor.admits())

    clock.at = min(task.ends_at for task in tasks)
    assert vendor.admits()


def test_limits_step_after_the_first_submit() -> None:
    """A step holds from its instant after the first paid call on, however long the vendor stood idle before."""
    clock = Clock()
    vendor = vendor_of(clock, latency_s=1000.0, max_in_flight=1, steps=("60s:in_flight=3", "120s:in_flight=2"))
    clock.at += 500.0
    let_in = {}
    for after_s in (0.0, 59.0, 60.0, 61.0, 119.0, 120.0):
        clock.at = 1_790_000_500.0 + after_s
        let_in[after_s] = vendor.admits()
        if let_in[after_s]:
            created(vendor)

    assert {0.0: True, 59.0: False, 60.0: True, 61.0: True, 119.0: False, 120.0: False} == let_in


def test_latency_zero_completes_at_once() -> None:
    """A vendor without latency has the picture ready at the first poll."""
    clock = Clock()

    assert created(vendor_of(clock, latency_s=0.0)).is_completed(clock.at)


@given(max_running=st.integers(1, 4), gaps=st.lists(st.floats(0, 2), min_size=1, max_size=25), seed=st.integers(0, 99))
def test_no_more_tasks_run_than_allowed(max_running: int, gaps: list[float], seed: int) -> None:
    """At every instant at most `max_running` tasks are started and not ended, and none starts out of turn."""
    clock = Clock()
    vendor = vendor_of(clock, max_running=max_running, seed=seed)
    tasks = []
    for gap in gaps:
        clock.at += gap
        tasks.append(created(vendor))

    for instant in (task.starts_at for task in tasks):
        assert sum(task.starts_at <= instant < task.ends_at for task in tasks) <= max_running
    assert sorted(task.starts_at for task in tasks) == [task.starts_at for task in tasks]


def test_task_ids_are_unique() -> None:
    """The same body submitted again is another task and another charge."""
    vendor = vendor_of(Clock())

    tasks = [created(vendor) for _ in range(50)]

    assert len({task.task_id for task in tasks}) == 50
    assert list(range(1, 51)) == [task.copy for task in tasks]


def test_money_is_charged_at_creation() -> None:
    """The balance falls by the cost of each accepted task, exactly."""
    ledger = Ledger()
    vendor = vendor_of(Clock(), ledger, balance=Decimal(1))

    created(vendor, quality="medium")
    created(vendor, quality="high")

    assert Decimal("0.18") == ledger.spent
    assert vendor.user_balance() == {"balance": 1.0, "used_coin": 0.18, "available": 0.82}


def test_the_ledger_line_identifies_the_raw_body() -> None:
    """The hash is that of the bytes on the wire, and the prompt has one of its own."""
    ledger = Ledger()
    vendor = vendor_of(Clock(), ledger)

    created(vendor, "one")
    created(vendor, "one", quality="low")

    first, second = ledger.lines
    assert first.body_sha256 != second.body_sha256
    assert first.prompt_sha256 == second.prompt_sha256


def test_a_task_beyond_the_balance_is_refused_and_not_billed() -> None:
    """The last coin is never overdrawn."""
    ledger = Ledger()
    vendor = vendor_of(Clock(), ledger, balance=Decimal("0.05"))
    created(vendor)

    refused = vendor.accept(KEY, wanted(body()))

    assert Refusal(code=-1, msg="余额不足") == refused
    assert len(ledger.lines) == 1


def test_a_spent_key_quota_is_refused() -> None:
    """The cap of the key is checked before the money of the account."""
    vendor = vendor_of(Clock(), key_quota=Decimal("0.03"))
    created(vendor)

    refused = vendor.accept(KEY, wanted(body()))

    assert Refusal(code=-1, msg="API key quota exhausted") == refused
    assert vendor.key_balance()["unlimited"] is False


def begun(vendor: Vendor, **fields: object) -> Sale | Refusal:
    """Return what becomes of a synchronous call that begins now."""
    form = Form(fields={"prompt": "a fox", **fields}, raw=b"{}")
    return vendor.begin(KEY, synchronous.order(Decimal(1), "generation", form))


def test_a_synchronous_call_is_charged_when_it_ends() -> None:
    """Until then its money is set aside: not spent, and not to be spent twice."""
    ledger = Ledger()
    vendor = vendor_of(Clock(), ledger, balance=Decimal("0.05"))

    sale, second = begun(vendor), begun(vendor)
    before = ledger.spent
    assert isinstance(sale, Sale)
    vendor.finish(sale)

    assert (before, ledger.spent) == (0, Decimal("0.035"))
    assert Refusal(code=-1, msg="余额不足") == second


def test_a_released_call_frees_its_money() -> None:
    """What moderation stopped can be spent on something else."""
    ledger = Ledger()
    vendor = vendor_of(Clock(), ledger, balance=Decimal("0.05"))
    sale = begun(vendor)
    assert isinstance(sale, Sale)

    vendor.release(sale)

    assert isinstance(begun(vendor), Sale)
    assert ledger.lines == []


def test_synchronous_calls_queue_for_slots_of_their_own() -> None:
    """The second call waits for the first when one slot is all there is, and no task waits for either."""
    clock = Clock()
    vendor = vendor_of(clock, max_running=1)

    first, second = begun(vendor), begun(vendor)
    task = created(vendor)

    assert isinstance(first, Sale)
    assert isinstance(second, Sale)
    assert pytest.approx(first.ends_at + second.latency_s) == second.ends_at
    assert task.starts_at == clock.at


def test_a_restart_goes_on_with_the_sequence_of_latencies(tmp_path: Path) -> None:
    """Both kinds of work draw the next latency of the seed, not the first one again."""
    clock = Clock()

    def latencies(vendor: Vendor) -> tuple[float, float]:
        sale = begun(vendor)
        assert isinstance(sale, Sale)
        vendor.finish(sale)
        return sale.latency_s, created(vendor).line.latency_s

    whole = vendor_of(clock)
    expected = [latencies(whole), latencies(whole)]
    seen = []
    for _ in range(2):
        ledger = Ledger(tmp_path / "bill.jsonl")
        seen.append(latencies(vendor_of(clock, ledger)))
        ledger.close()

    assert expected == seen


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1]", body(ratio=969), body(model="nope"), body(resolution="4k")])
def test_a_wrong_body_is_refused_as_bad_parameters(raw: bytes) -> None:
    """A body that is no request for a known model costs nothing."""
    ledger = Ledger()

    refused = vendor_of(Clock(), ledger).accept(KEY, wanted(raw))

    assert isinstance(refused, Refusal)
    assert refused.code == 20002
    assert ledger.lines == []


def test_a_moderated_prompt_fails_and_is_refunded_once() -> None:
    """The refund is booked when the task has failed, not before and not twice."""
    clock, ledger = Clock(), Ledger()
    vendor = vendor_of(clock, ledger)
    task = created(vendor, "something [moderated] here")

    vendor.settle()
    before = [line.event for line in ledger.lines]
    clock.at = task.ends_at
    vendor.settle()
    vendor.settle()

    assert before == ["charge"]
    assert [line.event for line in ledger.lines] == ["charge", "refund"]
    assert ledger.spent == 0
    assert task.at(clock.at)["status"] == "failed"
    assert task.at(clock.at)["error_message"] == "PROVIDER_MODERATION_ERROR"


@pytest.mark.parametrize(
    ("fault", "status", "message"),
    [
        ("task.failed_transient", "failed", "Read timed out"),
        ("task.failed_unknown", "failed", "upstream returned E7731"),
        ("task.canceled", "canceled", ""),
    ],
)
def test_a_failing_task_says_how(fault: str, status: str, message: str) -> None:
    """Each ending has its word and message, and costs nothing in the end."""
    clock = Clock()
    task = created(vendor_of(clock, faults=(fault,)))

    told = task.at(task.ends_at)

    assert (status, message, 0) == (told["status"], told["error_message"], told["cost"])


def test_a_slow_task_takes_five_times_as_long() -> None:
    """The fault stretches the latency the task would have had."""
    usual, slow = created(vendor_of(Clock())), created(vendor_of(Clock(), faults=("task.slow",)))

    assert pytest.approx(5 * (usual.ends_at - usual.starts_at)) == slow.ends_at - slow.starts_at


@pytest.mark.parametrize("key", ["", "sk-", "ak-1", "bearer", "SK-1"])
def test_a_key_of_another_form_is_refused(key: str) -> None:
    """Only `sk-…` and `sk_…` open the door."""
    assert not vendor_of(Clock()).authorize(key)


def test_a_key_is_revoked_after_its_submits() -> None:
    """The old key stops working in the middle, a fresh one works."""
    vendor = vendor_of(Clock(), revoke_after=2)
    created(vendor)
    created(vendor)

    assert not vendor.authorize(KEY)
    assert vendor.authorize("sk-fresh")


def test_a_restart_finds_every_task_where_it_was(tmp_path: Path) -> None:
    """Ids, queue, endings, copies and money are rebuilt from the ledger alone."""
    clock = Clock()
    first = Ledger(tmp_path / "bill.jsonl")
    vendor = vendor_of(clock, first, max_running=2, seed=1)
    tasks = [created(vendor, prompt) for prompt in ("a", "b", "[moderated]", "a", "c")]
    clock.at = max(task.ends_at for task in tasks[:3])
    vendor.settle()
    first.close()

    second = Ledger(tmp_path / "bill.jsonl")
    again = vendor_of(clock, second, max_running=2, seed=1)
    again.settle()

    assert tasks == [again.task(task.task_id) for task in tasks]
    assert vendor.user_balance() == again.user_balance()
    assert vendor.stats() == again.stats()
    assert first.lines == second.lines
    second.close()


def test_a_restart_still_refunds_what_failed_meanwhile(tmp_path: Path) -> None:
    """A task that failed while the server was down is refunded by the next one."""
    clock = Clock()
    first = Ledger(tmp_path / "bill.jsonl")
    task = created(vendor_of(clock, first), "[moderated]")
    first.close()
    clock.at = task.ends_at + 1

    second = Ledger(tmp_path / "bill.jsonl")
    vendor_of(clock, second).settle()

    assert second.spent == 0
    second.close()
