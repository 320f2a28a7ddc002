"""The figures of a run in the text form of Prometheus, for the textfile collector of node_exporter. Pure.

Names and units follow the naming conventions of Prometheus: ``_total`` for counters, which start anew with each run, seconds, and instants
as seconds since 1970.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from batchgen import __version__
from batchgen.app.reports import Snapshot
from batchgen.core.money import from_micros

FIRST: Final = "# HELP batchgen_"
"""How such a file begins."""
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What is known of a process: whom it works for, where and since when, its last sign of life, and its end."""

    batch: str
    provider: str
    host: str
    pid: int
    started_at: datetime
    beaten_at: datetime
    ended_at: datetime | None = None
    reason: str | None = None
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """One metric with its samples, by the labels that it has beside the batch."""

    name: str
    kind: Literal["gauge", "counter"]
    meaning: str
    samples: tuple[tuple[Mapping[str, str], float | str], ...]


def exposition(life: Life, seen: Snapshot | None) -> str:
    """Write everything that is known; what is not known has no line."""
    families = (*_of_life(life), *(() if seen is None else _of_batch(seen)))
    return "".join(line for family in families for line in _lines(family, life.batch))


def _of_life(life: Life) -> Iterator[_Family]:
    yield _one("batchgen_run_info", "What works on the batch.", 1, {"provider": life.provider, "version": __version__})
    yield _one("batchgen_run_start_timestamp_seconds", "When the run began.", life.started_at.timestamp())
    yield _one("batchgen_heartbeat_timestamp_seconds", "The last sign of life of the run's own loop.", life.beaten_at.timestamp())
    if life.ended_at is not None:
        yield _one("batchgen_run_end_timestamp_seconds", "When the run ended; absent while it works.", life.ended_at.timestamp())
    if life.exit_code is not None:
        yield _one("batchgen_run_exit_code", "The exit code of the run; absent while it works.", life.exit_code)


def _of_batch(seen: Snapshot) -> Iterator[_Family]:
    states = tuple(({"state": state.value}, jobs) for state, jobs in seen.states.items())
    yield _Family(name="batchgen_jobs", kind="gauge", meaning="Jobs of the batch by state.", samples=states)
    yield _one("batchgen_in_flight", "Orders under way: sent, at the vendor, or rendered and not yet saved.", seen.in_flight)
    yield _one("batchgen_oldest_task_seconds", "Age of the oldest task that is followed.", seen.oldest_task_s)
    yield _one("batchgen_paused", "1 while orders pause.", int(bool(seen.pause)))
    yield _one("batchgen_stopping", "1 while the run only finishes what is under way.", int(bool(seen.stopping)))
    yield _counter("batchgen_orders_total", "Orders sent by this run.", seen.orders)
    yield _counter("batchgen_polls_total", "Questions after tasks by this run.", seen.polls)
    yield _counter("batchgen_throttled_total", "Answers of this run's vendor that it was asked too often.", seen.throttled)
    yield _counter("batchgen_saved_total", "Jobs saved by this run.", seen.saved)
    yield _counter("batchgen_saved_bytes_total", "Bytes of the files saved by this run.", seen.saved_bytes)
    if seen.last_saved_at is not None:
        yield _one("batchgen_last_saved_timestamp_seconds", "When this run last saved a job.", seen.last_saved_at.timestamp())
    for name, meaning, micros in (
        ("batchgen_cost_spent", "Cost of the batch as far as the vendor named it, in the vendor's unit.", seen.spent),
        ("batchgen_cost_cap", "Cost at which the batch stops.", seen.cap),
    ):
        if micros is not None:
            yield _one(name, meaning, f"{from_micros(micros)}", {"unit": seen.unit})


def _one(name: str, meaning: str, value: float | str, labels: Mapping[str, str] | None = None) -> _Family:
    return _Family(name=name, kind="gauge", meaning=meaning, samples=((labels or {}, value),))


def _counter(name: str, meaning: str, value: int) -> _Family:
    return _Family(name=name, kind="counter", meaning=meaning, samples=(({}, value),))


def _lines(family: _Family, batch: str) -> Iterator[str]:
    yield f"# HELP {family.name} {family.meaning}\n"
    yield f"# TYPE {family.name} {family.kind}\n"
    for labels, value in family.samples:
        shown = ",".join(f'{name}="{text.translate(_ESCAPES)}"' for name, text in {"batch": batch, **labels}.items())
        yield f"{family.name}{{{shown}}} {value}\n"
