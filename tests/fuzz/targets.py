"""What is fuzzed: everything that reads what strangers wrote. A target makes an input, tries it, and knows the errors that are answers."""

import io
import json
import math
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Final

from batchgen.api import pointers
from batchgen.api.dialects.http import HttpDialect
from batchgen.api.dialects.jimmyai import JimmyAI
from batchgen.api.dialects.jimmyai_video import JimmyAIVideo
from batchgen.api.dialects.openai import OpenAI
from batchgen.core.dialects import Accounts, Dialect, Priced, Question, Reply, Uploads
from batchgen.core.errors import BadImageError, InputError
from batchgen.files import imagecheck
from batchgen.planning.loader import load
from batchgen.planning.naming import Namer, PathRefusedError, name_template
from batchgen.planning.templates import TemplateOutputError, TemplateRefusedError
from batchgen.testing import Example
from tests.conformance.orders import FAL, JIMMYAI, JIMMYAI_VIDEO, OPENAI, REPLICATE
from tests.fuzz.attempts import Target
from tests.fuzz.mutation import NUMBERS, WORDS, damaged, damaged_json
from tests.support.builders import job
from tests.support.pictures import animation, bomb, picture
from tests.support.rules import rules_for
from tests.unit.api.dialects.http.described import TASKS, shipped

_ROOT: Final = Path(__file__).parents[2]
_MOST_PIXELS: Final = 4_000_000


# --- manifests ---

_KEYS: Final = (
    *("version", "name", "tags", "metadata", "provider", "use", "api_key_env", "base_url", "defaults", "model", "resolution", "quality"),
    *(
        "references",
        "path",
        "url",
        "send",
        "sweeps",
        "prompts",
        "id",
        "text",
        "params",
        "file",
        "prompt",
        "vars",
        "where",
        "pick",
        "sample",
    ),
    *("seed", "first", "range", "template", "combine", "grid", "zip", "exclude", "include", "overrides", "when", "set", "unset", "samples"),
    *("output", "dir", "sidecar", "limits", "in_flight", "submit_rate", "per_model", "timeout", "submit", "task", "download", "budget"),
    *("cost", "jobs", "deadline", "halt", "consecutive_failures", "order", "shuffle", "on_ambiguous", "retry", "attempts", "backoff"),
    *("initial", "max", "notify", "webhook", "stalled_after", "ratio", "images", "mask", "operation", "duplicates"),
)
_SCALARS: Final = (
    *(
        "1",
        "night",
        "sim",
        "jimmyai",
        "gpt-image-2",
        "16:9",
        "[1:1, 16:9]",
        "no",
        "~",
        "1_0",
        ".nan",
        "2026-01-01",
        "-1",
        "1e9",
        "10m",
        "a.csv",
    ),
    *(
        "{{ animal }}",
        "{{ x|replace('a','b') }}",
        "{% for i in x %}",
        "'",
        '"',
        "&a",
        "*a",
        "!!python/object/apply:os.system [id]",
        "<<",
        "|",
        ">",
    ),
    *(
        "../x",
        "/etc/passwd",
        "~",
        "https://u:p@h/",
        "${HOME}",
        "${A:-b}",
        "[]",
        "{}",
        "[[[[",
        "? a",
        "- -",
        "\u202e",
        "0..9",
        "1..99999999999",
    ),
)


@cache
def _manifests() -> Sequence[bytes]:
    paths = [*(_ROOT / "tests/unit/planning/broken").glob("*.yaml"), *(_ROOT / "manifests").glob("*.yaml")]
    return [content for path in sorted(paths) if len(content := path.read_bytes()) < 20_000]


def _grown(random: Random, depth: int = 0) -> str:
    """Grow a manifest by the words of the contract, with anything at any place."""
    lines = []
    for _ in range(random.randint(1, 6)):
        key, pad = random.choice(_KEYS), "  " * depth
        lead = random.choice(("", "", "", "- "))
        nests = depth < 6 and random.random() < 0.5
        lines.append(f"{pad}{lead}{key}:" + (f"\n{_grown(random, depth + 1 + bool(lead))}" if nests else f" {random.choice(_SCALARS)}"))
    return "\n".join(lines)


def _manifest(random: Random) -> bytes:
    if random.random() < 0.3:
        return f"version: 1\nname: n\nprovider: {{use: jimmyai}}\nsweeps:\n  - prompts: [a]\n{_grown(random)}".encode()
    return damaged(random, random.choice(_manifests()), [word.encode() for word in (*_KEYS, *_SCALARS)])


def _load(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "manifest.yaml")
        path.write_bytes(data)
        plan = load(path, rules_for=rules_for, environ={}, max_jobs=2_000)
        for _ in islice(plan.jobs(), 200):
            pass


# --- answers ---

_EXAMPLES: Final[Sequence[tuple[Dialect, Sequence[Example]]]] = (
    (JimmyAI(), list(JIMMYAI.values())),
    (JimmyAIVideo(), list(JIMMYAI_VIDEO.values())),
    (OpenAI(), list(OPENAI.values())),
    (shipped("fal-queue"), [FAL]),
    (shipped("replicate-predictions"), [REPLICATE]),
    (HttpDialect(TASKS), [FAL, REPLICATE]),
)
_STATUSES: Final = (200, 200, 200, 201, 202, 204, 302, 400, 401, 402, 403, 404, 408, 421, 425, 429, 500, 502, 503, 520)


def _reply(random: Random) -> bytes:
    """Give a byte for the dialect, one for the example, one for the status, and a damaged body."""
    numbers = [random.randrange(256) for _ in range(3)]
    example = _chosen(numbers[0], numbers[1])[1]
    whole = random.choice(example.replies).body
    try:
        body = damaged_json(random, json.loads(whole))
    except ValueError:
        body = damaged(random, whole)
    return bytes(numbers) + body


def _chosen(dialect: int, example: int) -> tuple[Dialect, Example]:
    spoken, examples = _EXAMPLES[dialect % len(_EXAMPLES)]
    return spoken, examples[example % len(examples)]


def _read(data: bytes) -> None:
    """Read the answer by every reader of the dialect."""
    dialect, example = _chosen(data[0], data[1])
    given = Reply(status=_STATUSES[data[2] % len(_STATUSES)], headers={"retry-after": data[3:20].decode("latin-1")}, body=data[3:])
    given = replace(given, parts=((10, 20),))
    asked = replace(example.job, task_id=example.task_id)
    dialect.unfamiliar(asked, given)
    dialect.read_submit(asked, given)
    reading = dialect.read_poll(asked, given)
    if isinstance(reading, Question):
        reading.read(given)
    if isinstance(dialect, Uploads):
        dialect.read_upload(given)
    if isinstance(dialect, Accounts):
        dialect.read_account([given, given])
    if isinstance(dialect, Priced):
        dialect.read_catalogue(given)


# --- waits ---

_WAITS: Final = (
    b"120",
    b"0.5",
    b"Wed, 21 Oct 2026 07:28:00 GMT",
    b"Thu, 01 Jan 1970 00:00:00 +0000",
    b"Sun, 06 Nov 94 08:49:37 GMT",
    b"-5",
    b"1" * 12,
)


def _wait(random: Random) -> bytes:
    return b"\n".join(damaged(random, random.choice(_WAITS)) if random.random() < 0.8 else random.choice(_WAITS) for _ in range(3))


def _waited(data: bytes) -> None:
    texts = [*data.decode("latin-1").split("\n"), "", "", ""][:3]
    wait_s = pointers.retry_after_s(dict(zip(("retry-after", "date", "retry-after-ms"), texts, strict=True)))
    assert wait_s is None or (math.isfinite(wait_s) and wait_s >= 0), wait_s


# --- images ---


@cache
def _pictures() -> Sequence[bytes]:
    kinds: list[dict[str, Any]] = [
        *({"kind": kind} for kind in ("PNG", "JPEG", "WEBP")),
        *({"kind": "JPEG", "progressive": True}, {"kind": "WEBP", "lossless": True}, {"kind": "PNG", "is_flat": True}),
    ]
    return [*(picture(**kind) for kind in kinds), animation("WEBP"), animation("PNG"), bomb(3_000)]


def _image(random: Random) -> bytes:
    return damaged(
        random,
        random.choice(_pictures()),
        (b"IHDR", b"IDAT", b"IEND", b"tEXt", b"iCCP", b"VP8X", b"VP8L", b"ANIM", b"\xff\xd8", b"\xff\xd9"),
    )


def _check(data: bytes) -> None:
    imagecheck.check(io.BytesIO(data), size_bytes=len(data), max_pixels=_MOST_PIXELS)


# --- names of output files ---

_NAMES: Final = (
    *("{{ sweep }}/{{ prompt_id }}/{{ cell }}_s{{ sample }}_{{ key8 }}", "{{ prompt | lower | replace(' ', '-') }}", "a/b/{{ key }}"),
    *(
        "{{ model|upper }}~{{ ratio }}",
        "CON/{{ key8 }}",
        "{{ prompt|replace('a', 'aaaaaaaaaaaaaaaa')|replace('a', 'aaaaaaaaaaaaaaaaaaaaaa') }}",
    ),
)
_PARTS: Final = (
    "{{",
    "}}",
    "{%",
    "{#",
    "|",
    "replace('",
    "__class__",
    "[0]",
    "(",
    "/../",
    "..",
    "/",
    "\\",
    "~",
    "C:",
    "prompt",
    "key8",
    "upper",
    "'a'*9",
    "aux",
)


def _template(random: Random) -> bytes:
    name = damaged(random, random.choice(_NAMES).encode(), [part.encode() for part in _PARTS])
    value = damaged(random, b"A fox \xe2\x80\xae/../ COM1 e\xcc\x81", (*WORDS, *NUMBERS))
    return name.replace(b"\n", b"") + b"\n" + value


def _name(data: bytes) -> None:
    template, _, value = data.decode("utf-8", "replace").partition("\n")
    name_template(template)
    stem = Namer(template, batch=value).stem(
        job(prompt=value, prompt_id=value, model=value, params={"ratio": value}, labels={"animal": value})
    )
    parts = stem.split("/")
    assert parts[-1], stem
    assert {"", ".", ".."}.isdisjoint(parts), stem
    assert all(len(part.encode()) <= 200 and part.isprintable() and "\\" not in part for part in parts), stem


TARGETS: Final = {
    "manifest": Target(make=_manifest, attempt=_load, answers=(InputError,)),
    "replies": Target(make=_reply, attempt=_read),
    "retry-after": Target(make=_wait, attempt=_waited),
    "images": Target(make=_image, attempt=_check, answers=(BadImageError,)),
    "output names": Target(
        make=_template, attempt=_name, answers=(TemplateRefusedError, PathRefusedError, TemplateOutputError, InputError)
    ),
}
