"""Run the bare loops that batchgen is compared with: POST, poll, download, write a file, and nothing else.

No database, no resume, no checks beyond the PNG signature: this is the least a client can do.

    python bench/loops.py aiohttp --url http://127.0.0.1:8080 --jobs 2000 --latency 1.0 --out /tmp/pictures
    python bench/loops.py httpx --url http://127.0.0.1:8080 --latency 0 --fsync --out /tmp/pictures

`aiohttp` and `httpx` are those libraries as they come. `mixed` is the client DESIGN.md gives batchgen: polls and
downloads through httpx over aiohttp's connections, the paid POST through httpx's own pool of eight.
It prints one JSON object: jobs_s and wall_s count from the first request to the last file, CPU and RSS are the whole
process's own.
"""

import argparse
import asyncio
import json
import os
import resource
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

POLL_EVERY_S = 0.05
POST_CONNECTIONS = 8
HEADERS = {"Authorization": "Bearer sk-bench"}
TIMEOUT_S = 60.0


class Client(Protocol):
    """Send one request and return what came back; each HTTP library below gives these three calls."""

    async def post(self, url: str, body: dict[str, str]) -> dict[str, Any]:
        """Create a task."""

    async def query(self, url: str) -> dict[str, Any]:
        """Ask for a task."""

    async def download(self, url: str) -> bytes:
        """Fetch a file."""


class AiohttpClient:
    """Use one aiohttp session."""

    def __init__(self, session: Any) -> None:  # the library is imported only by the loop that uses it
        self._session = session

    async def post(self, url: str, body: dict[str, str]) -> dict[str, Any]:
        """Create a task."""
        async with self._session.post(url, json=body, headers=HEADERS) as response:
            return dict(await response.json())

    async def query(self, url: str) -> dict[str, Any]:
        """Ask for a task."""
        async with self._session.get(url, headers=HEADERS) as response:
            return dict(await response.json())

    async def download(self, url: str) -> bytes:
        """Fetch a file."""
        async with self._session.get(url) as response:
            return bytes(await response.read())


class HttpxClient:
    """Use one httpx client for creating tasks and one, perhaps the same, for the rest."""

    def __init__(self, posts: Any, gets: Any) -> None:  # the library is imported only by the loop that uses it
        self._posts = posts
        self._gets = gets

    async def post(self, url: str, body: dict[str, str]) -> dict[str, Any]:
        """Create a task."""
        return dict((await self._posts.post(url, json=body, headers=HEADERS)).json())

    async def query(self, url: str) -> dict[str, Any]:
        """Ask for a task."""
        return dict((await self._gets.get(url, headers=HEADERS)).json())

    async def download(self, url: str) -> bytes:
        """Fetch a file."""
        return bytes((await self._gets.get(url)).content)


@asynccontextmanager
async def aiohttp_client(in_flight: int) -> AsyncIterator[Client]:
    """Open an aiohttp session with as many connections as jobs in flight."""
    import aiohttp  # noqa: PLC0415  # the other loops must not carry its memory

    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    connector = aiohttp.TCPConnector(limit=in_flight)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield AiohttpClient(session)


@asynccontextmanager
async def httpx_client(in_flight: int) -> AsyncIterator[Client]:
    """Open an httpx client with as many connections as jobs in flight."""
    import httpx  # noqa: PLC0415  # the other loops must not carry its memory

    limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    async with httpx.AsyncClient(limits=limits, timeout=TIMEOUT_S, trust_env=False) as client:
        yield HttpxClient(client, client)


@asynccontextmanager
async def mixed_client(in_flight: int) -> AsyncIterator[Client]:
    """Open httpx twice: its own small pool for the POST, aiohttp's connections for the rest."""
    import httpx  # noqa: PLC0415  # the other loops must not carry its memory
    import httpx_aiohttp  # noqa: PLC0415  # as above

    few = httpx.Limits(max_connections=POST_CONNECTIONS, max_keepalive_connections=POST_CONNECTIONS)
    many = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    transport = httpx_aiohttp.AiohttpTransport(limits=many)
    async with (
        httpx.AsyncClient(limits=few, timeout=TIMEOUT_S, trust_env=False) as posts,
        httpx.AsyncClient(transport=transport, timeout=TIMEOUT_S, trust_env=False) as gets,
    ):
        yield HttpxClient(posts, gets)


CLIENTS = {"aiohttp": aiohttp_client, "httpx": httpx_client, "mixed": mixed_client}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Know how one job is done: where, how long its task takes, where the file goes."""

    api: str
    latency_s: float
    out: Path
    fsync: bool

    async def run(self, client: Client, number: int) -> None:
        """Buy one picture and write it to disk."""
        body = {"model": "gpt-image-2", "prompt": f"A lighthouse at dusk, study number {number}"}
        task_id = (await client.post(self.api, body))["data"]["task_id"]
        await asyncio.sleep(self.latency_s)
        while (task := (await client.query(f"{self.api}/{task_id}"))["data"])["status"] != "completed":  # noqa: ASYNC110  # asks over HTTP
            await asyncio.sleep(POLL_EVERY_S)
        content = await client.download(task["result"]["image_url"])
        path = self.out / f"{task_id}.png"
        if self.fsync:
            await asyncio.to_thread(write_file, path, content, fsync=True)
        else:
            write_file(path, content, fsync=False)


def write_file(path: Path, content: bytes, *, fsync: bool) -> None:
    """Write a picture, and with `fsync` wait until the disk has it."""
    if not content.startswith(b"\x89PNG"):
        raise ValueError(f"not a PNG: {content[:60]!r}")
    with path.open("wb") as file:
        file.write(content)
        if fsync:
            file.flush()
            os.fsync(file.fileno())


async def run_all(job: Job, kind: str, *, jobs: int, in_flight: int) -> float:
    """Run all jobs, `in_flight` at a time, and return the seconds from the first request to the last file."""
    slots = asyncio.Semaphore(in_flight)

    async def run_one(number: int) -> None:
        async with slots:
            await job.run(client, number)

    async with CLIENTS[kind](in_flight) as client:
        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(jobs):
                group.create_task(run_one(number))
        return time.perf_counter() - started


def main() -> None:
    """Read the options, run one loop and print its figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("--url", required=True, help="the vendor's address")
    parser.add_argument("--jobs", type=int, default=2_000)
    parser.add_argument("--in-flight", type=int, default=100)
    parser.add_argument("--latency", type=float, default=1.0, help="the vendor's task latency: wait it, then poll")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--fsync", action="store_true", help="wait for the disk after each picture")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    api = f"{options.url}/api/open-api/v1/images"
    job = Job(api=api, latency_s=options.latency, out=options.out, fsync=options.fsync)
    wall_s = asyncio.run(run_all(job, options.client, jobs=options.jobs, in_flight=options.in_flight))
    used = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "jobs_s": options.jobs / wall_s,
        "wall_s": wall_s,
        "cpu_ms_per_job": 1_000 * (used.ru_utime + used.ru_stime) / options.jobs,
        "peak_rss_mib": used.ru_maxrss / 1_024,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
