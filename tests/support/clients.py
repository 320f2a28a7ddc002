"""The real HTTP client with short patience, closed whatever the test does."""

import contextlib
from collections.abc import AsyncIterator

from batchgen.api.client import HttpClient, Patience

KEY = "sk-canary-0123456789"


@contextlib.asynccontextmanager
async def connected(
    base_url: str,
    *,
    key: str = KEY,
    submit_timeout_s: float = 10.0,
    download_timeout_s: float = 10.0,
    posts_at_once: int = 8,
    patience: Patience | None = None,
) -> AsyncIterator[HttpClient]:
    """Give a client for the base URL."""
    client = HttpClient(
        base_url,
        key,
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
