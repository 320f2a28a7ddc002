"""Where a download may go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.api.addresses import Policy
from batchgen.core.hosts import is_loopback_host, is_public

ABROAD = Policy(loopback=False)
AT_HOME = Policy(loopback=True)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.5.5",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "240.0.0.1",
        "192.0.2.1",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "2001:db8::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2002:808:808::",
        "2001::1",
        "2130706433",
        "0x7f.1",
        "127.1",
        "169.254.43518",
        "010.0.0.1",
        "①②⑦.⓪.⓪.①",
        "",
        "example.com",
    ],
)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    """Private, local, shared, wrapped and oddly spelt addresses are none of the public internet."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_pass(address: str) -> None:
    """A storage host on the public internet can be reached, through NAT64 too."""
    assert is_public(address)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "::1"])
def test_loopback_is_known_without_a_resolver(host: str) -> None:
    """The names of this machine are a short list."""
    assert is_loopback_host(host)


@pytest.mark.parametrize("host", ["localhost.", "localhost.evil.com", "127.1", "2130706433", "10.0.0.1", "", "::2"])
def test_look_alikes_are_not_loopback(host: str) -> None:
    """Nothing but the short list counts."""
    assert not is_loopback_host(host)


@pytest.mark.parametrize(
    ("scheme", "host", "port", "has_user"),
    [
        ("http", "cdn.example.net", 80, False),
        ("ftp", "cdn.example.net", 443, False),
        ("file", "", None, False),
        ("", "cdn.example.net", None, False),
        ("https", "cdn.example.net", 22, False),
        ("https", "cdn.example.net", 8443, False),
        ("https", "cdn.example.net", None, False),
        ("https", "cdn.example.net", 443, True),
        ("http", "127.0.0.1", 80, False),
        ("https", "2130706433", 443, False),
        ("https", "127.1", 443, False),
        ("https", "127.0.0.1.", 443, False),
        ("https", "0X7f.1", 443, False),
        ("https", "cdn.0x7", 443, False),
    ],
)
def test_policy_objects_to_odd_urls(scheme: str, host: str, port: int | None, has_user: bool) -> None:
    """Only https on the two web ports, without a user name, may leave."""
    assert ABROAD.objection(scheme=scheme, host=host, port=port, has_user=has_user)


@pytest.mark.parametrize("policy", [ABROAD, AT_HOME])
def test_policy_admits_https_in_public(policy: Policy) -> None:
    """The usual result URL passes, with an API on loopback too."""
    assert policy.objection(scheme="https", host="cdn.example.net", port=443, has_user=False) is None


def test_policy_admits_any_port_on_loopback_only_at_home() -> None:
    """An API on loopback may serve its images beside itself."""
    assert AT_HOME.objection(scheme="http", host="127.0.0.1", port=9000, has_user=False) is None
    assert AT_HOME.objection(scheme="ftp", host="127.0.0.1", port=21, has_user=False)
    assert AT_HOME.objection(scheme="http", host="127.0.0.1", port=9000, has_user=True)
    assert AT_HOME.objection(scheme="http", host="cdn.example.net", port=80, has_user=False)


def test_policy_keeps_local_names_local_and_others_public() -> None:
    """A public name that resolves inwards is refused even at home, and a local one may not lead outwards."""
    assert AT_HOME.allows("localhost", "127.0.0.1")
    assert AT_HOME.allows("cdn.example.net", "8.8.8.8")
    assert not AT_HOME.allows("localhost", "8.8.8.8")
    assert not AT_HOME.allows("rebound.example.net", "127.0.0.1")
    assert not ABROAD.allows("localhost", "127.0.0.1")


def test_policy_opens_no_socket_into_private_networks() -> None:
    """The last gate knows nothing of names."""
    assert AT_HOME.allows_socket("127.0.0.1")
    assert AT_HOME.allows_socket("8.8.8.8")
    assert not AT_HOME.allows_socket("10.0.0.1")
    assert not ABROAD.allows_socket("127.0.0.1")


@given(st.text() | st.ip_addresses().map(str))
def test_judging_never_raises(text: str) -> None:
    """Any text is public, loopback or neither."""
    assert not (is_public(text) and is_loopback_host(text))
