"""Tell somebody of a run by HTTP: one message to an address that the manifest names."""

import asyncio

import aiohttp
import httpx

from batchgen.api.addresses import Policy
from batchgen.api.guarded import admitted, bare_session, guarded_connector, unreached
from batchgen.core.errors import ExchangeError


def post_message(url: str, body: bytes, *, is_local: bool, user_agent: str, limit_s: float) -> None:
    """Send JSON, once, to an address of the user's choice; raise ExchangeError, which names no more of the address than its host.

    The address is judged and dialled like a download's, on loopback only if ``is_local``: without key or cookies, over no proxy, and no
    redirect is followed. Any status but 2xx is an error, and the answer is not read. For a thread without an event loop.
    """
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(_post(url, body, policy=Policy(loopback=is_local), user_agent=user_agent, limit_s=limit_s))
    finally:
        loop.close()  # asyncio.run would wait for a resolver that hangs


async def _post(url: str, body: bytes, *, policy: Policy, user_agent: str, limit_s: float) -> None:
    host, tls = "", httpx.create_ssl_context(trust_env=False)
    headers = {"User-Agent": user_agent, "Content-Type": "application/json"}
    try:
        target = admitted(url, policy)
        host = target.raw_host or ""
        async with (
            asyncio.timeout(limit_s),
            bare_session(guarded_connector(policy, tls), headers, connect_s=limit_s, idle_s=limit_s) as opened,
            opened.post(target, data=body, allow_redirects=False) as response,
        ):
            status = response.status
    except (aiohttp.ClientError, OSError) as error:
        failure: ExchangeError = unreached(error, host)
    else:
        if 200 <= status < 300:
            return
        failure = ExchangeError(f"{host}: HTTP {status}", host=host)
    raise failure
