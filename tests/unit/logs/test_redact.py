"""What may never be read in a log, and what must stay readable."""

import json
from collections.abc import Collection
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.logs import Redactor, one_line

CANARY = "canary-7f3a9b+/="


@pytest.fixture(scope="module")
def redact() -> Redactor:
    """Give a redactor that knows one key."""
    return Redactor([CANARY, "", " ", "abc"])


@pytest.mark.parametrize(
    "text",
    [
        CANARY,
        f"key={CANARY};",
        "canary-7f3a9b%2B%2F%3D",
        "Y2FuYXJ5LTdmM2E5YisvPQ==",
        f"Authorization: Bearer {CANARY}",
    ],
)
def test_known_secret_goes_wherever_it_stands(redact: Redactor, text: str) -> None:
    """Plain, percent-quoted or in base64, the secret is not in the text any more."""
    found = redact.text(text)

    assert text != found
    assert "canary" not in found
    assert "Y2FuYXJ5" not in found
    assert "[redacted]" in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer [redacted]"),
        ("authorization: bearer%20xyz", "authorization: bearer%20[redacted]"),
        ("Basic dXNlcjpwYXNzd29yZA==, x", "Basic [redacted], x"),
        ("basic shapes on a table", "basic shapes on a table"),
        ("key sk-proj_AbC-123456 used", "key sk-[redacted] used"),
        ("key SK_live_99887766", "key SK_[redacted]"),
        ("a risk-free task_123456", "a risk-free task_123456"),
        ("https://cdn.example/a/b.png?Expires=1&Signature=x y", "https://cdn.example/a/b.png?… y"),
        ("https://cdn.example/a#token=1", "https://cdn.example/a#…"),
        ("/files/b.png?Signature=abc", "/files/b.png?…"),
        ("really? yes", "really? yes"),
        ("http://user:p4ss@proxy:3128/", "http://[redacted]@proxy:3128/"),
        ("postgresql+psycopg://me:p/w@db.example/x", "postgresql+psycopg://[redacted]@db.example/x"),
        ("postgresql://me:p@w@db.example/x", "postgresql://[redacted]@db.example/x"),
        ("postgresql://me:p?w@db.example/x?ssl=1", "postgresql://[redacted]@db.example/x?…"),
        ("https://host:8443/@user/x", "https://host:8443/@user/x"),
        ("http://key@proxy/X/a.png", "http://[redacted]@proxy/X/a.png"),
        ("http://a@[::1]:80/x", "http://[redacted]@[::1]:80/x"),
        ("http://[::1]:x/@y", "http://[::1]:x/@y"),
        ("http://[::1]:8080/a?b=c", "http://[::1]:8080/a?…"),
        ("see <https://a.example/x?y=z>", "see <https://a.example/x?…>"),
        ("image data:image/png;base64,iVBORw0KGgo= end", "image data:image/png;base64,[34 characters] end"),
        ("x " + "QUJD" * 60 + "=", "x [241 characters of base64]"),
    ],
)
def test_unknown_secrets_go_by_their_shape(redact: Redactor, text: str, expected: str) -> None:
    """Tokens, user names, passwords, signatures and image bodies are recognised without being known."""
    assert expected == redact.text(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b]52;c;eA==\x07", r"\x1b]52;c;eA==\x07"),
        ("a\rb\0c\x7f\x9b", r"a\rb\x00c\x7f\x9b"),
        ("abc\u202egnp.exe", r"abc\u202egnp.exe"),
        ("\u2066x\u2069\u200b\ufeff", r"\u2066x\u2069\u200b\ufeff"),
        ("half \ud800 pair", r"half \ud800 pair"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("Füchse 狐 🦊", "Füchse 狐 🦊"),
    ],
)
def test_control_and_direction_characters_are_shown_escaped(redact: Redactor, text: str, expected: str) -> None:
    """What could steer a terminal is visible instead; ordinary text of any script stays."""
    assert expected == redact.text(text)


def test_one_line_escapes_line_breaks_too() -> None:
    """A value shown on a line cannot begin another."""
    assert one_line("a\nb\tc\u2028d") == r"a\nb\tc\u2028d"


def test_every_nested_value_is_redacted(redact: Redactor) -> None:
    """Mappings, sequences, bytes, paths and exceptions hide nothing, and the result is JSON."""
    found = redact.value(
        {
            CANARY: 1,
            "list": [CANARY, (f"x{CANARY}", {CANARY})],
            "bytes": [b"\xff" + CANARY.encode(), bytearray(CANARY.encode())],
            "path": Path("/tmp") / CANARY.replace("/", ""),
            "error": ValueError(f"bad {CANARY}"),
            "numbers": [1, 2.5, True, None, Decimal("0.10")],
        }
    )

    text = json.dumps(found)
    assert CANARY not in text
    assert json.loads(text)["error"] == "ValueError: bad [redacted]"
    assert json.loads(text)["numbers"] == [1, 2.5, True, None, "0.10"]
    assert json.loads(text)["bytes"] == [r"\xff[redacted]", "[redacted]"]


@pytest.mark.parametrize("name", ["Authorization", "api_key", "X-API-Key", "password", "Set-Cookie"])
def test_field_with_a_telling_name_hides_its_text(redact: Redactor, name: str) -> None:
    """A secret of unknown shape under a known name is hidden; a variable's name is not a secret."""
    assert {name: "[redacted]", "api_key_env": "MY_KEY"} == redact.value({name: "x1", "api_key_env": "MY_KEY"})


@pytest.mark.parametrize("name", ["passwd", "client_secret", "apikey"])
def test_a_telling_name_hides_bytes_too_and_no_number(redact: Redactor, name: str) -> None:
    """Text of either kind may be a secret, a count is none."""
    assert {name: "[redacted]"} == redact.value({name: b"x1"})
    assert {name: 3} == redact.value({name: 3})


def test_a_secret_of_four_characters_is_one() -> None:
    """Three could be part of any word."""
    assert Redactor(["abcd", "xyz"]).text("abcd xyz") == "[redacted] xyz"


@pytest.mark.parametrize("kind", [list, tuple, set, frozenset])
def test_a_collection_of_any_kind_is_shown_as_a_list(redact: Redactor, kind: type[Collection[str]]) -> None:
    """Its items are values of their own, not words of one text."""
    assert ["key=[redacted]"] == redact.value(kind([f"key={CANARY}"]))


def test_what_is_nested_deeper_than_eight_levels_is_left_out(redact: Redactor) -> None:
    """Eight lists or mappings are shown, the ninth is not."""
    nested: object = "deep"
    for _ in range(8):
        nested = [nested]

    assert '[[[[[[[["deep"]]]]]]]]' == json.dumps(redact.value(nested))
    assert '[[[[[[[["…"]]]]]]]]' == json.dumps(redact.value([nested]), ensure_ascii=False)

    named: object = "deep"
    for _ in range(8):
        named = {"a": named}

    assert named == redact.value(named)
    assert '{"a": ' * 8 + '"…"' + "}" * 8 == json.dumps(redact.value({"a": named}), ensure_ascii=False)


def test_values_that_contain_themselves_end(redact: Redactor) -> None:
    """A cycle is cut where it is eight levels deep."""
    cycle: list[object] = []
    cycle.append(cycle)

    assert "…" in json.dumps(redact.value(cycle), ensure_ascii=False)


def test_secrets_that_hold_each_other_are_hidden_whole() -> None:
    """The longer secret goes first, so none of it is left over."""
    assert Redactor(["secret", "secret-and-more"]).text("secret-and-more") == "[redacted]"


@given(st.text(), st.text())
def test_no_text_around_a_secret_protects_it(before: str, after: str) -> None:
    """Whatever surrounds it, the known secret does not come out."""
    assert CANARY not in Redactor([CANARY]).text(before + CANARY + after)
