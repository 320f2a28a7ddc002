"""The metrics, read back by the parser of Prometheus itself."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from batchgen.app.reports import Snapshot
from batchgen.app.telling.metrics import FIRST, Life, exposition
from batchgen.core.money import Micros
from tests.support.fake_clock import START
from tests.support.snapshots import snapshot

LIFE = Life(batch="night", provider="sim", host="here", pid=7, started_at=START, beaten_at=START + timedelta(seconds=9.5))
ENDED = replace(LIFE, ended_at=START + timedelta(seconds=60), reason="finished", exit_code=3)


def _read(life: Life, seen: Snapshot | None) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Give every sample by its name and its labels but the batch, which all have."""
    families = list(text_string_to_metric_families(exposition(life, seen)))
    samples = [sample for family in families for sample in family.samples]
    assert all(sample.labels["batch"] == life.batch for sample in samples)
    return {(one.name, tuple((key, text) for key, text in one.labels.items() if key != "batch")): one.value for one in samples}


def test_figures_are_those_of_the_snapshot() -> None:
    """Nothing is counted anew: what the terminal shows is what a monitor reads."""
    seen = snapshot(last_saved_at=START + timedelta(seconds=5), cap=Micros(40_000_000), pause="rate limited", saved=3, saved_bytes=900)

    found = _read(LIFE, seen)

    assert 5 == found["batchgen_jobs", (("state", "planned"),)]
    assert 3 == found["batchgen_jobs", (("state", "saved"),)]
    assert (2, 90.0, 1, 0) == tuple(found[f"batchgen_{name}", ()] for name in ("in_flight", "oldest_task_seconds", "paused", "stopping"))
    assert (5, 7, 1, 3) == tuple(found[f"batchgen_{name}_total", ()] for name in ("orders", "polls", "throttled", "saved"))
    assert 900 == found["batchgen_saved_bytes_total", ()]
    assert (0.3, 40) == (found["batchgen_cost_spent", (("unit", "coin"),)], found["batchgen_cost_cap", (("unit", "coin"),)])
    assert START.timestamp() + 5 == found["batchgen_last_saved_timestamp_seconds", ()]
    assert START.timestamp() + 9.5 == found["batchgen_heartbeat_timestamp_seconds", ()]


def test_what_is_not_known_has_no_sample() -> None:
    """No cost that was named, no cap, no image yet, no end: an absent sample is no zero."""
    names = {name for name, _ in _read(LIFE, snapshot(spent=None))}

    assert names.isdisjoint({"batchgen_cost_spent", "batchgen_cost_cap", "batchgen_last_saved_timestamp_seconds", "batchgen_run_exit_code"})


def test_an_end_has_its_exit_code_also_before_the_first_look() -> None:
    """A run that breaks off at once has no figures, but an end."""
    found = _read(ENDED, None)

    assert 3 == found["batchgen_run_exit_code", ()]
    assert START.timestamp() + 60 == found["batchgen_run_end_timestamp_seconds", ()]
    assert not any(name == "batchgen_jobs" for name, _ in found)


def test_names_follow_the_conventions() -> None:
    """Every metric has its help and type before its samples, counters alone end in _total, and instants and durations name seconds."""
    text = exposition(ENDED, snapshot(last_saved_at=START, cap=Micros(1)))
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, flags=re.MULTILINE))
    helped = re.findall(r"^# HELP (\S+) \S.*\.$", text, flags=re.MULTILINE)
    seen = re.findall(r"^(\w+)\{", text, flags=re.MULTILINE)

    assert text.startswith(FIRST)
    assert list(kinds) == helped == list(dict.fromkeys(seen))
    assert all(re.fullmatch(r"batchgen_[a-z_]+", name) for name in kinds)
    assert all((kind == "counter") == name.endswith("_total") for name, kind in kinds.items())
    assert all(name.endswith("_seconds") for name in kinds if "timestamp" in name or "oldest" in name)


@pytest.mark.parametrize("name", ['a "quoted" night', "back\\slash", "two\nlines", "Ночь 夜", 'all\\"\n\\n'])
def test_label_values_are_escaped(name: str) -> None:
    """A batch is found under its own name, whatever stands in it."""
    assert 2 == _read(replace(LIFE, batch=name), snapshot())["batchgen_in_flight", ()]


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1))
def test_any_name_survives(name: str) -> None:
    """The same for names that nobody thought of."""
    assert _read(replace(LIFE, batch=name), snapshot())
