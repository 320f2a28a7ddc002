"""Hosts of addresses: which are this machine, which the public internet, which are written to deceive. Pure, and asks no resolver."""

import re
import unicodedata
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

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


def is_oddly_spelt(host: str) -> bool:
    """Say whether a host is no address by the book, but one that resolvers read as such: ``127.1``, ``0x7f.1``, ``2130706433``."""
    return _address(host) is None and _ODD_NUMBER.fullmatch(unicodedata.normalize("NFKC", host)) is not None


def is_public_host(host: str) -> bool:
    """Say whether a host can be one of the public internet: a public address, or a name of several parts that is no address in disguise."""
    if _address(host) is not None:
        return is_public(host)
    return "." in host.strip(".") and not is_oddly_spelt(host)


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
