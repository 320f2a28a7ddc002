"""Several API keys of one provider: each with limits of its own, and one that is refused or used up only retires itself."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.acceptance.conftest import StartVendor, cli, start_vendor
from tests.contract.conftest import postgres
from tests.support.cli import CommandLine, study
from tests.support.databases import postgres_url
from tests.support.recording_vendor import RecordingVendor
from tests.support.webhost import Answer, Arrived, serving

__all__ = ["StartVendor", "cli", "postgres", "start_vendor"]

KEYS = {"KEY_ONE": "sk-first-0123456789abcdef", "KEY_TWO": "sk-second-0123456789abcde", "KEY_THREE": "sk-third-0123456789abcdef"}
NAMES = {secret: name for name, secret in KEYS.items()}


@dataclass(slots=True, kw_only=True)
class KeyedVendor:
    """A vendor that knows which key asks: it refuses some, and lets others order only so often."""

    url: str = ""
    refuses: frozenset[str] = frozenset()
    has_left: dict[str, int] = field(default_factory=dict)
    books: RecordingVendor = field(default_factory=lambda: RecordingVendor(url=""))
    orders: Counter[str] = field(default_factory=Counter)
    asked_with: dict[str, str] = field(default_factory=dict)
    ordered_with: dict[str, str] = field(default_factory=dict)

    def answer(self, request: Arrived) -> Answer:
        """Answer as the key deserves."""
        name = NAMES.get(request.headers.get("authorization", "").removeprefix("Bearer "), "")
        if name in self.refuses:
            return 401, {"Content-Type": "application/json"}, json.dumps({"code": 20001, "msg": "invalid api key", "data": None}).encode()
        if request.method == "POST":
            if self.has_left.get(name, 1) <= 0:
                return (
                    200,
                    {"Content-Type": "application/json"},
                    json.dumps({"code": -1, "msg": "insufficient balance", "data": None}).encode(),
                )
            self.has_left[name] = self.has_left.get(name, 1_000_000) - 1
            self.orders[name] += 1
        kind, content = self.books.answer(request)
        if request.method == "POST":
            self.ordered_with[json.loads(content)["data"]["task_id"]] = name
        elif "/images/" in request.path:
            self.asked_with[request.path.rpartition("/")[2]] = name
        return 200, {"Content-Type": kind}, content


@contextmanager
def keyed(**terms: Any) -> Iterator[KeyedVendor]:
    """Serve such a vendor."""
    vendor = KeyedVendor(**terms)
    with serving(vendor.answer) as vendor.url:
        vendor.books.url = vendor.url
        yield vendor


def _manifest(url: str, prompts: int, keys: list[dict[str, object]], **changes: object) -> dict[str, object]:
    provider = {"use": "jimmyai", "base_url": url, "keys": keys}
    return study(url, [f"picture {number}" for number in range(prompts)], provider=provider, **changes)


def test_a_key_that_is_used_up_is_left_for_the_next(cli: CommandLine) -> None:
    """Its tasks are fetched with it, the others order the rest, and who paid for what stands in the books."""
    keys: list[dict[str, object]] = [{"env": name} for name in KEYS]
    with keyed(refuses=frozenset({"KEY_TWO"}), has_left={"KEY_ONE": 3}) as vendor:
        cli.write(_manifest(vendor.url, 8, keys))
        ran = cli("run", "study.yaml", "-y", **KEYS)

    assert 0 == ran.code, ran.err
    assert {"saved": 8} == cli.states()
    assert {"KEY_ONE": 3, "KEY_THREE": 5} == vendor.orders
    assert vendor.ordered_with.items() >= vendor.asked_with.items()
    assert [("KEY_ONE", 3), ("KEY_THREE", 5)] == [
        (row["name"], row["orders"])
        for row in cli.select("SELECT name, orders FROM purse WHERE scope = 'key' ORDER BY name")
        if row["orders"]
    ]
    assert 0 == cli("verify").code
    assert [] == [secret for secret in KEYS.values() if cli.leaks(secret)]


def test_a_budget_of_a_key_is_kept_and_the_next_goes_on(cli: CommandLine) -> None:
    """Two orders of the first, one coin's worth of the second, and then the run stops at its limits: exit 5 with the rest planned."""
    keys: list[dict[str, object]] = [{"env": "KEY_ONE", "budget": {"jobs": 2}}, {"env": "KEY_TWO", "budget": {"cost": "0.1"}}]
    with keyed() as vendor:
        prices = {"gpt-image-2": "0.03"}
        manifest = _manifest(vendor.url, 8, keys)
        manifest["provider"] = {**manifest["provider"], "prices": prices}  # type: ignore[dict-item] # a JSON object
        cli.write(manifest)
        ran = cli("run", "study.yaml", "-y", **KEYS)

    assert 5 == ran.code, ran.err
    assert {"KEY_ONE": 2, "KEY_TWO": 3} == vendor.orders
    assert {"saved": 5, "planned": 3} == cli.states()
    assert "the key KEY_TWO" in ran.out


def test_without_any_of_the_keys_nothing_is_begun(cli: CommandLine) -> None:
    """Exit 4, and the names to set."""
    with keyed() as vendor:
        cli.write(_manifest(vendor.url, 1, [{"env": "KEY_ONE"}, {"env": "KEY_TWO"}]))
        ran = cli("run", "study.yaml", "-y")

    assert 4 == ran.code
    assert "KEY_ONE" in ran.err
    assert not vendor.orders


@pytest.mark.parametrize(
    ("provider", "complaint"),
    [
        ({"keys": [{"env": "KEY_ONE"}, {"env": "KEY_ONE"}]}, "is named twice"),
        ({"keys": [{"env": "KEY_ONE"}], "api_key_env": "KEY_TWO"}, "stands beside 'keys'"),
        ({"keys": [{"env": "sk-0123456789abcdefghij"}]}, "variable"),
        ({"keys": [{"env": "KEY_ONE", "in_flight": 0}]}, "must be a whole number from 1"),
    ],
)
def test_keys_that_cannot_be_meant_are_refused(cli: CommandLine, provider: dict[str, object], complaint: str) -> None:
    """Before anything is planned, with the place."""
    manifest = study("http://127.0.0.1:9", ["a fox"])
    manifest["provider"] = {"use": "jimmyai", "base_url": "http://127.0.0.1:9", **provider}
    cli.write(manifest)

    found = cli("validate", "study.yaml")

    assert 2 == found.code
    assert complaint in found.err + found.out


@pytest.mark.postgres
def test_two_workers_take_a_key_each(cli: CommandLine, postgres: str) -> None:
    """Both keys order at the same time, within the limit of each; nobody asks after a task with a key that did not order it."""
    url = postgres_url(postgres)
    keys: list[dict[str, object]] = [{"env": "KEY_ONE", "in_flight": 2}, {"env": "KEY_TWO", "in_flight": 2}]
    with keyed() as vendor:
        cli.write(_manifest(vendor.url, 40, keys, limits={"submit_rate": "8/s"}))
        assert 0 == cli("--db", url, "plan", "study.yaml", "--save", **KEYS).code
        words = ("--db", url, "work", "--drain", "--lease", "5")
        with cli.background("--log-file", "one.log", *words, **KEYS) as one, cli.background("--log-file", "two.log", *words, **KEYS) as two:
            codes = [cli.finish(worker).code for worker in (one, two)]

    assert [0, 0] == codes
    assert 40 == vendor.orders.total()
    assert {"KEY_ONE", "KEY_TWO"} == set(vendor.orders)
    assert vendor.ordered_with.items() >= vendor.asked_with.items()
