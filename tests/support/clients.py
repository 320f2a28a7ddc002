"""The real HTTP client with short patience, closed whatever the test does."""

import contextlib
from collections.abc import AsyncIterator

from batchgen.api.client import HttpClient, Patience
from batchgen.api.endpoint import Endpoint

KEY = "sk-canary-0123456789"


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
