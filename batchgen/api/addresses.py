"""Where a download may go. Pure: it judges names and addresses, and opens nothing.

A result's URL comes from outside, so it must not be able to reach into the network batchgen runs in. Names are judged twice: by what the
URL says, and by every address the name resolves to. The one exception: while the API itself is on loopback, so may its images be.
"""

from dataclasses import dataclass
from typing import Final

from batchgen.core.hosts import is_loopback_host, is_oddly_spelt, is_public

MAX_URL_CHARS: Final = 8192

_WEB_PORTS: Final = frozenset({80, 443})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the downloads of one run may reach; ``loopback`` is true only while the API itself is on loopback."""

    loopback: bool

    def objection(self, *, scheme: str, host: str | None, port: int | None, has_user: bool) -> str | None:
        """Say what is wrong with a URL's parts, or None; its addresses are judged later, by ``allows``."""
        if not host or has_user:
            return "the URL has no host" if not host else "the URL carries a user name"
        if is_oddly_spelt(host):
            return "the URL's address is oddly spelt"
        if self._is_local(host):
            return None if scheme in {"http", "https"} else f"scheme {scheme!r} is not allowed"
        if scheme != "https":
            return f"scheme {scheme!r} is not allowed"
        return None if port in _WEB_PORTS else f"port {port} is not allowed"

    def allows(self, host: str, address: str) -> bool:
        """Say whether a host of a URL may be dialled at an address: a local name only on loopback, all others only in public."""
        return is_loopback_host(address) if self._is_local(host) else is_public(address)

    def allows_socket(self, address: str) -> bool:
        """Say whether any URL at all may lead to the address."""
        return is_public(address) or (self.loopback and is_loopback_host(address))

    def _is_local(self, host: str) -> bool:
        return self.loopback and is_loopback_host(host)
