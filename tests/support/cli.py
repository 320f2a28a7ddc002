"""The command line as a stranger meets it: a child process in a folder of its own, and the vendor on loopback beside it.

Nothing here imports the code under test but the simulator's starter; what is known of a batch is what the commands print.
"""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

from batchgen.sim.child import SimProcess, start_in_child
from batchgen.sim.options import SimOptions
from tests.support.webhost import Answer, Arrived, serving

ROOT = Path(__file__).resolve().parents[2]
CANARY = "sk-canary-7f3a9e51c02d4b86aa11"
"""The API key of every run under test; it may turn up in no file and no output."""

_TIMEOUT_S = 120.0
_LOOK_EVERY_S = 0.01
_DIRECT = build_opener(ProxyHandler({}))
_MEASURE = """
import resource, subprocess, sys
code = subprocess.call([sys.executable, "-m", "batchgen", *sys.argv[1:]])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
"""Run the command line below a process so small that its own memory cannot be the peak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What an ended command left: its exit code (negative for a signal) and its two outputs."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Read standard output as one JSON document."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Read standard output as one JSON object a line; only a line feed ends a line."""
        return [json.loads(line) for line in self.out.split("\n") if line]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """Run ``batchgen`` in a folder, with a clean environment that holds the canary key."""

    folder: Path
    said: list[str] = field(default_factory=list)

    def __call__(self, *words: object, timeout_s: float = _TIMEOUT_S, **variables: str | None) -> Finished:
        """Run one command to its end; a variable given as None is unset."""
        with self.background(*words, **variables) as process:
            return self.finish(process, timeout_s=timeout_s)

    @contextmanager
    def background(self, *words: object, ignores: str = "", **variables: str | None) -> Iterator[subprocess.Popen[str]]:
        """Start one command as a terminal does, whatever signals we ignore; it is killed if it still lives when the block ends.

        ``ignores`` names a signal that it is to ignore, as ``nohup`` has it.
        """
        signals = ["--default-signal=INT,HUP", *([f"--ignore-signal={ignores}"] if ignores else [])]
        process = subprocess.Popen(
            ["env", *signals, sys.executable, "-m", "batchgen", *map(str, words)],
            cwd=self.folder,
            env=self.environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def finish(self, process: subprocess.Popen[str], *, timeout_s: float = _TIMEOUT_S) -> Finished:
        """Wait for a started command and remember what it said."""
        out, err = process.communicate(timeout=timeout_s)
        self.said.extend((out, err))
        return Finished(code=process.returncode, out=out, err=err)

    def measured(self, *words: object) -> Finished:
        """Run one command; the last line of its output is its peak of memory in KiB."""
        small = [sys.executable, "-c", _MEASURE, *map(str, words)]
        done = subprocess.run(
            small, check=False, cwd=self.folder, env=self.environment(), capture_output=True, encoding="utf-8", timeout=_TIMEOUT_S
        )
        self.said.extend((done.stdout, done.stderr))
        return Finished(code=done.returncode, out=done.stdout, err=done.stderr)

    def environment(self, **variables: str | None) -> dict[str, str]:
        """Give the whole environment of a command: nothing of the caller's but the path to programs."""
        usual = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "COLUMNS": "80",
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
            "JIMMYAI_API_KEY": CANARY,
        }
        return {name: value for name, value in (usual | variables).items() if value is not None}

    def jobs(self, *words: object) -> list[dict[str, Any]]:
        """List the job objects of ``jobs --json``."""
        return list(self("jobs", *words, "--json").document["jobs"])

    def job(self, prompt: str) -> dict[str, Any]:
        """Give the one job object with this prompt."""
        (found,) = (job for job in self.jobs() if job["prompt"] == prompt)
        return found

    def states(self) -> dict[str, int]:
        """Count the jobs in each state."""
        return dict(Counter(str(job["state"]) for job in self.jobs()))

    def write(self, manifest: Mapping[str, object], name: str = "study.yaml") -> Path:
        """Write a manifest; JSON is YAML."""
        return self.write_text(json.dumps(manifest, ensure_ascii=False, indent=2), name)

    def write_text(self, text: str, name: str = "study.yaml") -> Path:
        """Write a text file into the folder, byte for byte."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return path

    def files(self) -> dict[str, bytes]:
        """Read every file below the folder, by its relative path."""
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}

    def images(self) -> dict[str, bytes]:
        """Read every picture below the folder, by its relative path."""
        return {name: content for name, content in self.files().items() if name.endswith(".png")}

    def select(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Read rows from the job database, as an auditor would."""
        with closing(sqlite3.connect(f"file:{self.folder / 'batchgen.db'}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query, values)]

    def leaks(self, secret: str = CANARY) -> list[str]:
        """Name the files and outputs that hold the secret."""
        files = [name for name, content in self.files().items() if secret.encode() in content]
        return files + [text for text in self.said if secret in text]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """A simulator in a process of its own; it outlives every run that orders from it."""

    process: SimProcess

    @property
    def url(self) -> str:
        """Give the base URL for a manifest."""
        return self.process.url

    @property
    def port(self) -> int:
        """Give the port, so that a later simulator can take its place."""
        return int(self.url.rpartition(":")[2])

    @property
    def posts(self) -> int:
        """Count the orders that reached the vendor, billed or not."""
        return int(self.stats()["posts"])

    def stats(self) -> dict[str, Any]:
        """Give what the vendor has seen so far."""
        return self._get("/_sim/stats")

    def bill(self) -> list[dict[str, Any]]:
        """Give every line of the billing ledger."""
        return self._get("/_sim/ledger")

    def charges(self, marker: str = "") -> list[dict[str, Any]]:
        """Give the charges for prompts that hold the marker."""
        return [line for line in self.bill() if line["event"] == "charge" and marker in line["request"]["prompt"]]

    def _get(self, path: str) -> Any:
        with _DIRECT.open(self.url + path, timeout=30) as answer:
            return json.load(answer)


@contextmanager
def open_vendor(**terms: object) -> Iterator[Vendor]:
    """Start a vendor with small quick pictures and stop it afterwards."""
    usual: dict[str, object] = {"latency_s": 0.05, "fsync": False, "image_scale": 0.1}
    with start_in_child(SimOptions(**usual | terms)) as process:  # type: ignore[arg-type] # terms of any test
        yield Vendor(process=process)


def study(url: str, prompts: Sequence[object], **changes: object) -> dict[str, object]:
    """Give a small manifest that orders cheap pictures quickly; whole keys can be replaced or added."""
    return {
        "version": 1,
        "name": "study",
        "provider": {"use": "jimmyai", "base_url": url},
        "defaults": {"model": "gpt-image-2", "quality": "low"},
        "prompts": list(prompts),
        "output": {"dir": "out"},
        "limits": {"in_flight": 4},
        "retry": {"attempts": 5, "backoff": {"initial": "0.1s", "max": "1s"}},
        **changes,
    }


def wait_until(is_true: Callable[[], object], *, timeout_s: float = 30.0) -> None:
    """Return as soon as the condition holds; raise TimeoutError if it never does."""
    deadline = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError("the condition never came true")
        time.sleep(_LOOK_EVERY_S)


@dataclass(slots=True, kw_only=True)
class Host:
    """A web host on loopback, and what arrived there."""

    url: str
    answer: Callable[[Arrived], Answer]
    seen: list[Arrived] = field(default_factory=list)

    @property
    def orders(self) -> list[Arrived]:
        """Give the requests that can cost money: all POSTs but uploads."""
        return [request for request in self.seen if request.method == "POST" and not request.path.endswith("/files/upload")]


@contextmanager
def open_host(answer: Callable[[Arrived], Answer]) -> Iterator[Host]:
    """Serve what a function answers; a request stands among the seen ones before it is answered."""
    seen: list[Arrived] = []

    def noted(arrived: Arrived) -> Answer:
        seen.append(arrived)
        return answer(arrived)

    with serving(noted) as url:
        yield Host(url=url, answer=answer, seen=seen)


def envelope(data: object, *, code: object = 20000, msg: str = "ok") -> tuple[int, dict[str, str], bytes]:
    """Give JimmyAI's usual answer."""
    return 200, {"Content-Type": "application/json"}, json.dumps({"code": code, "msg": msg, "data": data}).encode()
