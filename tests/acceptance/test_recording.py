"""A recording of a run: good enough to work on a dialect with, and safe to hand on."""

import json
import re
import shutil
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from batchgen.api.dialects import dialect_for
from batchgen.core.ports import Reply
from batchgen.core.readings import Accepted, Delivered, Done
from tests.acceptance.conftest import StartVendor
from tests.support.cli import CANARY, ROOT, CommandLine, study

LONG_BASE64 = re.compile(r"[A-Za-z0-9+/]{200,}")


def _record(cli: CommandLine, start_vendor: StartVendor, *faults: str) -> list[dict[str, Any]]:
    """Run one order of each kind and give the recorded exchanges."""
    vendor = start_vendor(faults=faults, image_scale=0.5)
    shutil.copy(ROOT / "manifests" / "refs" / "shoe.png", cli.folder / "shoe.png")
    sweeps = [
        {"name": "tasks", "prompts": ["a task"], "params": {"images": "shoe"}},
        {"name": "inline", "prompts": ["inline"], "params": {"images": "inside"}},
        {
            "name": "answers",
            "operation": "generate",
            "prompts": ["an answer"],
            "params": {"size": "1024x1024"},
            "grid": {"response_format": ["url", "b64_json"]},
        },
        {"name": "edits", "operation": "edit", "prompts": ["an edit"], "params": {"size": "1024x1024", "images": "shoe"}},
    ]
    inside = cli.folder / "inside.png"
    inside.write_bytes((cli.folder / "shoe.png").read_bytes() + b"\0")
    references = {"shoe": {"path": "shoe.png", "send": "upload"}, "inside": {"path": "inside.png", "send": "base64"}}
    manifest = study(vendor.url, [], references=references, sweeps=sweeps)
    del manifest["prompts"]
    cli.write(manifest)
    run = cli("run", "study.yaml", "-y", "--record", "tape")
    assert 0 == run.code, run.err
    return [json.loads(line) for line in (cli.folder / "tape" / "exchanges.jsonl").read_text().splitlines()]


def test_recording_holds_no_secret(cli: CommandLine, start_vendor: StartVendor) -> None:
    """The file is readable by its owner alone and holds neither key, signature, header of ours nor picture."""
    exchanges = _record(cli, start_vendor)

    tape = cli.folder / "tape" / "exchanges.jsonl"
    text = tape.read_text()
    assert 0o600 == stat.S_IMODE(tape.stat().st_mode)
    assert CANARY not in text
    assert "Signature=" not in text
    assert "Bearer" not in text
    assert [] == LONG_BASE64.findall(text)
    assert {"order", "ask", "fetch"} == {exchange["kind"] for exchange in exchanges}
    assert 5 == sum(exchange["kind"] == "order" for exchange in exchanges)


def test_second_run_is_added_to_the_recording(cli: CommandLine, start_vendor: StartVendor) -> None:
    """A recording grows; what an earlier run wrote stays as it is."""
    first = _record(cli, start_vendor)
    tape = cli.folder / "tape" / "exchanges.jsonl"

    again = cli("resume", "-y", "--record", "tape")

    lines = [json.loads(line) for line in tape.read_text().splitlines()]
    assert 0 == again.code
    assert first == lines[: len(first)]


@pytest.mark.parametrize("fault", ["", "post.bare"])
def test_dialect_reads_a_recording_as_it_read_the_vendor(cli: CommandLine, start_vendor: StartVendor, fault: str) -> None:
    """Each recorded answer about a task or with a URL gives its reading again."""
    exchanges = _record(cli, start_vendor, *((fault,) if fault else ()))

    readings = [reading for exchange in exchanges if (reading := _replayed(exchange)) is not None]

    tasks = {row["task_id"] for row in cli.select("SELECT task_id FROM v_jobs WHERE operation = 'image'")}
    assert tasks == {reading.task_id for reading in readings if isinstance(reading, Accepted)}
    assert 1 <= sum(isinstance(reading, Delivered) and reading.urls != () for reading in readings)
    assert 2 == sum(isinstance(reading, Done) for reading in readings)


def test_dialect_reads_recorded_answers_that_held_the_picture(cli: CommandLine, start_vendor: StartVendor) -> None:
    """An answer whose picture was cut out still reads as delivered: an edit and a picture in base64."""
    exchanges = _record(cli, start_vendor)

    readings = [_replayed(exchange) for exchange in exchanges]

    assert 2 == sum(isinstance(reading, Delivered) and reading.parts != () for reading in readings)


def _replayed(exchange: dict[str, Any]) -> object:
    """Feed a recorded answer to the dialect, as the answer to the kind of call it belongs to."""
    path = Path(exchange.get("path", ""))
    if exchange["kind"] == "fetch" or "images" not in path.parts:
        return None
    body = exchange["body"] if isinstance(exchange["body"], str) else json.dumps(exchange["body"])
    parts = tuple((0, 1) for _ in range(exchange["parts"]))
    reply = Reply(status=exchange["status"], headers=exchange["headers"], body=body.encode(), parts=parts)
    dialect = dialect_for("jimmyai")
    assert dialect is not None
    operation = {"generations": "generate", "edits": "edit"}.get(path.name, "image")
    job: Any = SimpleNamespace(operation=operation, model="gpt-image-2", references=(), params={}, task_id=path.name)
    return dialect.read_submit(job, reply) if exchange["kind"] == "order" else dialect.read_poll(job, reply)
