"""Vendors that a file describes: fal's queue and Replicate's predictions, with every promise of the built-in ones."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import ROOT, CommandLine, Finished, study
from tests.support.fake_queues import FakeQueue, open_fal, open_replicate

VENDORS = ROOT / "manifests" / "vendors"
FAL = ("fal", "fal-queue.yaml", "fal-ai/flux/dev")
REPLICATE = ("replicate", "replicate-predictions.yaml", "black-forest-labs/flux-dev")
KEY = "vendor-canary-51e0c7d2"
INLINE = {
    "vendor": 1,
    "name": "house",
    "params": {"image_size": "text"},
    "submit": {
        "path": "/{{ model }}",
        "body": {"prompt": "{{ prompt }}", "image_size": "{{ image_size }}", "ref": "{{ key }}"},
        "task_id": "/request_id",
    },
    "auth": {"value": "Key {key}"},
    "poll": {
        "path": "/{{ model.0 }}/{{ model.1 }}/requests/{{ task_id }}/status",
        "status": "/status",
        "words": {"running": ["IN_QUEUE", "IN_PROGRESS"], "done": "COMPLETED"},
    },
    "result": {"path": "/{{ model.0 }}/{{ model.1 }}/requests/{{ task_id }}", "urls": "/images/*/url"},
}


@contextmanager
def _opened(kind: str) -> Iterator[FakeQueue]:
    with open_fal() if kind == "fal" else open_replicate() as queue:
        queue.key = KEY
        yield queue


def _manifest(cli: CommandLine, queue: FakeQueue, vendor: tuple[str, str, str], prompts: list[str], **changes: object) -> None:
    _, file, model = vendor
    (cli.folder / "vendors").mkdir(exist_ok=True)
    shutil.copy(VENDORS / file, cli.folder / "vendors")
    provider = {"use": "http", "vendor": f"vendors/{file}", "base_url": queue.url, "api_key_env": "VENDOR_KEY", "prices": {model: 0.025}}
    cli.write(study(queue.url, prompts, **{"provider": provider, "defaults": {"model": model}, **changes}))


def _run(cli: CommandLine, *words: str) -> Finished:
    return cli(*(words or ("run", "study.yaml")), "-y", VENDOR_KEY=KEY, JIMMYAI_API_KEY=None)


@pytest.mark.parametrize("vendor", [FAL, REPLICATE], ids=["fal", "replicate"])
def test_described_vendor_delivers(cli: CommandLine, vendor: tuple[str, str, str]) -> None:
    """Every row is ordered once and saved, money is counted by the manifest's own prices, and the key is nowhere."""
    with _opened(vendor[0]) as queue:
        _manifest(cli, queue, vendor, [f"gate {number}" for number in range(4)])

        run = _run(cli)

    assert 0 == run.code, run.err
    assert {"saved": 4} == cli.states()
    assert 4 == len(queue.bill)
    assert [100_000] == [row["cost_micros"] for row in cli.select("SELECT * FROM v_cost_by_model")]
    assert 0 == cli("verify").code
    assert [] == cli.leaks(KEY)


@pytest.mark.parametrize("vendor", [FAL, REPLICATE], ids=["fal", "replicate"])
def test_answer_that_was_lost_is_never_ordered_again(cli: CommandLine, vendor: tuple[str, str, str]) -> None:
    """A gateway's page after the order was taken leaves it ambiguous; with the id from the dashboard it is fetched, not bought."""
    with _opened(vendor[0]) as queue:
        queue.faults.add("html_after")
        _manifest(cli, queue, vendor, ["a gate"])
        run = _run(cli)
        queue.faults.clear()
        again = _run(cli)
        (held,) = cli.select("SELECT * FROM v_ambiguous")

        decided = cli("resolve", held["key"], "--task-id", queue.bill[0].task_id, "--reason", "found in the dashboard")
        resumed = _run(cli, "resume")

    assert (3, 3, 0, 0) == (run.code, again.code, decided.code, resumed.code)
    assert 25_000 == held["at_risk_micros"]
    assert {"saved": 1} == cli.states()
    assert 1 == len(queue.bill)


def test_resuming_needs_neither_manifest_nor_description(cli: CommandLine) -> None:
    """What the plan stored is enough: with both files gone the rest is ordered and saved."""
    with _opened("fal") as queue:
        _manifest(cli, queue, FAL, ["a gate", "a door"], limits={"budget": {"jobs": 1}})
        run = _run(cli)
        (cli.folder / "study.yaml").unlink()
        shutil.rmtree(cli.folder / "vendors")
        left = cli.states()
        _manifest(cli, queue, FAL, ["a gate", "a door"])
        planned = cli("plan", "study.yaml", "--save", VENDOR_KEY=KEY)
        (cli.folder / "study.yaml").unlink()
        shutil.rmtree(cli.folder / "vendors")

        resumed = _run(cli, "resume")

    assert (5, 0, 0) == (run.code, planned.code, resumed.code)
    assert {"saved": 1, "planned": 1} == left
    assert {"saved": 2} == cli.states()
    assert 2 == len(queue.bill)


def test_description_may_stand_in_the_manifest(cli: CommandLine) -> None:
    """An inline description works as a file does: what is not set is left out, and {{ key }} is the job's own."""
    with _opened("fal") as queue:
        provider = {"use": "http", "vendor": INLINE, "base_url": queue.url, "api_key_env": "VENDOR_KEY"}
        cli.write(study(queue.url, ["a gate {{ key }}"], provider=provider, defaults={"model": "fal-ai/flux/dev"}))

        run = _run(cli)

    (row,) = cli.select("SELECT key FROM v_jobs WHERE state = 'saved'")
    assert 0 == run.code, run.err
    assert [{"prompt": "a gate {{ key }}", "ref": row["key"]}] == [order.body for order in queue.bill]


@pytest.mark.parametrize(
    ("vendor", "fault", "code", "state", "reason"),
    [
        (FAL, "bad_key", 4, "planned", "auth"),
        (FAL, "locked", 6, "planned", "balance"),
        (FAL, "moderated", 3, "failed", "moderated"),
        (REPLICATE, "locked", 6, "planned", "balance"),
        (REPLICATE, "moderated", 3, "failed", "moderated"),
    ],
)
def test_words_of_the_vendor_are_understood(
    cli: CommandLine, vendor: tuple[str, str, str], fault: Any, code: int, state: str, reason: str
) -> None:
    """A bad key and an empty account stop the run, a flagged prompt ends its row; nothing is ordered twice."""
    with _opened(vendor[0]) as queue:
        queue.faults.add(fault)
        _manifest(cli, queue, vendor, ["a gate"])

        run = _run(cli)

    (row,) = cli.select("SELECT * FROM v_jobs")
    assert code == run.code, run.err
    assert (state, reason) == (row["state"], row["reason"])
    assert len(queue.bill) <= 1


def test_broken_description_is_told_with_its_places(cli: CommandLine) -> None:
    """Each fault of a description is a located error in that file, all at once; exit 2, and no database is made."""
    broken = (VENDORS / "fal-queue.yaml").read_text()
    for good, bad in (("path: /{{ model }}", "path: //evil.example/{{ model }}"), ("seed: int", "seed: whole"), ("words:", "wordz:")):
        assert good in broken
        broken = broken.replace(good, bad, 1)
    cli.write_text(broken + "surprise: 1\n", "vendors/broken.yaml")
    cli.write(study("", ["a gate"], provider={"use": "http", "vendor": "vendors/broken.yaml"}, defaults={"model": "a/b"}))
    cli.write(study("", ["a gate"], provider={"use": "http", "vendor": "vendors/gone.yaml"}, defaults={"model": "a/b"}), "gone.yaml")
    cli.write(study("", ["a gate"], provider={"use": "http"}, defaults={"model": "a/b"}), "none.yaml")

    run = _run(cli)
    gone, none = cli("validate", "gone.yaml"), cli("validate", "none.yaml")

    places = [line.partition(": error[")[0] for line in run.err.splitlines() if ": error[" in line]
    assert [2, 2, 2] == [run.code, gone.code, none.code]
    assert 4 <= len(set(places))
    assert all(Path(place.split(":")[0]).name == "broken.yaml" for place in places), run.err
    assert "gone.yaml:" in gone.err
    assert "E105" in none.err
    assert not (cli.folder / "batchgen.db").exists()
