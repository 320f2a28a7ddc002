"""Exit codes."""

from batchgen.core.exits import Exit


def test_exit_codes_are_the_contract() -> None:
    """Scripts rely on these numbers, and each has a sentence."""
    assert {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 129, 130, 143} == set(Exit)
    assert all(code.meaning for code in Exit)
