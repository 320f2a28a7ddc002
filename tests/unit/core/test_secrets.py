"""How secrets may be written, and what is left out of a stranger's words."""

from base64 import b64encode, urlsafe_b64encode

from hypothesis import given
from hypothesis import strategies as st

from batchgen.core.secrets import spellings, without_queries


@given(st.binary(max_size=5), st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4), st.binary(max_size=5))
def test_a_secret_is_found_in_base64_whatever_stands_around_it(before: bytes, secret: str, after: bytes) -> None:
    """In both alphabets, and at each place in the groups of three."""
    data = before + secret.encode() + after

    for text in (b64encode(data).decode(), urlsafe_b64encode(data).decode()):
        assert any(spelling in text for spelling in spellings(secret))


def test_a_secret_is_found_plain_and_percent_quoted() -> None:
    """As it stands in a header, and in an address."""
    assert {"a+b/c=", "a%2Bb%2Fc%3D"} <= spellings("a+b/c=")


def test_words_keep_host_and_path_of_an_address() -> None:
    """The query goes, wherever it ends; a question is no query."""
    assert "really? see https://cdn.example/a.png?… now" == without_queries("really? see https://cdn.example/a.png?Expires=1&Sig=x now")
