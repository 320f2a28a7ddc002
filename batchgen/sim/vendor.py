"""Model the vendor behind the HTTP surface: keys, money, the queue and what becomes of each task.

No I/O but the ledger, no timer and no thread. All durations are known when a task is accepted, so its whole future is a
pure function of time: `Task.at(now)` answers a poll, and a first-come queue of `max_running` slots is a heap of the
instants at which slots fall free. A restart replays the ledger through the same heap and finds every task where it was.
"""

import hashlib
import heapq
import hmac
import math
import secrets
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from statistics import NormalDist

from batchgen.sim import catalogue
from batchgen.sim.billing import BillLine, Ledger
from batchgen.sim.codes import BAD_PARAMETERS, BAD_PARAMETERS_MSG, NO_BALANCE_MSG, NO_QUOTA_MSG, SERVER_ERROR
from batchgen.sim.faults import PROFILES, FaultPlan, share
from batchgen.sim.options import SimOptions
from batchgen.sim.request import ImageRequest, parse_body
from batchgen.sim.task import COMPLETED, ENDINGS, Task

STRETCHES = {"task.slow": 5.0, "task.stuck": 604800.0}
_SPREAD = 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Say why the vendor did not accept a request; nothing was billed."""

    code: int
    msg: str


class Bucket:
    """Let through `rate` requests a second, with a burst of one second's worth."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._burst = max(1.0, rate or 0)
        self._left = self._burst
        self._at = -math.inf

    def take(self, now: float) -> bool:
        """Return whether one more request fits at this instant, and count it."""
        if self._rate is None:
            return True
        if now > self._at:
            self._left = min(self._burst, self._left + (now - self._at) * self._rate)
            self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Vendor:
    """Accept tasks, bill them, tell their state, refund the failed ones and sign the URLs of the finished ones."""

    def __init__(self, terms: SimOptions, ledger: Ledger, plan: FaultPlan, now: Callable[[], float]) -> None:
        profile = PROFILES[terms.profile]
        self._terms = terms
        self._ledger = ledger
        self._plan = plan
        self._now = now
        self._balance = profile.balance if terms.balance is None else terms.balance
        self._revoke_after = profile.revoke_after if terms.revoke_after is None else terms.revoke_after
        self._bucket = Bucket(terms.submit_rate)
        self._secret = hashlib.sha256(f"batchgen-sim/{terms.seed}".encode()).digest()
        self._tasks: dict[str, Task] = {}
        self._charges: dict[str, BillLine] = {}
        self._copies: Counter[str] = Counter()
        self._submits_by_key: Counter[str] = Counter()
        self._slots: list[float] = []
        self._refundable: list[tuple[float, str]] = []
        self._recall()

    def authorize(self, key: str) -> bool:
        """Return whether the key is valid now; any `sk-…` or `sk_…` is, until it is revoked."""
        if not key.startswith(("sk-", "sk_")) or len(key) < len("sk-x"):
            return False
        return self._revoke_after is None or self._submits_by_key[key] < self._revoke_after

    def admits(self) -> bool:
        """Count one submit against the rate limit and return whether it fits."""
        return self._bucket.take(self._now())

    def create(self, key: str, raw: bytes) -> Task | Refusal:
        """Accept and bill a task, or refuse it; an accepted task is in the ledger file when this returns."""
        self._submits_by_key[key] += 1
        body = parse_body(raw)
        request = ImageRequest.of(body) if body is not None else None
        if body is None or request is None:
            return Refusal(code=BAD_PARAMETERS, msg=BAD_PARAMETERS_MSG)
        if wrong := catalogue.objection(request):
            return Refusal(code=BAD_PARAMETERS, msg=wrong)
        cost = catalogue.price(request, self._terms.price_scale)
        if refusal := self._unaffordable(cost):
            return refusal
        line = self._charge(raw, body, request, cost)
        self._ledger.append(line)
        return self._enqueue(line)

    def task(self, task_id: str) -> Task | None:
        """Return the task with this id."""
        return self._tasks.get(task_id)

    def settle(self) -> None:
        """Refund every task that has failed by now; call it before telling of tasks or money."""
        while self._refundable and self._refundable[0][0] <= self._now():
            ended_at, task_id = heapq.heappop(self._refundable)
            charge = self._charges[task_id]
            self._ledger.append(
                BillLine(
                    event="refund",
                    task_id=task_id,
                    model=charge.model,
                    body_sha256=charge.body_sha256,
                    prompt_sha256=charge.prompt_sha256,
                    cost=charge.cost,
                    at=datetime.fromtimestamp(ended_at, UTC),
                    request={},
                    latency_s=charge.latency_s,
                    ending=charge.ending,
                )
            )

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

    def signed(self, name: str, *, is_stale: bool = False) -> str:
        """Return the path of a result file with an expiry and a signature."""
        expires = math.ceil(self._now() + (-1 if is_stale else self._terms.url_ttl_s))
        return f"/files/{name}.png?Expires={expires}&Signature={self._signature(name, str(expires))}"

    def is_signed(self, name: str, expires: str, signature: str) -> bool:
        """Return whether the signature fits and the expiry lies ahead."""
        fits = hmac.compare_digest(self._signature(name, expires).encode(), signature.encode())
        return fits and int(expires) > self._now()

    def stats(self) -> dict[str, object]:
        """Return how many tasks exist, wait and run."""
        now = self._now()
        live = [task for task in self._tasks.values() if now < task.ends_at]
        running = sum(now >= task.starts_at for task in live)
        return {"tasks": len(self._tasks), "queued": len(live) - running, "running": running}

    def _unaffordable(self, cost: Decimal) -> Refusal | None:
        spent, quota = self._ledger.spent, self._terms.key_quota
        if quota and spent >= quota:
            return Refusal(code=SERVER_ERROR, msg=NO_QUOTA_MSG)
        if spent + cost > self._balance:
            return Refusal(code=SERVER_ERROR, msg=NO_BALANCE_MSG)
        return None

    def _charge(self, raw: bytes, body: dict[str, object], request: ImageRequest, cost: Decimal) -> BillLine:
        fate = self._plan.draw("task")
        if "[moderated]" in request.prompt:
            fate = "task.moderated"
        quantile = min(max(share(self._terms.seed, "latency", len(self._tasks)), 1e-6), 1 - 1e-6)
        spread = math.exp(_SPREAD * NormalDist().inv_cdf(quantile))
        latency_s = self._terms.latency_s * catalogue.pace(request) * spread
        return BillLine(
            event="charge",
            task_id=f"img_{secrets.token_hex(12)}",
            model=request.model,
            body_sha256=hashlib.sha256(raw).hexdigest(),
            prompt_sha256=hashlib.sha256(request.prompt.encode("utf-8", "surrogatepass")).hexdigest(),
            cost=cost,
            at=datetime.fromtimestamp(self._now(), UTC),
            request=body,
            latency_s=STRETCHES[fate] if fate == "task.stuck" else latency_s * STRETCHES.get(fate or "", 1.0),
            ending=ENDINGS.get(fate or "", COMPLETED),
        )

    def _enqueue(self, line: BillLine) -> Task:
        request = ImageRequest.of(line.request)
        if request is None:
            raise ValueError(f"the ledger holds an unreadable request for {line.task_id}")
        created_at = line.at.timestamp()
        starts_at = self._next_slot(created_at, line.latency_s)
        self._copies[line.body_sha256] += 1
        task = Task(
            task_id=line.task_id,
            request=request,
            cost=line.cost,
            copy=self._copies[line.body_sha256],
            created_at=created_at,
            starts_at=starts_at,
            ends_at=starts_at + line.latency_s,
            ending=line.ending,
        )
        self._tasks[task.task_id] = task
        self._charges[task.task_id] = line
        if task.ending != COMPLETED:
            heapq.heappush(self._refundable, (task.ends_at, task.task_id))
        return task

    def _next_slot(self, created_at: float, latency_s: float) -> float:
        if len(self._slots) < self._terms.max_running:
            heapq.heappush(self._slots, created_at + latency_s)
            return created_at
        starts_at = max(created_at, self._slots[0])
        heapq.heapreplace(self._slots, starts_at + latency_s)
        return starts_at

    def _recall(self) -> None:
        refunded = {line.task_id for line in self._ledger.lines if line.event == "refund"}
        for line in self._ledger.lines:
            if line.event == "charge":
                self._enqueue(line)
        self._refundable = [entry for entry in self._refundable if entry[1] not in refunded]
        heapq.heapify(self._refundable)

    def _signature(self, name: str, expires: str) -> str:
        digest = hmac.digest(self._secret, f"{name}/{expires}".encode(), "sha256")
        return urlsafe_b64encode(digest[:18]).decode()
