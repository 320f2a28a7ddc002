"""Ten seconds of what ``make fuzz`` does for longer, and that it would notice."""

import pytest

from tests.fuzz.attempts import Target, fault, fuzz, peak_kib
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_input_is_answered(name: str) -> None:
    """T10: whatever strangers write is read or refused, quickly, in little memory, and never with a traceback."""
    score = fuzz(TARGETS[name], seconds=2.0, seed=1)

    assert {} == score.findings
    assert score.executions > 10


def test_what_no_reader_answers_for_is_found() -> None:
    """An error that is no answer, a hang and a flood are told apart; an answer is none of them."""
    hoard: list[bytes] = []

    def attempt(data: bytes) -> None:
        if data == b"refuse":
            raise LookupError
        if data == b"crash":
            raise TypeError
        while data == b"hang":
            pass
        enough_kib = peak_kib() + 32 * 1024  # the system may take other memory back meanwhile
        while data == b"flood" and peak_kib() <= enough_kib:
            hoard.append(b"x" * (8 << 20))

    target = Target(make=lambda random: random.choice([b"refuse", b"crash", b"", b"x"]), attempt=attempt, answers=(LookupError,))

    assert fault(target, b"refuse") == ""
    assert fault(target, b"crash").startswith("TypeError at test_fuzz.py:")
    assert fault(target, b"hang").startswith("HangError")
    assert [b"crash"] == list(fuzz(target, seconds=0.1, seed=1).findings.values())
    assert fault(target, b"flood", most_kib=16 * 1024).startswith("more than")
