"""Rows D1 to D6 of the failure table: what is paid for is rendered, and its download goes wrong.

One vendor serves each prompt's picture in its own wrong way; whatever happens, no order is repeated.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from tests.support.books import books
from tests.support.cli import CommandLine, Host, envelope, open_host, study
from tests.support.pictures import bomb, picture
from tests.support.webhost import Answer, Arrived

PNG = picture()
GOOD: Answer = (200, {"Content-Type": "image/png"}, PNG)
TOO_LARGE = PNG + b"\0" * (64 << 20)

Fetch = Answer | str
"""What one fetch gets: an answer, ``hang``, or nothing special for ``good``."""


def _sent(body: bytes, status: int = 200, **headers: str) -> Answer:
    return status, {"Content-Type": "image/png", **{name.replace("_", "-"): value for name, value in headers.items()}}, body


PASSING: dict[str, tuple[Sequence[Fetch], list[str]]] = {
    "D1 403": ([_sent(b"", 403)], ["fresh_url_wanted expired"]),
    "D1 404": ([_sent(b"", 404)], ["fresh_url_wanted expired"]),
    "D1 410": ([_sent(b"", 410)], ["fresh_url_wanted expired"]),
    "D2 cut short": ([_sent(PNG[:100], Content_Length=str(len(PNG)))], ["download_deferred network"]),
    "D2 half under its own length": ([_sent(PNG[: len(PNG) // 2])], ["download_deferred no_end_marker"]),
    "D2 zero bytes": ([_sent(b"")], ["download_deferred empty"]),
    "D3 page as a picture": ([_sent(b"<html>sorry</html>")], ["download_deferred wrong_type"]),
    "D3 svg": ([_sent(b"<svg xmlns='http://www.w3.org/2000/svg'/>")], ["download_deferred wrong_type"]),
    "D3 no end marker": ([_sent(PNG[:-12])], ["download_deferred no_end_marker"]),
    "D3 damaged inside": ([_sent(PNG[:60] + b"\0" * 20 + PNG[80:])], ["download_deferred not_decodable"]),
    "D3 three times": (
        [_sent(b"<html>")] * 3,
        ["download_deferred wrong_type", "download_deferred wrong_type", "fresh_url_wanted wrong_type"],
    ),
    "D6 500": ([_sent(b"", 500)], ["download_deferred network"]),
    "D6 502 twice": ([_sent(b"<html>bad gateway", 502)] * 2, ["download_deferred network"] * 2),
    "D6 timeout": (["hang"], ["download_deferred network"]),
}
"""Row and variant: what its first fetches get, and what is recorded of them; the next fetch is good."""

LASTING: dict[str, tuple[Fetch, str, str, str]] = {
    "D4 too many bytes": (_sent(TOO_LARGE), "failed", "bad_image", "larger than the 67108864 bytes allowed"),
    "D4 too many pixels": (_sent(bomb()), "failed", "bad_image", "20000 x 20000 pixels, more than the 64000000 allowed"),
    "D5 private address": ("https://10.0.0.1/a.png?sig=s3cret", "rendered", "forbidden_address", "10.0.0.1: its address is not public"),
    "D5 cloud metadata": ("https://169.254.169.254/a.png", "rendered", "forbidden_address", "169.254.169.254: its address is not public"),
    "D5 odd port": ("https://cdn.example:22/a.png", "rendered", "forbidden_address", "cdn.example: port 22 is not allowed"),
    "D5 odd scheme": ("http://cdn.example/a.png", "rendered", "forbidden_address", "cdn.example: scheme 'http' is not allowed"),
    "D5 redirect inside": (
        _sent(b"", 302, Location="https://169.254.169.254/latest"),
        "rendered",
        "forbidden_address",
        "169.254.169.254: its address is not public",
    ),
    "D5 redirect to a file": (_sent(b"", 302, Location="file:///etc/passwd"), "rendered", "forbidden_address", "the URL has no host"),
}
"""Row and variant: the URL or what every fetch gets; the state and reason in which the job is left, and what is told of it."""


@dataclass(slots=True, kw_only=True)
class Vendor:
    """Finishes every task at once; the task's id is the number of its prompt."""

    fetches: dict[str, list[Fetch]]
    url: str = ""
    prompts: dict[str, str] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    def answer(self, request: Arrived) -> Answer:
        """Take an order, tell of a task, or serve a picture."""
        name = request.path.rpartition("/")[2].partition(".")[0]
        if request.path.startswith("/files/"):
            return self._file(self.prompts[name])
        if request.method == "POST" and "prompt" in request.fields:
            self.prompts[f"img_{len(self.prompts)}"] = request.fields["prompt"]
            return envelope({"task_id": f"img_{len(self.prompts) - 1}", "status": "queued", "cost": 0.03})
        if name in self.prompts:
            return envelope({"task_id": name, "status": "completed", "result": {"image_url": self._url(name)}})
        return envelope({"list": [], "balance": 100, "used_coin": 0, "available": 100, "unlimited": True})

    def _url(self, task: str) -> str:
        first = next(iter(self.fetches[self.prompts[task]]), GOOD)
        return first if isinstance(first, str) and "://" in first else f"{self.url}/files/{task}.png"

    def _file(self, prompt: str) -> Answer:
        left = self.fetches[prompt]
        fetch = left.pop(0) if left else GOOD
        if fetch == "hang":
            self.over.wait(5)
        return GOOD if isinstance(fetch, str) else fetch


@contextmanager
def _serving(vendor: Vendor) -> Iterator[Host]:
    with open_host(vendor.answer) as host:
        vendor.url = host.url
        yield host
        vendor.over.set()


def _stories(cli: CommandLine) -> dict[str, list[str]]:
    """Give what was recorded of each prompt's downloads, with its reason."""
    prompts = {job["key"]: job["prompt"] for job in cli.jobs()}
    told: dict[str, list[str]] = {prompt: [] for prompt in prompts.values()}
    for event in cli("events", "--jsonl").lines:
        if event["event"] in {"download_deferred", "fresh_url_wanted", "download_failed"}:
            told[prompts[event["key"]]].append(f"{event['event']} {event['reason']}")
    return told


@pytest.mark.slow
def test_d1_d2_d3_d6_a_passing_fault_is_recorded_and_mended_by_another_fetch(cli: CommandLine) -> None:
    """Each wrong answer stands in the record with its reason; the next fetch, by the same or a fresh URL, saves it: exit 0."""
    vendor = Vendor(fetches={row: list(fetches) for row, (fetches, _) in PASSING.items()})
    with _serving(vendor) as host:
        limits = {"in_flight": len(PASSING), "timeout": {"download": "1s"}}
        cli.write(study(host.url, list(PASSING), limits=limits))

        run = cli("run", "study.yaml", "-y")

    assert 0 == run.code, run.err
    assert {row: recorded for row, (_, recorded) in PASSING.items()} == _stories(cli)
    assert {("saved", "", 1)} == {(job["state"], job["reason"], job["attempts"]) for job in cli.jobs()}
    assert "14 orders, 0.42 spent, 0 reserved, 0 held" == books(cli)
    assert len(PASSING) == len(host.orders)
    assert {PNG} == set(cli.images().values())
    assert [] == list(cli.folder.rglob("*.part"))
    assert 0 == cli("verify").code


@pytest.mark.slow
def test_d4_d5_what_no_further_fetch_would_mend_is_given_up_or_held_after_one(cli: CommandLine) -> None:
    """Beyond the caps the job has failed, at a forbidden address it is held: exit 3, one fetch each, of the URL only the host is told."""
    vendor = Vendor(fetches={row: [fetch] * 20 for row, (fetch, *_) in LASTING.items()})
    with _serving(vendor) as host:
        cli.write(study(host.url, list(LASTING), limits={"in_flight": len(LASTING)}))

        run = cli("run", "study.yaml", "-y")
        fetched = [request for request in host.seen if request.path.startswith("/files/")]
        jobs = {job["prompt"]: job for job in cli.jobs()}
        resumed = cli("resume", "-y")

    assert (3, 3) == (run.code, resumed.code), run.err
    assert {row: (state, reason, 1) for row, (_, state, reason, _) in LASTING.items()} == {
        prompt: (job["state"], job["reason"], job["attempts"]) for prompt, job in jobs.items()
    }
    log = (cli.folder / "batchgen.log").read_text()
    for row, (_, _, _, told) in LASTING.items():
        assert any(told in line and jobs[row]["key"] in line for line in log.splitlines()), row
    assert "reason=forbidden_address detail=10.0.0.1: its address is not public" in run.err
    assert "s3cret" not in run.out + run.err + log
    assert "2 failed: " in run.out
    assert "6 left; go on with: " in run.out
    assert 4 == len(fetched)
    assert len(LASTING) == len(host.orders)
    assert "8 orders, 0.24 spent, 0 reserved, 0 held" == books(cli)
    assert {} == cli.images()
