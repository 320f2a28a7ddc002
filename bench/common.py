"""Start the vendor, measure child processes and print tables: what the benchmark scripts share.

Everything measured is a child process, so that CPU and peak memory are its own. This module imports nothing heavy:
Linux lets a child inherit the peak RSS its parent had when it forked, so the parent has to stay small.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLIENT_CORE = 0
VENDOR_CORE = 1
TRIM_THRESHOLD_BYTES = 256 * 1024 * 1024
"""glibc gives freed heap back above this; its default can halve SQLite's write speed at random."""

ENVIRONMENT = os.environ | {
    "MALLOC_TRIM_THRESHOLD_": str(TRIM_THRESHOLD_BYTES),
    "PYTHONPATH": str(ROOT),
    "BENCH_KEY": "sk-bench",
    "NO_PROXY": "*",
}


class ChildFailedError(Exception):
    """Say which child ended badly, with the end of what it wrote to stderr."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one finished child process used, its own waited-for children included.

    `cpu_s` is user and system time. `peak_rss_mib` is that of the largest single process.
    """

    wall_s: float
    cpu_s: float
    peak_rss_mib: float
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the vendor did between two looks at it: requests answered, CPU seconds."""

    posts: int
    polls: int
    files: int
    busy_s: float

    def since(self, before: "Usage") -> "Usage":
        """Subtract an earlier look."""
        return Usage(
            posts=self.posts - before.posts,
            polls=self.polls - before.polls,
            files=self.files - before.files,
            busy_s=self.busy_s - before.busy_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """A running benchmark vendor."""

    url: str

    @property
    def port(self) -> int:
        """Return the port it listens on."""
        return int(self.url.rpartition(":")[2])

    def usage(self) -> Usage:
        """Ask the vendor for its counters."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", "/stats")
        usage = Usage(**json.load(connection.getresponse()))
        connection.close()
        return usage


def pin(core: int) -> None:
    """Keep this process and its future children on one core, where the system has it and allows it."""
    if hasattr(os, "sched_setaffinity"):
        with suppress(OSError):
            os.sched_setaffinity(0, {core})


@contextmanager
def vendor(*, latency_s: float, image_bytes: int = 65_536) -> Iterator[Vendor]:
    """Run a vendor process on its own core for the length of the block; it ends when its standard input closes."""
    options = ["--latency", str(latency_s), "--image-bytes", str(image_bytes), "--core", str(VENDOR_CORE)]
    command = [sys.executable, str(ROOT / "bench/vendor.py"), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101  # it is a pipe
        yield Vendor(url=process.stdout.readline().split()[-1])


def batchgen_command(*arguments: str) -> list[str]:
    """Return the command line of the installed `batchgen` beside this interpreter, or of this checkout."""
    script = Path(sys.executable).with_name("batchgen")
    start = [str(script)] if script.exists() else [sys.executable, "-c", "from batchgen.cli.main import main; main()"]
    return [*start, *arguments]


def measure(command: Sequence[str], *, cwd: Path = ROOT, code: int = 0) -> Measured:
    """Run a child to its end and return what it used.

    Raises ChildFailedError if it ends with another exit code than the expected one.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=cwd, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        stdout, stderr = out.read(), err.read()
    if process.returncode != code:
        raise ChildFailedError(f"{' '.join(command)}\nended with {process.returncode}:\n{stdout[-1000:]}{stderr[-3000:]}")
    return Measured(
        wall_s=wall_s,
        cpu_s=used.ru_utime + used.ru_stime,
        peak_rss_mib=used.ru_maxrss / 1024,
        stdout=stdout,
        stderr=stderr,
    )


def vendor_ceiling(url: str, *, jobs: int = 4_000, connections: int = 50) -> tuple[float, float]:
    """Return the jobs a second (POST, poll, file) a vendor with latency 0 serves, and the share of time it was busy.

    The load comes from plain blocking sockets, a request on each connection at a time, without any HTTP library.
    """
    server = Vendor(url=url)
    before = server.usage()
    lines = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(connections)]
    body = b'{"model":"gpt-image-2","prompt":"a red apple"}'
    post = b"POST /api/open-api/v1/images HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    started = time.perf_counter()
    for _ in range(jobs // connections):
        tasks = [json.loads(answer)["data"]["task_id"] for answer in _ask(lines, [post] * connections)]
        _ask(lines, [f"GET /api/open-api/v1/images/{task} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for task in tasks])
        _ask(lines, [f"GET /files/{task}.png HTTP/1.1\r\nHost: x\r\n\r\n".encode() for task in tasks])
    wall_s = time.perf_counter() - started
    for line in lines:
        line.close()
    done = server.usage().since(before)
    return done.posts / wall_s, done.busy_s / wall_s


def _ask(lines: Sequence[socket.socket], requests: Sequence[bytes]) -> list[bytes]:
    for line, request in zip(lines, requests, strict=True):
        line.sendall(request)
    return [_receive(line) for line in lines]


def _receive(line: socket.socket) -> bytes:
    received = line.recv(262_144)
    head, _, body = received.partition(b"\r\n\r\n")
    parts, missing = [body], int(head.rpartition(b"Content-Length: ")[2]) - len(body)
    while missing > 0:
        parts.append(line.recv(262_144))
        missing -= len(parts[-1])
    return b"".join(parts)


def filesystem_of(path: Path) -> str:
    """Name the type of the file system that holds a path; "unknown" where the system does not say."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return "unknown"
    entries = [line.split()[1:3] for line in mounts.read_text().splitlines()]
    held = [(mount, kind) for mount, kind in entries if path.resolve().is_relative_to(mount)]
    return max(held, key=lambda entry: len(entry[0]))[1]


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a title, the first column to the left and the others to the right."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    print(f"\n{title}")
    for row in [head, ["-" * width for width in widths], *rows]:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print("  ".join(cells).rstrip())
    sys.stdout.flush()
