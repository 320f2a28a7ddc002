"""The real HTTP client with short patience, closed whatever the test does, and whole downloads with it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from batchgen.api.client import HttpClient, Patience
from batchgen.api.endpoint import Endpoint
from batchgen.core.errors import BadImageError, DownloadError
from batchgen.core.ports import Fetched
from tests.support.rawserver import RawServer, Script, listening

KEY = "sk-canary-0123456789"
ABROAD = "https://api.viraltok.ai"


@contextlib.asynccontextmanager
async def connected(
    base_url: str,
    *,
    key: str = KEY,
    sync_base_url: str | None = None,
    submit_timeout_s: float = 10.0,
    download_timeout_s: float = 10.0,
    posts_at_once: int = 8,
    patience: Patience | None = None,
) -> AsyncIterator[HttpClient]:
    """Give a client for the base URL."""
    client = HttpClient(
        Endpoint(base_url=base_url, key=key, sync_base_url=sync_base_url, api_path="/api/open-api/v1"),
        submit_timeout_s=submit_timeout_s,
        download_timeout_s=download_timeout_s,
        user_agent="batchgen/test",
        posts_at_once=posts_at_once,
        patience=patience,
    )
    try:
        yield client
    finally:
        await client.close()


class Basket:
    """A sink that keeps what it gets."""

    def __init__(self, *, room: int = 1 << 30) -> None:
        self.chunks: list[bytes] = []
        self.room = room

    def write(self, chunk: bytes) -> None:
        """Take a chunk while there is room."""
        self.room -= len(chunk)
        if self.room < 0:
            raise BadImageError("too many bytes", reason="too_big")
        self.chunks.append(chunk)


def fetch_from(
    script: Script, path: str = "/out/1.png", *, basket: Basket | None = None, patience: Patience | None = None
) -> tuple[Fetched, Basket, RawServer]:
    """Download one file from a server beside the API."""
    sink = basket or Basket()

    async def run() -> tuple[Fetched, Basket, RawServer]:
        async with listening(script) as server, connected(server.url, patience=patience, download_timeout_s=5.0) as client:
            return await client.fetch(server.url + path, sink), sink, server

    return asyncio.run(run())


def failing_fetch(
    script: Script, *, patience: Patience | None = None, download_timeout_s: float = 5.0, url: Callable[[RawServer], str] | None = None
) -> tuple[DownloadError, RawServer]:
    """Download one file and fail."""

    async def run() -> tuple[DownloadError, RawServer]:
        async with (
            listening(script) as server,
            connected(server.url, patience=patience, download_timeout_s=download_timeout_s) as client,
        ):
            with pytest.raises(DownloadError) as caught:
                await client.fetch(url(server) if url else f"{server.url}/out/1.png?Signature=secret", Basket())
            return caught.value, server

    return asyncio.run(run())


def refused_abroad(url: str) -> DownloadError:
    """Ask a client whose API is on the public internet for a URL that it must not touch."""

    async def run() -> DownloadError:
        async with connected(ABROAD) as client:
            with pytest.raises(DownloadError) as caught:
                await client.fetch(url, Basket())
            return caught.value

    return asyncio.run(run())
