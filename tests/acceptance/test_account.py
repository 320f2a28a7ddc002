"""Money before, during and after a run: what the vendor tells is shown, stored with the plan, and obeyed."""

import json
from decimal import Decimal
from sqlite3 import OperationalError

from tests.acceptance.conftest import StartVendor
from tests.support.cli import CommandLine, Vendor, open_host, study, wait_until

NOWHERE = "http://127.0.0.1:9"


def test_account_tells_balance_quota_and_prices(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Balance, quota and catalogue are told for people and in JSON, with money as decimal text."""
    vendor = start_vendor(balance=Decimal("12.5"), key_quota=Decimal(3))
    cli.write(study(vendor.url, ["a gate"]))

    shown, told = cli("account", "study.yaml"), cli("account", "study.yaml", "--json")

    document = told.document
    assert (0, 0) == (shown.code, told.code)
    assert "balance   12.5 coin available" in shown.out
    assert "of 3 coin" in shown.out
    assert ("12.5", "3", False) == (document["available"], document["quota"], document["unlimited"])
    assert {"amount": "0.03", "mode": "per_task"} == document["prices"]["list"]["gpt-image-2-low"]
    assert "/api/openapi/model/catalog" in document["prices"]["source"]
    assert 0 == vendor.posts


def test_account_without_a_valid_key_ends_with_4(cli: CommandLine, vendor: Vendor) -> None:
    """A rejected and a missing key are one sentence each that does not hold the key."""
    cli.write(study(vendor.url, ["a gate"]))

    answers = [cli("account", "study.yaml", JIMMYAI_API_KEY=key) for key in ("wrong-key-of-the-night", None)]

    assert [4, 4] == [answer.code for answer in answers]
    assert [1, 1] == [len(answer.err.strip().splitlines()) for answer in answers]
    assert [] == cli.leaks("wrong-key-of-the-night")


def test_vendor_that_cannot_be_reached_is_one_line(cli: CommandLine) -> None:
    """An address where nobody listens ends with 2 and one sentence that names it."""
    cli.write(study(NOWHERE, ["a gate"]))

    answer = cli("account", "study.yaml")

    assert (2, "") == (answer.code, answer.out)
    assert 1 == len(answer.err.strip().splitlines())
    assert "127.0.0.1:9" in answer.err


def test_plan_shows_the_cost_with_its_source_and_stores_the_prices(cli: CommandLine, vendor: Vendor) -> None:
    """The catalogue prices a plan; where they come from and when is shown, and ``--save`` keeps them with the plan."""
    manifest = study(vendor.url, ["a gate", "a door"], operation="generate")
    cli.write(manifest | {"defaults": {"model": "gpt-image-2", "quality": "high", "size": "1024x1024"}})

    shown, told, saved = cli("plan", "study.yaml"), cli("plan", "study.yaml", "--json"), cli("plan", "study.yaml", "--save")

    (stored,) = cli.select("SELECT prices FROM plan")
    assert [0, 0, 0] == [shown.code, told.code, saved.code]
    assert "cost 0.28 coin" in shown.out
    assert f"from {vendor.url.removeprefix('http://')}/api/openapi/model/catalog" in shown.out
    assert ("0.28", 0) == (told.document["cost"]["amount"], told.document["unpriced_rows"])
    assert told.document["prices"]["at"] < json.loads(stored["prices"])["at"]
    assert ["0.14", "per_task"] == json.loads(stored["prices"])["prices"]["gpt-image-2-sync-high"]


def test_offline_plan_asks_nobody(cli: CommandLine) -> None:
    """``--offline`` sends nothing: the cost is unknown, not nothing; the manifest's own prices still count."""
    with open_host(lambda _: (200, {}, b"{}")) as host:
        cli.write(study(host.url, ["a gate"]))
        cli.write(study(host.url, ["a gate"], provider={"base_url": host.url, "prices": {"gpt-image-2": 0.5}}), "own.yaml")

        plan, own = cli("plan", "study.yaml", "--offline"), cli("plan", "own.yaml", "--offline")

    assert (0, 0) == (plan.code, own.code)
    assert "cost unknown" in plan.out
    assert "cost 0.5 coin" in own.out
    assert [] == host.seen


def test_plan_goes_on_without_a_catalogue(cli: CommandLine) -> None:
    """A vendor that cannot be asked for prices leaves the cost unknown; planning still works."""
    cli.write(study(NOWHERE, ["a gate"]))

    plan = cli("plan", "study.yaml", "--save")

    assert 0 == plan.code
    assert "cost unknown" in plan.out
    assert {"planned": 1} == cli.states()


def test_run_keeps_the_balance_before_and_after(cli: CommandLine, start_vendor: StartVendor) -> None:
    """The row of a run holds what the account had when it began and when it ended: the difference is the bill."""
    vendor = start_vendor(balance=Decimal("12.5"))
    cli.write(study(vendor.url, ["a gate", "a door"]))

    run = cli("run", "study.yaml", "-y")

    (row,) = cli.select("SELECT balance_before, balance_after FROM run")
    assert 0 == run.code
    assert (12_500_000, 12_440_000) == (row["balance_before"], row["balance_after"])


def test_balance_that_is_too_small_warns_and_then_stops_the_run(cli: CommandLine, start_vendor: StartVendor) -> None:
    """A balance below the plan's cost is a warning; the run orders until the vendor refuses, and what is paid is saved."""
    vendor = start_vendor(balance=Decimal("0.07"), latency_s=0.3)
    cli.write(study(vendor.url, [f"gate {number}" for number in range(4)], limits={"in_flight": 2}))

    run = cli("run", "study.yaml", "-y")

    assert 6 == run.code
    assert "account.short" in run.err
    assert {"saved": 2, "planned": 2} == cli.states()
    assert 2 == len(vendor.charges())


def test_empty_account_orders_nothing_and_still_fetches_what_is_paid(cli: CommandLine, start_vendor: StartVendor) -> None:
    """With no money left a resumed run buys nothing, downloads the pictures of earlier orders, and ends with 6."""
    terms = {"balance": Decimal("0.06"), "ledger": cli.folder / "bill.jsonl", "latency_s": 1.0}
    vendor = start_vendor(**terms)
    cli.write(study(vendor.url, ["a gate", "a door", "a bridge"], limits={"in_flight": 2}))
    with cli.background("run", "study.yaml", "-y") as running:
        wait_until(lambda: {"submitted": 2, "planned": 1} == _states(cli))
        running.kill()
        cli.finish(running)
    vendor.process.stop()
    again = start_vendor(**terms, port=vendor.port)

    resumed = cli("resume", "-y")

    (row,) = cli.select("SELECT * FROM run ORDER BY id DESC LIMIT 1")
    assert 6 == resumed.code
    assert ("balance", 0) == (row["stop_reason"], row["balance_before"])
    assert {"saved": 2, "planned": 1} == cli.states()
    assert 2 == len(again.charges())
    assert 1 >= again.posts


def _states(cli: CommandLine) -> dict[str, int]:
    try:
        return {row["state"]: row["n"] for row in cli.select("SELECT state, count(*) AS n FROM v_jobs GROUP BY state")}
    except OperationalError:
        return {}
