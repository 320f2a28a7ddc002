"""Lines for terminals of 80 columns."""

import pytest

from batchgen.cli.output import columns_of, table, wrapped


def test_a_short_line_stays_as_it_is() -> None:
    """Blanks inside are kept."""
    assert ["  prompt     a  fox"] == wrapped("  prompt     a  fox")
    assert [""] == wrapped("")


def test_a_long_line_is_broken_between_words() -> None:
    """What follows hangs below, four columns further in; no word is lost."""
    text = "  warning: " + " ".join(f"word-{number}" for number in range(30))

    lines = wrapped(text)

    assert max(map(columns_of, lines)) <= 80
    assert all(line.startswith("      word") for line in lines[1:])
    assert text.split() == " ".join(lines).split()


def test_wide_characters_count_twice() -> None:
    """Forty of them fill a line."""
    assert 2 == len(wrapped("狐" * 30 + " " + "鷺" * 20))


def test_a_word_that_is_too_long_stands_whole() -> None:
    """A path or an address can be copied."""
    path = "/images/" + "x" * 100

    assert ["look at", f"    {path}", "    now"] == wrapped(f"look at {path} now")


def test_an_empty_cell_keeps_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    """What stands behind it stays under its head."""
    table(["KEY", "REASON", "CELL"], [["3f2a", "", "1x1"]])

    assert ["KEY   REASON  CELL", "3f2a          1x1"] == capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("fox", 3),
        ("狐狸", 4),
        ("e\N{COMBINING ACUTE ACCENT}", 1),
        ("ก\N{THAI CHARACTER MAI HAN-AKAT}", 1),
        ("🦊", 2),
        ("❤\ufe0f", 2),
    ],
)
def test_columns_are_those_of_a_terminal(text: str, columns: int) -> None:
    """Wide characters and emoji take two, marks upon a letter none."""
    assert columns == columns_of(text)


def test_a_table_stays_aligned_whatever_its_cells_hold(capsys: pytest.CaptureFixture[str]) -> None:
    """Wide names, emoji, markup and empty cells: every column begins where its head does."""
    table(
        ["KEY", "REASON", "CELL"], [("狐狸", "", "[bold]a[/bold]"), ("a", "moderated", "夜" * 40), ("🦊\x1b[31m", "", "b")], last_width=21
    )

    assert [
        "KEY         REASON     CELL",
        "狐狸                   [bold]a[/bold]",
        "a           moderated  夜夜夜夜夜夜夜夜夜夜…",
        "🦊\\x1b[31m             b",
    ] == capsys.readouterr().out.splitlines()
