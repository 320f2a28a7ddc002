"""Addresses of object storages: one spelling each, and no secret in any."""

import pytest

from batchgen.core.places import ObjectPlace, is_address


@pytest.mark.parametrize(
    ("written", "address", "prefix"),
    [
        ("s3://pictures", "s3://pictures", ""),
        ("s3://pictures/", "s3://pictures", ""),
        ("gs://my.pictures/füchse/2026", "gs://my.pictures/füchse/2026", "füchse/2026"),
        ("az://container/a/", "az://container/a", "a"),
    ],
)
def test_address_has_one_spelling(written: str, address: str, prefix: str) -> None:
    """Two manifests that mean the same place share it."""
    place = ObjectPlace.parse(written)

    assert (address, prefix) == (place.address, place.prefix)
    assert is_address(address)


@pytest.mark.parametrize(
    ("written", "word"),
    [
        ("http://pictures/x", "no object storage"),
        ("s3://key:hush@pictures/x", "environment"),
        ("s3://pictures/x?sig=hush", "environment"),
        ("s3://pictures/x#hush", "environment"),
        ("s3:///x", "bucket's name"),
        ("s3://A_B/x", "bucket's name"),
        ("s3://pictures/a//b", "prefix"),
        ("s3://pictures/../b", "prefix"),
    ],
)
def test_what_no_storage_has_is_refused_with_a_reason(written: str, word: str) -> None:
    """The sentence says what to write, and quotes nothing that may be a secret."""
    with pytest.raises(ValueError, match=word) as caught:
        ObjectPlace.parse(written)

    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("folder", ["out", "/data/out", "s3:/pictures", "C:/out"])
def test_folder_is_no_address(folder: str) -> None:
    """Folders stay what they were."""
    assert not is_address(folder)
