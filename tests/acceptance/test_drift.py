"""A vendor whose contract moves: strange fields, words and codes cost nothing, and are told once."""

import json
from collections.abc import Iterator

import pytest

from tests.support.cli import Arrived, CommandLine, Host, envelope, open_host, study
from tests.support.pictures import picture

STRANGE = {
    "data.eta_seconds",
    "data.result.thumbnail_url",
    "region",
    "dreaming",
    "30001",
}


class _Moving:
    """A vendor that adds fields everywhere, and answers the first questions with a word and a code that nobody knows."""

    def __init__(self) -> None:
        self.host: Host | None = None
        self._asked: dict[str, int] = {}

    def answer(self, asked: Arrived) -> tuple[int, dict[str, str], bytes]:
        if asked.path.startswith("/files/"):
            return 200, {"Content-Type": "image/png"}, picture()
        if asked.method == "POST":
            return self._told({"task_id": f"img_{asked.fields['prompt'][-1]}", "status": "queued", "cost": 0.03, "eta_seconds": 4})
        if "/images/img_" in asked.path:
            return self._task(asked.path.rpartition("/")[2])
        return envelope({"list": [], "available": 100, "unlimited": True})

    def _task(self, task_id: str) -> tuple[int, dict[str, str], bytes]:
        turn = self._asked[task_id] = self._asked.get(task_id, 0) + 1
        if turn == 1:
            return self._told({"task_id": task_id, "status": "dreaming", "eta_seconds": 2})
        if turn == 2:
            return self._told(None, code=30001)
        assert self.host is not None
        result = {"image_url": f"{self.host.url}/files/{task_id}.png", "thumbnail_url": "https://example.com/t.png"}
        return self._told({"task_id": task_id, "status": "completed", "cost": 0.03, "result": result, "eta_seconds": 0})

    @staticmethod
    def _told(data: object, code: int = 20000) -> tuple[int, dict[str, str], bytes]:
        body = {"code": code, "msg": "ok", "data": data, "region": "eu-2"}
        return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()


@pytest.fixture
def moving() -> Iterator[Host]:
    """Start a vendor whose contract moves."""
    vendor = _Moving()
    with open_host(vendor.answer) as host:
        vendor.host = host
        yield host


def _diary(cli: CommandLine) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (cli.folder / "batchgen.log").read_text().splitlines()]
    return [line for line in lines if "drift" in str(line["event"])]


def test_drift_is_told_once_and_costs_nothing(cli: CommandLine, moving: Host) -> None:
    """Three rows meet five strange things: all are saved, each thing is one event of the batch and one warning of the run, exit 0."""
    cli.write(study(moving.url, [f"gate {number}" for number in range(3)]))

    run = cli("run", "study.yaml", "-y")

    seen = [str(event["detail"]) for event in cli.select("SELECT detail FROM v_events WHERE event = 'drift_seen'")]
    diary = _diary(cli)
    assert 0 == run.code, run.err
    assert {"saved": 3} == cli.states()
    assert 3 == len(moving.orders)
    assert all(sum(thing in detail for detail in seen) == 1 for thing in STRANGE), seen
    assert all(sum(thing in str(line) for line in diary) == 1 for thing in STRANGE), diary
    assert {"warning"} == {line["level"] for line in diary}
    assert len(STRANGE) == len(seen) == len(diary)
    assert 0 == cli("verify").code


def test_later_run_tells_drift_again(cli: CommandLine, moving: Host) -> None:
    """Each run tells its own drift once, so that a new run does not hide that the contract still moves."""
    cli.write(study(moving.url, ["gate 1"]))
    cli("run", "study.yaml", "-y")
    cli.write(study(moving.url, ["gate 1", "gate 2"]))
    before = len(_diary(cli))

    run = cli("run", "study.yaml", "-y")

    assert 0 == run.code
    assert {"saved": 2} == cli.states()
    assert len(STRANGE) == before
    assert 2 * len(STRANGE) == len(_diary(cli))
