"""Tests of signed file names."""

from urllib.parse import parse_qs

import pytest

from batchgen.sim.signing import Signer

NAME, NOW = "img_1-0.png", 1_790_000_000.0


def signed(signer: Signer, until: float) -> tuple[str, str]:
    """Return expiry and signature of a signed name."""
    query = parse_qs(signer.query(NAME, until))
    return query["Expires"][0], query["Signature"][0]


def test_a_signature_holds_until_it_expires() -> None:
    """It is good for its time and for its name."""
    signer = Signer(0)
    parts = signed(signer, NOW + 10)

    fresh, other, late = signer.opens(NAME, *parts, NOW), signer.opens("img_2-0.png", *parts, NOW), signer.opens(NAME, *parts, NOW + 11)

    assert (fresh, other, late) == (True, False, False)


@pytest.mark.parametrize(("expires", "signature"), [("", ""), ("junk", "é"), ("99999999999", "AAAA"), ("\ud800", "\ud800")])
def test_a_forged_signature_is_refused(expires: str, signature: str) -> None:
    """Nothing but the vendor's own signature opens a file."""
    assert not Signer(0).opens(NAME, expires, signature, NOW)


def test_a_signature_survives_a_restart() -> None:
    """Two servers of one seed trust each other's URLs, those of another seed do not."""
    parts = signed(Signer(5), NOW + 10)

    assert Signer(5).opens(NAME, *parts, NOW)
    assert not Signer(6).opens(NAME, *parts, NOW)
