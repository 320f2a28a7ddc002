"""The mark in an output folder."""

from pathlib import Path

import pytest

from batchgen.files import marker
from batchgen.files.marker import Mark


def mark(**changes: int | str) -> Mark:
    """Give a mark."""
    facts: dict[str, int | str] = {"database": "one", "run": 3, "event": 40}
    return Mark(**{**facts, **changes})


def test_a_mark_is_read_as_it_was_written(tmp_path: Path) -> None:
    """The latest one stands, and nothing else is left behind."""
    marker.write(tmp_path / "out", mark())
    marker.write(tmp_path / "out", mark(event=41))

    assert mark(event=41) == marker.read(tmp_path / "out")
    assert [marker.NAME] == [path.name for path in (tmp_path / "out").iterdir()]


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}", '{"database": "one", "run": "3", "event": 1}', "\x00"])
def test_what_is_no_mark_is_none(tmp_path: Path, content: str | None) -> None:
    """A mark that cannot be read refuses nothing."""
    if content is not None:
        (tmp_path / marker.NAME).write_text(content)

    assert marker.read(tmp_path) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, False), ({"event": 39}, True), ({"event": 41}, False), ({"run": 2, "event": 90}, True), ({"database": "two", "run": 1}, False)],
)
def test_only_the_same_database_in_an_earlier_state_is_behind(changes: dict[str, int | str], expected: bool) -> None:
    """Runs count before events; another database is another matter."""
    assert expected is mark().is_ahead_of(mark(**changes))
