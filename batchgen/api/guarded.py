"""Reach addresses that somebody else named, a vendor or a manifest, and only where ``addresses.Policy`` allows.

An address is judged as it is written, as it resolves, and once more when its socket is made.
"""

import re
import socket
import ssl
from collections.abc import Mapping
from typing import Final

import aiohttp
from yarl import URL

from batchgen.api.addresses import MAX_URL_CHARS, Policy
from batchgen.api.failures import causes, told
from batchgen.core.errors import DownloadError

CONNECTIONS: Final = 32
"""Connections of one session; further calls wait their turn."""

_READ_BUFFER_BYTES: Final = 1 << 18
_VERBATIM: Final = re.compile(r"[A-Za-z0-9!#$%&'()*+,\-./:;=?@\[\]_~]+")


class _ForbiddenAddressError(OSError):
    """A download wanted to reach the named host, which the policy refuses. An OSError, because aiohttp lets only those through."""


class _GuardedResolver(aiohttp.ThreadedResolver):
    """Resolve a name once and refuse it when any of its addresses is refused."""

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self._policy = policy

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[aiohttp.abc.ResolveResult]:
        found = await super().resolve(host, port, family)
        if not all(self._policy.allows(host, result["host"]) for result in found):
            raise _ForbiddenAddressError(host)
        return found


def admitted(url: str, policy: Policy) -> URL:
    """Read a URL as it will be dialled, or raise DownloadError when the policy objects to what it says."""
    target = read_url(url)
    if target is None:
        raise DownloadError("the URL cannot be read", forbidden=True)
    host = target.raw_host or ""
    objection = policy.objection(scheme=target.scheme, host=host, port=target.port, has_user="@" in target.raw_authority)
    if objection is not None:
        raise DownloadError(f"{host}: {objection}", host=host, forbidden=True)
    return target


def unreached(error: Exception, host: str) -> DownloadError:
    """Say why a host was not reached; a redirect may have led elsewhere, so a refused host is the one to name."""
    refused = next((str(cause) for cause in causes(error) if isinstance(cause, _ForbiddenAddressError)), None)
    sentence = f"{host}: {told(error)}" if refused is None else f"{refused}: its address is not public"
    return DownloadError(sentence, host=refused or host, forbidden=refused is not None)


def guarded_connector(policy: Policy, tls: ssl.SSLContext) -> aiohttp.TCPConnector:
    """Give connections that lead only where the policy allows."""

    def guarded_socket(info: aiohttp.AddrInfoType) -> socket.socket:
        """Open a socket: the last gate, which addresses written into a URL pass without the resolver."""
        family, kind, protocol, _, address = info
        if not policy.allows_socket(str(address[0])):
            raise _ForbiddenAddressError(address[0])
        return socket.socket(family=family, type=kind, proto=protocol)

    return aiohttp.TCPConnector(limit=CONNECTIONS, ssl=tls, resolver=_GuardedResolver(policy), socket_factory=guarded_socket)


def bare_session(connector: aiohttp.TCPConnector, headers: Mapping[str, str], *, connect_s: float, idle_s: float) -> aiohttp.ClientSession:
    """Give a session without cookies, proxies or unpacking; ``idle_s`` is how long a read may bring nothing."""
    return aiohttp.ClientSession(
        connector=connector,
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        read_bufsize=_READ_BUFFER_BYTES,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_s, sock_read=idle_s),
    )


def read_url(text: str) -> URL | None:
    """Read a URL without changing a character of it, as signatures demand; only one with illegal characters is quoted."""
    if len(text) > MAX_URL_CHARS or not text.isprintable():
        return None
    try:
        url = URL(text, encoded=_VERBATIM.fullmatch(text) is not None)
        _ = url.port  # asked for here, because a bad authority raises only when it is
    except ValueError:
        return None
    return url


def joined(base: URL, place: str) -> str:
    """Give the absolute URL of a redirect, or an empty text when it cannot be read."""
    relative = read_url(place)
    return "" if relative is None else str(base.join(relative))
