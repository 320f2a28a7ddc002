"""Answers that no vendor should give, and that come all the same: pages of gateways, cut and wrong JSON, mutations of good answers."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from random import Random
from typing import Final

from batchgen.core.dialects import Reply
from batchgen.testing.documents import changed, document, places, with_body

PAGE: Final = b"<!DOCTYPE html>\r\n<html><head><title>Bad Gateway</title></head><body><h1>nginx, error 502</h1></body></html>"
GATEWAYS: Final = (502, 504, 520, 521, 522, 523, 524)
"""What stands before a vendor says so; the vendor may still have done the work."""
SUCCESSES: Final = (200, 201, 202)
JUNK_WAITS: Final = (
    *("", "soon", "-5", "NaN", "inf", "-inf", "1e400", "9" * 400, "0x10", "5, 10", "12;", "\u0663", "\x00"),
    *("Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 99 Oct 9999 99:99:99 GMT", "Thu, 01 Jan 1970 00:00:00", "Mon"),
)
JUNK_VALUES: Final[tuple[object, ...]] = (
    *(None, True, False, 0, -1, "-1", 1.5, -0.01, 10**70, float("nan"), float("inf"), "", " ", "\x00", "\ud800", "x" * 5000),
    *([], {}, [None], [[]], {"a": 1}, "../../etc/passwd", "javascript:alert(1)", "//host/x", "file:///etc/passwd"),
)

_STATUSES: Final = (
    *(100, 200, 201, 202, 204, 206, 301, 302, 304, 307, 400, 401, 402, 403, 404, 405, 408, 409, 410, 413, 415, 421, 422, 425),
    *(429, 431, 451, 500, 501, 502, 503, 504, 507, *range(520, 528), 530, 599, 0, 999),
)
_BODIES: Final[dict[str, bytes]] = {
    "an empty body": b"",
    "blanks": b" \r\n",
    "a gateway's page": PAGE,
    "cut JSON": b'{"data": {"id": "abc',
    "null": b"null",
    "a list": b"[]",
    "a list of things": b'[1, "a", {"id": 1}, null]',
    "a text": b'"ok"',
    "a number": b"123",
    "true": b"true",
    "an empty object": b"{}",
    "deep objects": b'{"data":' * 20_000,
    "deep lists": b"[" * 100_000,
    "closed deep lists": b"[" * 3_000 + b"]" * 3_000,
    "NaN": b'{"code": NaN, "id": NaN, "status": NaN, "data": NaN, "cost": -Infinity}',
    "repeated keys": b'{"id": "a", "id": "b", "status": "x", "status": "y"}',
    "a byte order mark": b'\xef\xbb\xbf{"data": []}',
    "another encoding": '{"data": {}}'.encode("utf-16"),
    "broken UTF-8": b'{"message": "\xff\xfe\x80"}',
    "NULs": b"\0" * 64,
    "a long number": b'{"code": ' + b"9" * 5_000 + b', "cost": 1e999999999}',
    "wrong types": b'{"code": {}, "msg": [], "message": 1, "error": [null], "data": "x", "id": {}, "status": [], "url": 5, "detail": [[]]}',
    "compressed bytes": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
}
_HUGE: Final = b'{"data": "' + b"A" * (1 << 21) + b'"}'
_STRANGE_FIELDS: Final = {f"f{number}\n\x1b[31m\u202e{'z' * 400}": number for number in range(300)}
_TOKENS: Final = (
    b"null",
    b"NaN",
    b'"',
    b"{",
    b"}",
    b"[" * 50,
    b"\\u0000",
    b"\\ud800",
    b"-1",
    b"\xff",
    b"\0",
    b",",
    b":",
    b"1e999",
    b"<html>",
)
_MOST_PLACES: Final = 60


def strangers() -> Iterator[tuple[str, Reply]]:
    """Give answers that have nothing to do with the vendor, each with its name."""
    for status in _STATUSES:
        for name, body in _BODIES.items():
            yield f"HTTP {status} with {name}", Reply(status=status, body=body)
    for status in (200, 400, 502):
        yield f"HTTP {status} with two megabytes", Reply(status=status, body=_HUGE)


def wrong_types(replies: Sequence[Reply]) -> Iterator[tuple[str, Reply]]:
    """Give the replies with every value in turn replaced by what should not stand there."""
    for reply in replies:
        value = document(reply)
        for path, _ in islice(places(value), _MOST_PLACES):
            for junk in JUNK_VALUES:
                yield f"{junk!r:.40} at {'/'.join(map(str, path))}", with_body(reply, changed(value, path, junk))
        if isinstance(value, dict):
            yield "many strange fields", with_body(reply, {**value, **_STRANGE_FIELDS})
            yield "a wrapped answer", with_body(reply, {"data": value, "result": value, "error": value})


def mutations(replies: Sequence[Reply], count: int, *, seed: int) -> Iterator[tuple[str, Reply]]:
    """Give that many seeded mutations of the replies' bytes, statuses and headers; the same seed gives the same ones."""
    random = Random(seed)  # noqa: S311 - test data, no secret
    for number in range(count):
        chosen = random.choice(replies)
        body = chosen.body
        for _ in range(random.randint(1, 3)):
            body = _mutated(body, random)
        status = chosen.status if random.random() < 0.7 else random.choice(_STATUSES)
        headers = dict(chosen.headers) if random.random() < 0.8 else {"retry-after": random.choice(JUNK_WAITS)}
        yield f"mutation {number}", replace(chosen, status=status, body=body, headers=headers)


def cuts(body: bytes, most: int = 400) -> Iterator[bytes]:
    """Give beginnings of a body, all of them where it is short."""
    step = max(1, len(body) // most)
    return (body[:end] for end in range(0, len(body), step))


def is_json(body: bytes) -> bool:
    """Say whether bytes are a whole JSON text."""
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def _mutated(body: bytes, random: Random) -> bytes:
    start, end = sorted((random.randint(0, len(body)), random.randint(0, len(body))))
    end = min(end, start + 40)
    match random.randrange(6):
        case 0:
            return body[:start] + bytes([random.randrange(256)]) + body[start + 1 :]
        case 1:
            return body[:start] + body[end:]
        case 2:
            return body[:end] + body[start:end] + body[end:]
        case 3:
            return body[:start] + random.choice(_TOKENS) + body[start:]
        case 4:
            return body[:start] + random.choice(_TOKENS) + body[end:]
        case _:
            return body[:start]
