"""Where a download may go. Pure: it judges names and addresses, and opens nothing.

A result's URL comes from outside, so it must not be able to reach into the network batchgen runs in. Names are judged twice: by what the
URL says, and by every address the name resolves to. The one exception: while the API itself is on loopback, so may its images be.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

MAX_URL_CHARS: Final = 8192

_WEB_PORTS: Final = frozenset({80, 443})
_DENIED: Final = tuple(
    ip_network(text)
    for text in (
        "168.63.129.16/32",  # a cloud's own metadata address inside public space
        "100.64.0.0/10",  # carrier-grade NAT
        "2002::/16",  # 6to4: an IPv4 address in disguise, private ones included
        "2001::/32",  # Teredo, as 6to4
        "fec0::/10",  # site-local, retired but routed in places
    )
)
_ODD_NUMBER: Final = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)\.?", re.IGNORECASE)
_NAT64: Final = ip_network("64:ff9b::/96")


def is_loopback_host(host: str) -> bool:
    """Say whether a URL's host names this machine without asking a resolver: ``localhost``, 127.0.0.0/8 or ::1."""
    address = _address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def is_public(text: str) -> bool:
    """Say whether a textual IP address belongs to the public internet; odd spellings do not count as addresses."""
    address = _address(text)
    if address is None or not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return not any(address in network for network in _DENIED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the downloads of one run may reach; ``loopback`` is true only while the API itself is on loopback."""

    loopback: bool

    def objection(self, *, scheme: str, host: str | None, port: int | None, has_user: bool) -> str | None:
        """Say what is wrong with a URL's parts, or None; its addresses are judged later, by ``allows``."""
        if not host or has_user:
            return "the URL has no host" if not host else "the URL carries a user name"
        if _address(host) is None and _ODD_NUMBER.fullmatch(host):
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


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address in its one canonical spelling and unwrap an IPv4 address that travels inside IPv6."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address
