"""Damage bytes and JSON at random, the way files and answers get damaged: bits, cuts, repeats, swaps, and words from a dictionary."""

import json
from collections.abc import Sequence
from random import Random
from typing import Final

from tests.support.damage import mutated

NUMBERS: Final = (
    b"0",
    b"-1",
    b"99999999999999999999",
    b"1e999999999",
    b"NaN",
    b"0x7fffffff",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x00",
    b"1_0",
)
WORDS: Final = (
    b"\x00",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    "\u202e".encode(),
    "\u0301".encode(),
    b"\\ud800",
    b"\r",
    b"\t",
    b"\n",
    b" ",
    b"../",
    b"~/",
)


def damaged(random: Random, data: bytes, words: Sequence[bytes] = ()) -> bytes:
    """Damage the bytes in one to four places; what grows stays below a mebibyte."""
    for _ in range(random.randint(1, 4)):
        data = _once(random, data, words)[: 1 << 20]
    return data


def _once(random: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    at, to = sorted((random.randint(0, len(data)), random.randint(0, len(data))))
    to = min(to, at + random.choice((1, 4, 32, 512)))
    match random.randrange(7):
        case 0:
            return data[:at] + bytes(byte ^ 1 << random.randrange(8) for byte in data[at : at + 1]) + data[at + 1 :]
        case 1:
            return data[:at] + data[to:]
        case 2:
            return data[:at] + data[at:to] * random.choice((2, 3, 50, 2000)) + data[to:]
        case 3:
            return data[:at] + random.choice((*words, *WORDS, *NUMBERS)) + data[at:]
        case 4:
            return data[:at] + random.choice((*words, *WORDS, *NUMBERS)) + data[to:]
        case 5:
            return data[:at] + random.randbytes(to - at) + data[to:]
        case _:
            return data[:at]


def damaged_json(random: Random, value: object) -> bytes:
    """Damage a JSON value in one to three places, and one time in four its bytes too; what grows stays below a mebibyte."""
    for _ in range(random.randint(1, 3)):
        if isinstance(value, dict | list) and value:
            value, _ = mutated(random, value)
    body = json.dumps(value).encode()[: 1 << 20]
    return damaged(random, body) if random.random() < 0.25 else body
