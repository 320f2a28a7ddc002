"""Model the vendor behind the HTTP surface: keys, money, the queue and what becomes of each task.

No I/O but the ledger, no timer and no thread. All durations are known when a task is accepted, so its whole future is a
pure function of time: `Task.at(now)` answers a poll. A restart replays the ledger through the same queue and finds every
task where it was. A synchronous call holds its money while it runs and is charged when it ends; it queues for slots of
its own, of which the ledger need not tell, as none outlives the process.
"""

import heapq
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from batchgen.sim.billing import BillLine, Call, Ledger
from batchgen.sim.codes import NO_BALANCE_MSG, NO_QUOTA_MSG, SERVER_ERROR
from batchgen.sim.faults import FaultPlan
from batchgen.sim.options import SimOptions
from batchgen.sim.order import Order, Refusal
from batchgen.sim.pacing import Bucket, Slots, spread
from batchgen.sim.profiles import PROFILES
from batchgen.sim.steps import in_force, step
from batchgen.sim.task import COMPLETED, ENDINGS, Task

STRETCHES = {"task.slow": 5.0, "task.stuck": 604800.0}
MODERATED_MARK = "[moderated]"
_PREFIXES: dict[Call, str] = {
    "image": "img",
    "video": "vid",
    "generation": "sync",
    "edit": "edit",
    "upscale": "upsc",
    "remove-bg": "rmbg",
    "openai.generation": "oai",
    "openai.edit": "oaiedit",
}
_QUEUED: tuple[Call, ...] = ("image", "video")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """Hold a synchronous call that runs: its money is set aside, its answer is due at `ends_at`."""

    order: Order
    latency_s: float
    ends_at: float


class Vendor:
    """Accept orders, bill them, tell their state and refund the failed ones."""

    def __init__(self, terms: SimOptions, ledger: Ledger, plan: FaultPlan, now: Callable[[], float]) -> None:
        profile = PROFILES[terms.profile]
        self._terms = terms
        self._ledger = ledger
        self._plan = plan
        self._now = now
        self._balance = profile.balance if terms.balance is None else terms.balance
        self._revoke_after = profile.revoke_after if terms.revoke_after is None else terms.revoke_after
        self._bucket = Bucket(terms.submit_rate)
        self._steps = [step(text) for text in terms.steps]
        self._first_at: float | None = None
        self._alive_until: list[float] = []
        self._tasks: dict[str, Task] = {}
        self._copies: Counter[str] = Counter()
        self._submits_by_key: Counter[str] = Counter()
        self._ordinals: Counter[str] = Counter()
        self._queue, self._counter = Slots(terms.max_running), Slots(terms.max_running)
        self._held = Decimal()
        self._refundable: list[tuple[float, str]] = []
        self._recall()

    def authorize(self, key: str) -> bool:
        """Return whether the key is valid now; any `sk-…` or `sk_…` is, until it is revoked."""
        if not key.startswith(("sk-", "sk_")) or len(key) < len("sk-x"):
            return False
        return self._revoke_after is None or self._submits_by_key[key] < self._revoke_after

    def admits(self) -> bool:
        """Return whether one more submit fits under the limits of this instant, and count it against the rate."""
        now = self._now()
        self._first_at = now if self._first_at is None else self._first_at
        most = in_force(self._terms.max_in_flight, self._steps, "in_flight", now - self._first_at)
        self._bucket.rate = in_force(self._terms.submit_rate, self._steps, "submit_rate", now - self._first_at)
        return (most is None or self._alive() < most) and self._bucket.take(now)

    def _alive(self) -> int:
        """Count what is not finished: tasks, queued ones too, and synchronous calls."""
        while self._alive_until and self._alive_until[0] <= self._now():
            heapq.heappop(self._alive_until)
        return len(self._alive_until)

    def accept(self, key: str, wanted: Order | Refusal) -> Task | Refusal:
        """Bill and queue a task, or refuse it; an accepted task is in the ledger file when this returns."""
        wanted = self._admitted(key, wanted)
        if isinstance(wanted, Refusal):
            return wanted
        line = self._queued(wanted)
        self._ledger.append(line)
        return self._remember(line)

    def begin(self, key: str, wanted: Order | Refusal) -> Sale | Refusal:
        """Set the money of a synchronous call aside, or refuse it; nothing is billed yet."""
        wanted = self._admitted(key, wanted)
        if isinstance(wanted, Refusal):
            return wanted
        latency_s = self._latency("sync latency", wanted)
        self._held += wanted.cost
        sale = Sale(order=wanted, latency_s=latency_s, ends_at=self._counter.next(self._now(), latency_s) + latency_s)
        heapq.heappush(self._alive_until, sale.ends_at)
        return sale

    def finish(self, sale: Sale) -> Task:
        """Charge a synchronous call that succeeded; its line is in the ledger file when this returns."""
        self.release(sale)
        line = self._line(sale.order, sale.latency_s, COMPLETED)
        self._ledger.append(line)
        return self._remember(line)

    def release(self, sale: Sale) -> None:
        """Give the money of a synchronous call back; call it once for each sale that is not finished."""
        self._held -= sale.order.cost

    def task(self, task_id: str) -> Task | None:
        """Return the task with this id."""
        return self._tasks.get(task_id)

    def settle(self) -> None:
        """Refund every task that has failed by now; call it before telling of tasks or money."""
        while self._refundable and self._refundable[0][0] <= self._now():
            ended_at, task_id = heapq.heappop(self._refundable)
            charge = self._tasks[task_id].line
            self._ledger.append(charge.refund(datetime.fromtimestamp(ended_at, UTC)))

    def user_balance(self) -> dict[str, object]:
        """Return the account in JimiCoin."""
        spent = self._ledger.spent
        return {"balance": float(self._balance), "used_coin": float(spent), "available": float(self._balance - spent)}

    def key_balance(self) -> dict[str, object]:
        """Return the spending cap of the key; 0 means that there is none."""
        quota, spent = self._terms.key_quota, self._ledger.spent
        return {
            "name": "sim",
            "total_quota": float(quota),
            "used_quota": float(spent),
            "available_quota": float(quota - spent) if quota else 0,
            "unlimited": not quota,
        }

    def stats(self) -> dict[str, object]:
        """Return how many tasks exist, wait and run."""
        now = self._now()
        live = [task for task in self._tasks.values() if now < task.ends_at]
        running = sum(now >= task.starts_at for task in live)
        return {"tasks": len(self._tasks), "queued": len(live) - running, "running": running}

    def _admitted(self, key: str, wanted: Order | Refusal) -> Order | Refusal:
        """Count a submit of the key, and refuse what its money does not cover."""
        self._submits_by_key[key] += 1
        return wanted if isinstance(wanted, Refusal) else self._unaffordable(wanted.cost) or wanted

    def _unaffordable(self, cost: Decimal) -> Refusal | None:
        spent, quota = self._ledger.spent, self._terms.key_quota
        if quota and spent >= quota:
            return Refusal(code=SERVER_ERROR, msg=NO_QUOTA_MSG)
        if spent + self._held + cost > self._balance:
            return Refusal(code=SERVER_ERROR, msg=NO_BALANCE_MSG)
        return None

    def _latency(self, lane: str, order: Order) -> float:
        ordinal = self._ordinals[lane]
        self._ordinals[lane] += 1
        return self._terms.latency_s * order.pace * spread(self._terms.seed, lane, ordinal)

    def _queued(self, order: Order) -> BillLine:
        fate = self._plan.draw("task")
        if MODERATED_MARK in order.prompt:
            fate = "task.moderated"
        latency_s = self._latency("latency", order)
        stretched_s = STRETCHES[fate] if fate == "task.stuck" else latency_s * STRETCHES.get(fate or "", 1.0)
        return self._line(order, stretched_s, ENDINGS.get(fate or "", COMPLETED))

    def _line(self, order: Order, latency_s: float, ending: str) -> BillLine:
        return BillLine(
            event="charge",
            task_id=f"{_PREFIXES[order.call]}_{secrets.token_hex(12)}",
            model=order.model,
            body_sha256=order.body_sha256,
            prompt_sha256=order.prompt_sha256,
            cost=order.cost,
            at=datetime.fromtimestamp(self._now(), UTC),
            request=order.fields,
            latency_s=latency_s,
            ending=ending,
            call=order.call,
            preview=order.preview,
        )

    def _remember(self, line: BillLine) -> Task:
        created_at = line.at.timestamp()
        runs_s = line.latency_s if line.call in _QUEUED else 0.0
        starts_at = self._queue.next(created_at, runs_s) if line.call in _QUEUED else created_at
        self._copies[line.body_sha256] += 1
        task = Task(
            line=line,
            copy=self._copies[line.body_sha256],
            created_at=created_at,
            starts_at=starts_at,
            ends_at=starts_at + runs_s,
        )
        self._tasks[task.task_id] = task
        heapq.heappush(self._alive_until, task.ends_at)
        if line.ending != COMPLETED:
            heapq.heappush(self._refundable, (task.ends_at, task.task_id))
        return task

    def _recall(self) -> None:
        refunded = {line.task_id for line in self._ledger.lines if line.event == "refund"}
        for line in self._ledger.lines:
            if line.event == "charge":
                self._remember(line)
                self._ordinals["latency" if line.call in _QUEUED else "sync latency"] += 1
        self._refundable = [entry for entry in self._refundable if entry[1] not in refunded]
        heapq.heapify(self._refundable)
