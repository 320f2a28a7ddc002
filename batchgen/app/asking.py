"""Ask a vendor free questions, in a run or without one: prices and the account's money."""

import asyncio
import re
from collections.abc import Sequence
from threading import Thread
from typing import Final

from batchgen.api.endpoint import Endpoint
from batchgen.core.dialects import Call, Reply
from batchgen.core.errors import ExchangeError, InputError
from batchgen.core.ports import Client

Answers = Sequence[Reply] | ExchangeError | InputError
"""The replies in the order of the calls, or why there are none."""

RUN_PATIENCE_S: Final = 15.0
"""How long a run waits for prices or the account before it goes on without."""
_CONNECT_S: Final = 3.0
_CLASS: Final = re.compile(r"[a-z ]*error(?: \((?P<system>.*)\))?")
"""What the client says: an error's class in words, and the system's own words where there are any."""


def ask(endpoint: Endpoint, calls: Sequence[Call], *, user_agent: str, patience_s: float) -> Answers:
    """Send the calls one after the other and give their replies; never take longer than ``patience_s``, whatever the network does."""
    found: list[Answers] = []
    # A resolver that hangs cannot be interrupted; in a thread that ends with the process it holds up nobody.
    thread = Thread(target=lambda: found.append(_asked(endpoint, calls, user_agent, patience_s)), name="asking", daemon=True)
    thread.start()
    thread.join(patience_s)
    return found[0] if found else ExchangeError(f"no answer within {patience_s:g} s")


async def replies(client: Client, calls: Sequence[Call], *, patience_s: float = RUN_PATIENCE_S) -> Sequence[Reply] | ExchangeError:
    """Send the calls one after the other over a client that is open already, in ``patience_s`` altogether."""
    try:
        async with asyncio.timeout(patience_s):
            return [await client.ask(call) for call in calls]
    except ExchangeError as error:
        return error
    except TimeoutError:
        return ExchangeError(f"no answer within {patience_s:g} s")


def reason(error: ExchangeError | InputError) -> str:
    """Say in plain words why there are no replies, without the host's name and without a library's class."""
    host = error.host if isinstance(error, ExchangeError) else ""
    told = str(error).removeprefix(f"{host}: ")
    named = _CLASS.fullmatch(told)
    if named is None:
        return told
    return named["system"] or ("no answer in time" if "timeout" in told else "the connection broke off")


def _asked(endpoint: Endpoint, calls: Sequence[Call], user_agent: str, patience_s: float) -> Answers:
    from batchgen.api.client import HttpClient, Patience  # noqa: PLC0415 - slow to import, and commands that only look do not need it

    async def talk() -> Sequence[Reply] | ExchangeError:
        client = HttpClient(
            endpoint, submit_timeout_s=1.0, download_timeout_s=1.0, user_agent=user_agent, patience=Patience(connect_s=_CONNECT_S)
        )
        try:
            return await replies(client, calls, patience_s=patience_s)
        finally:
            await client.close()

    try:
        return asyncio.run(talk())
    except InputError as error:
        return error
