"""Orders whose answer is the picture: every saved byte is the vendor's, and an answer that got lost is never bought again by itself."""

import base64
import signal
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import StartVendor
from tests.support.cli import Arrived, CommandLine, Host, envelope, open_host, study, wait_until
from tests.support.pictures import picture

GENERATE = {"model": "gpt-image-2", "quality": "low", "size": "1024x1024"}
SYNC_PATH = "/api/open-api/v1/images/generations"
PRICES = {"list": [{"model_name": "gpt-image-2-sync-low", "model_type": "image", "price_mode": "per_task", "unit_price": 0.035}]}


def _orders(url: str, prompts: list[str], **changes: object) -> dict[str, object]:
    return study(url, prompts, operation="generate", **{"defaults": GENERATE, **changes})


def _images(*contents: bytes) -> tuple[int, dict[str, str], bytes]:
    data = [{"b64_json": base64.b64encode(content).decode()} for content in contents]
    return envelope({"created": 1782000100, "model": "gpt-image-2", "data": data})


@cache
def _drawn(prompt: str, side: int) -> bytes:
    """Give a square picture of noise, another one for each prompt; it has three bytes a pixel."""
    return picture(size=(side, side), seed=zlib.crc32(prompt.encode()), compress_level=0)


def _drawing(side: int = 40) -> Callable[[Arrived], tuple[int, dict[str, str], bytes]]:
    """Answer each synchronous order with its own square picture."""

    def answer(asked: Arrived) -> tuple[int, dict[str, str], bytes]:
        return _images(_drawn(asked.fields["prompt"], side)) if asked.method == "POST" else envelope(PRICES | {"available": 100})

    return answer


def _held(cli: CommandLine) -> list[dict[str, Any]]:
    return cli.select("SELECT * FROM v_ambiguous")


def _saved(cli: CommandLine) -> dict[str, bytes]:
    """Read each saved picture by its prompt."""
    rows = cli.select("SELECT prompt, output_dir, path FROM v_jobs WHERE state = 'saved'")
    return {row["prompt"]: Path(row["output_dir"], row["path"]).read_bytes() for row in rows}


def _decide(cli: CommandLine, prompt: str, *words: str) -> int:
    (row,) = cli.select("SELECT key FROM v_jobs WHERE prompt = ?", prompt)
    return cli("resolve", row["key"], *words, "--reason", "looked it up").code


@pytest.fixture
def host() -> Iterator[Host]:
    """Start a vendor that draws at once."""
    with open_host(_drawing()) as drawing:
        yield drawing


def test_pictures_by_url_and_in_base64_are_both_saved(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Whichever form of answer is asked for, each order is one POST, one charge and one verified file."""
    vendor = start_vendor()
    cli.write(_orders(vendor.url, ["a gate", "a door"], grid={"response_format": ["url", "b64_json"]}))

    run = cli("run", "study.yaml", "-y")

    assert 0 == run.code, run.err
    assert {"saved": 4} == cli.states()
    assert (4, 4) == (vendor.posts, len(vendor.charges()))
    assert 2 == vendor.stats()["downloads"]
    assert {"generation"} == {line["call"] for line in vendor.bill()}
    assert 0 == cli("verify").code
    assert [] == [name for name in cli.files() if ".answer" in name]


def test_order_names_its_answers_form_and_its_size_and_nothing_else(cli: CommandLine, host: Host) -> None:
    """The form of the answer is always said, the size goes as written, and neither ratio, resolution nor n is sent."""
    cli.write(_orders(host.url, ["a gate"], grid={"size": ["1024x1024", "1536x1024"], "model": ["gpt-image-2", "gpt-image-2.5-flare"]}))

    run = cli("run", "study.yaml", "-y")

    assert 0 == run.code, run.err
    assert {"response_format": "b64_json", "quality": "low", "prompt": "a gate"}.items() <= host.orders[0].fields.items()
    assert {frozenset({"model", "prompt", "quality", "response_format", "size"})} == {frozenset(order.fields) for order in host.orders}
    assert {("gpt-image-2", "1024x1024"), ("gpt-image-2", "1536x1024")} < {
        (order.fields["model"], order.fields["size"]) for order in host.orders
    }


def test_second_address_gets_the_synchronous_posts_alone(cli: CommandLine, host: Host) -> None:
    """With ``sync_base_url`` a synchronous order goes there; tasks, questions, balance and prices stay at ``base_url``."""

    def other(asked: Arrived) -> tuple[int, dict[str, str], bytes]:
        if asked.method == "POST":
            return envelope({"task_id": "img_1", "status": "queued", "cost": 0.03})
        if asked.path.endswith("/images/img_1"):
            return envelope({"task_id": "img_1", "status": "completed", "result": {"image_url": f"{main.url}/files/1.png"}})
        return (200, {"Content-Type": "image/png"}, picture()) if asked.path.startswith("/files/") else envelope(PRICES)

    with open_host(other) as main:
        provider = {"base_url": main.url, "sync_base_url": host.url}
        overrides = [{"when": {"operation": "generate"}, "set": {"size": "1024x1024"}}]
        manifest = study("", ["a gate"], provider=provider, grid={"operation": ["image", "generate"]}, overrides=overrides)
        cli.write(manifest)

        run = cli("run", "study.yaml", "-y")

        assert 0 == run.code, run.err
        assert [("POST", SYNC_PATH)] == [(request.method, request.path) for request in host.seen]
        assert ["/api/open-api/v1/images"] == [order.path for order in main.orders]
        assert {"/api/openapi/model/catalog", "/api/open-api/v1/user/balance", "/files/1.png"} < {request.path for request in main.seen}


def test_size_that_the_operation_does_not_have_is_refused_before_sending(cli: CommandLine, host: Host) -> None:
    """A ratio in a synchronous order and an impossible size are located errors with the right word in the hint."""
    cli.write(_orders(host.url, ["a gate"], defaults={"model": "gpt-image-2", "size": "wide"}, grid={"ratio": ["16:9"]}))

    answers = [cli("validate", "study.yaml"), cli("run", "study.yaml", "-y")]

    assert [2, 2] == [answer.code for answer in answers]
    for answer in answers:
        assert "E401" in answer.err + answer.out
        assert "use size, such as 1024x1024" in answer.err + answer.out
        assert "'wide'" in answer.err + answer.out
    assert [] == host.seen


@pytest.mark.slow
def test_lost_answers_are_held_and_each_decision_is_carried_out(cli: CommandLine, start_vendor: StartVendor) -> None:
    """A 504, a cut answer and silence are each one POST, ambiguous and counted as spent; then every decision does what it says."""
    faults = ("post.accept_then_504@1", "post.accept_then_cut@3", "post.accept_then_hang@5")
    vendor = start_vendor(faults=faults)
    prompts = ["late", "fine 1", "cut", "fine 2", "silent", "fine 3"]
    cli.write(_orders(vendor.url, prompts, limits={"in_flight": 1, "timeout": {"submit": "1s"}}))

    run = cli("run", "study.yaml", "-y")
    held, posts = _held(cli), vendor.posts
    (money,) = cli.select("SELECT * FROM v_cost_by_model")
    decided = [_decide(cli, "late", "--resubmit"), _decide(cli, "cut", "--not-billed"), _decide(cli, "silent", "--abandon")]
    resumed = cli("resume", "-y")

    assert (3, 0) == (run.code, resumed.code)
    assert (6, 3, 3) == (posts, len(held), len(_saved(cli)) - 2)
    assert {35_000} == {row["at_risk_micros"] for row in held}
    assert 105_000 == money["held_micros"]
    assert [0, 0, 0] == decided
    assert {"saved": 5, "cancelled": 1} == cli.states()
    assert 8 == vendor.posts
    assert 1 == len(vendor.charges("silent"))
    assert 0 == cli("verify").code


def test_answer_that_was_kept_is_fetched_under_its_own_id(cli: CommandLine) -> None:
    """An answer that could not be read stays on disk; once it can be, ``--task-id sync-…`` saves the picture without a second POST."""
    drawn = picture(seed=9)
    with open_host(lambda asked: envelope({"odd": "shape"}) if asked.method == "POST" else envelope(PRICES)) as host:
        cli.write(_orders(host.url, ["a gate"]))
        run = cli("run", "study.yaml", "-y")
        (held,) = cli.folder.rglob("*.answer")
        (attempt,) = cli.select("SELECT attempt_id FROM v_attempts")
        head, _, _ = held.read_bytes().partition(b"\r\n\r\n")
        held.write_bytes(head + b"\r\n\r\n" + _images(drawn)[2])

        decided = _decide(cli, "a gate", "--task-id", f"sync-{attempt['attempt_id']}")
        resumed = cli("resume", "-y")

    assert (3, 0, 0) == (run.code, decided, resumed.code)
    assert {"a gate": drawn} == _saved(cli)
    assert 1 == len(host.orders)


def test_answer_on_disk_is_adopted_after_a_kill(cli: CommandLine) -> None:
    """A run killed between the whole answer and its record is resumed without a second POST, and the picture is the one that was paid."""
    connections: list[sqlite3.Connection] = []

    def answer(asked: Arrived) -> tuple[int, dict[str, str], bytes]:
        if asked.method == "POST":
            locked = sqlite3.connect(cli.folder / "batchgen.db", isolation_level=None, check_same_thread=False)
            locked.execute("BEGIN IMMEDIATE")
            connections.append(locked)
        return _drawing(300)(asked)

    with open_host(answer) as host:
        cli.write(_orders(host.url, ["a gate"]))
        with cli.background("run", "study.yaml", "-y") as running:
            wait_until(lambda: any(cli.folder.rglob("*.answer")))
            running.send_signal(signal.SIGKILL)
            killed = cli.finish(running)
        for connection in connections:
            connection.close()
        (before,) = cli.select("SELECT state FROM v_jobs")

        resumed = cli("resume", "-y")

    assert (-signal.SIGKILL, "submitting", 0) == (killed.code, before["state"], resumed.code)
    assert {"a gate": _drawn("a gate", 300)} == _saved(cli)
    assert 1 == len(host.orders)
    assert 0 == cli("verify").code


def test_order_without_an_answer_is_held_after_a_kill(cli: CommandLine) -> None:
    """A run killed while it waits for the answer leaves an ambiguous order; resuming buys nothing."""
    release = threading.Event()

    def answer(asked: Arrived) -> tuple[int, dict[str, str], bytes]:
        if asked.method == "POST":
            release.wait(30)
        return _drawing()(asked)

    with open_host(answer) as host:
        cli.write(_orders(host.url, ["a gate"]))
        with cli.background("run", "study.yaml", "-y") as running:
            wait_until(lambda: host.orders)
            running.send_signal(signal.SIGKILL)
            cli.finish(running)
        release.set()

        resumed = cli("resume", "-y")

    assert 3 == resumed.code
    assert {"ambiguous": 1} == cli.states()
    assert 1 == len(host.orders)


@pytest.mark.slow
def test_big_answers_do_not_grow_the_run(tmp_path: Path) -> None:
    """Eight pictures of 8 MB, four at a time, need at most 1.6 times the memory of one of 64 KB, and arrive byte for byte."""
    peaks = []
    for name, prompts, side in (("small", ["one"], 150), ("big", [f"picture {number}" for number in range(8)], 1650)):
        cli = CommandLine(folder=tmp_path / name)
        cli.folder.mkdir()
        with open_host(_drawing(side)) as host:
            cli.write(_orders(host.url, prompts))
            measured = cli.measured("run", "study.yaml", "-y")
        assert 0 == measured.code, measured.err
        assert {prompt: _drawn(prompt, side) for prompt in prompts} == _saved(cli)
        peaks.append(int(measured.out.split()[-1]))
        assert [] == cli.leaks()

    assert peaks[1] < 1.6 * peaks[0], peaks
