"""Ask after tasks of the simulator as `batchgen run` does, and at fixed intervals, on a simulated clock.

    python bench/poll.py               # 4,000 tasks a way of asking: some seconds
    python bench/poll.py --median 300  # another duration

The simulator's own vendor takes the orders and answers the questions, and JimmyAI's dialect reads the answers; only the network is left
out. Durations are log-normal around the median (sigma 0.35). "lag" is the time from a task's end to the answer that tells of it, as a
share of the duration: the mean lag over the mean duration, and the mean of each task's share. "learned" is what a run does with this
vendor, which tells an honest progress; "without progress" is what it does with one that tells none. The last lines say what could be
reached at best by a plan of questions that knows the distribution exactly and no progress.
"""

import argparse
import heapq
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count
from random import Random
from statistics import NormalDist, fmean

from common import ROOT, print_table

sys.path.insert(0, str(ROOT))
from batchgen.api.dialects.jimmyai import outcomes
from batchgen.core import readings as r
from batchgen.core.dialects import Reply
from batchgen.sim import catalogue
from batchgen.sim.billing import Ledger
from batchgen.sim.options import SimOptions
from batchgen.sim.order import Order
from batchgen.sim.task import Task
from batchgen.sim.vendor import Vendor
from batchgen.worker.latency import Latencies, Seen

SHAPE = ("gpt-image-2", "1k")
BODY = json.dumps({"model": SHAPE[0], "prompt": "a lighthouse", "resolution": SHAPE[1]}).encode()
KEY = "sk-bench"
IN_FLIGHT = 20
SIGMA = 0.35
BEGAN_AT = 1_790_000_000.0
URL = "http://127.0.0.1/files/x.png"
TARGET_LAG = 0.05
TARGET_POLLS = 3.0


@dataclass(slots=True)
class Way:
    """A way to ask: when first, when next, and what is learned; this one asks at a fixed interval."""

    interval_s: float

    def first_s(self) -> float:
        """Return the wait before the first question."""
        return self.interval_s

    def next_s(self, asked: int, elapsed_s: float, progress: float | None) -> float:  # noqa: ARG002 - others want to know
        """Return the wait after a task was found running."""
        return self.interval_s

    def learn(self, seen: Seen) -> None:
        """Take a finished task."""


@dataclass(slots=True)
class Learned(Way):
    """Ask as the worker does."""

    interval_s: float = 0.0
    sees_progress: bool = True
    latencies: Latencies = field(default_factory=Latencies)
    random: Random = field(default_factory=lambda: Random(7))

    def first_s(self) -> float:
        """Return the wait before the first question."""
        return self.latencies.first_wait_s(SHAPE, self.random.random())

    def next_s(self, asked: int, elapsed_s: float, progress: float | None) -> float:
        """Return the wait after a task was found running."""
        forecast_s = elapsed_s / progress if progress and self.sees_progress else None
        return self.latencies.next_wait_s(SHAPE, asked=asked, elapsed_s=elapsed_s, chance=self.random.random(), forecast_s=forecast_s)

    def learn(self, seen: Seen) -> None:
        """Take a finished task."""
        self.latencies.learn(SHAPE, seen if self.sees_progress else replace(seen, forecast_s=None))


@dataclass(slots=True, kw_only=True)
class Asked:
    """A task that is asked after."""

    task: Task
    questions: int = 0
    running_at_s: float | None = None
    forecast_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a way of asking cost and gave, over all tasks but the first."""

    polls: float
    lag_of_mean: float
    mean_lag_share: float


class Clock:
    """Tell the simulated instant."""

    at = BEGAN_AT

    def __call__(self) -> float:
        """Return the present."""
        return self.at


def reading_of(task: Task, now: float) -> r.PollReading:
    """Return what the dialect reads in the simulator's answer of that instant."""
    data = task.at(now) | ({"result": {"image_url": URL}} if task.is_completed(now) else {})
    body = json.dumps({"code": 20000, "msg": "ok", "data": data}).encode()
    return outcomes.followed(Reply(status=200, headers={}, body=body), ("/result/image_url",))


def measured(way: Way, *, tasks: int, median_s: float) -> Figures:
    """Follow so many tasks, twenty at once, and return the figures of all after the first hundred."""
    clock, agenda, number = Clock(), [], count()
    options = SimOptions(latency_s=median_s, max_running=10 * IN_FLIGHT, balance=Decimal(10**9), seed=3)
    vendor = Vendor(options, Ledger(), options.plan(), clock)
    done: list[tuple[int, float, float]] = []

    def order() -> None:
        wanted = catalogue.order(BODY, Decimal(1))
        task = vendor.accept(KEY, wanted) if isinstance(wanted, Order) else None
        assert isinstance(task, Task)  # noqa: S101  # the body is a good one
        heapq.heappush(agenda, (clock.at + way.first_s(), next(number), Asked(task=task)))

    for _ in range(IN_FLIGHT):
        order()
    while len(done) < tasks:
        clock.at, _, asked = heapq.heappop(agenda)
        asked.questions += 1
        elapsed_s = clock.at - asked.task.created_at
        match reading_of(asked.task, clock.at):
            case r.Running(progress=progress):
                asked.running_at_s = elapsed_s
                asked.forecast_s = asked.forecast_s or (elapsed_s / progress if progress else None)
                heapq.heappush(agenda, (clock.at + way.next_s(asked.questions, elapsed_s, progress), next(number), asked))
            case r.Done(lasted_s=lasted_s):
                seen = Seen(running_at_s=asked.running_at_s, done_at_s=elapsed_s, lasted_s=lasted_s, forecast_s=asked.forecast_s)
                way.learn(seen)
                done.append((asked.questions, clock.at - asked.task.ends_at, asked.task.ends_at - asked.task.created_at))
                order()
            case other:
                raise SystemExit(f"unexpected: {other}")
    return figures(done[min(100, tasks // 4) :])


def figures(done: Sequence[tuple[int, float, float]]) -> Figures:
    """Return the means over finished tasks."""
    return Figures(
        polls=fmean(questions for questions, _, _ in done),
        lag_of_mean=fmean(lag for _, lag, _ in done) / fmean(lasted for _, _, lasted in done),
        mean_lag_share=fmean(lag / lasted for _, lag, lasted in done),
    )


def best_plan(price: float) -> tuple[float, float]:
    """Return questions a task and mean lag over mean duration of the plan that is best when a question costs so many medians of lag.

    Found backwards over a grid of instants: from each, the next question that costs least in all.
    """
    grid = [0.0, *(math.exp(-1.25 + 2.6 * step / 250) for step in range(251))]
    done = [0.0, *(NormalDist(0, SIGMA).cdf(math.log(at)) for at in grid[1:-1]), 1.0]
    ended = [0.0]
    for before, after, low, high in zip(done, done[1:], grid, grid[1:], strict=False):
        ended.append(ended[-1] + (after - before) * (low + high) / 2)

    def lag(here: int, there: int) -> float:
        return grid[there] * (done[there] - done[here]) - (ended[there] - ended[here])

    cost, following = [0.0] * len(grid), [0] * len(grid)
    for here in range(len(grid) - 2, -1, -1):
        cost[here], following[here] = min(
            (lag(here, there) + price * (1 - done[here]) + cost[there], there) for there in range(here + 1, len(grid))
        )
    here, polls, late = 0, 0.0, 0.0
    while here < len(grid) - 1:
        polls, late, here = polls + 1 - done[here], late + lag(here, following[here]), following[here]
    return polls, late / math.exp(SIGMA**2 / 2)


def cheapest(wanted: Callable[[float, float], bool]) -> tuple[float, float]:
    """Return the first of the best plans, from few questions to many, that is as wanted."""
    prices = (0.08 * 0.93**step for step in range(40))
    return next(plan for plan in map(best_plan, prices) if wanted(*plan))


def main() -> None:
    """Read the options, measure each way of asking and print it beside the target; exit with 1 when that is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=4_000, help="tasks a way of asking")
    parser.add_argument("--median", type=float, default=40.0, help="median duration in seconds")
    options = parser.parse_args()
    ways = {
        "every 5 s": Way(5.0),
        "every 10 s": Way(10.0),
        "learned": Learned(),
        "learned, without progress": Learned(sees_progress=False),
    }
    found = {name: measured(way, tasks=options.tasks, median_s=options.median) for name, way in ways.items()}
    print_table(
        f"{options.tasks} tasks, log-normal, median {options.median:g} s, sigma {SIGMA}",
        ("questions", "a task", "mean lag / mean duration", "mean of lag / duration"),
        [[name, f"{own.polls:.2f}", f"{own.lag_of_mean:.1%}", f"{own.mean_lag_share:.1%}"] for name, own in found.items()],
    )
    few, late = cheapest(lambda polls, _: polls >= TARGET_POLLS)
    many, soon = cheapest(lambda _, lag: lag <= TARGET_LAG)
    print(f"at best without progress: {late:.1%} with {few:.2f} questions; {soon:.1%} takes {many:.2f}")
    own = found["learned"]
    is_reached = own.lag_of_mean <= TARGET_LAG and own.mean_lag_share <= TARGET_LAG and own.polls <= TARGET_POLLS
    print(f"target: learned lag <= {TARGET_LAG:.0%} with <= {TARGET_POLLS:g} questions: {'reached' if is_reached else 'missed'}")
    sys.exit(not is_reached)


if __name__ == "__main__":
    main()
