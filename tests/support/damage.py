"""Documented answers of the JimmyAI API with one thing wrong in each: a field missing, null, of another type, huge, listed or nested."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

RECORDED: Final = json.loads(
    (Path(__file__).parents[1] / "unit/api/dialects/jimmyai/replies.json").read_text(encoding="utf-8"),
)
CREATED: Final = [value for name, value in RECORDED.items() if name.startswith("Create")]
POLLED: Final = [value for name, value in RECORDED.items() if name.startswith(("QueryCompleted", "QuerySuccess", "QueryBare"))]
ITEMS: Final = (
    {"url": "https://cdn.example.net/sync/9a.png", "revised_prompt": "your balance violates our policy"},
    {"b64_json": "\x00part:0", "revised_prompt": "too many apples"},
    {"b64_json": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ", "revised_prompt": "x"},
)
USAGE: Final = {"input_tokens": 12, "output_tokens": 272, "output_tokens_details": {"image_tokens": 272, "text_tokens": 0}}
ANSWERED: Final = [
    *({"code": code, "msg": "ok", "data": {"created": 1, "data": [item], "usage": USAGE}} for code in (20000, "0") for item in ITEMS),
    *({"created": 1782000100, "data": [item]} for item in ITEMS),
]
DECIDING: Final = {"code", "msg", "status", "message", "error", "detail", "reason", "error_message", "error_msg"}
MISSING: Final = object()

Path_ = tuple[str | int, ...]


def places(value: object, path: Path_ = ()) -> Iterator[Path_]:
    """Give the way to every field and item below a value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*path, key)
        yield from places(inner, (*path, key))


def strange(random: Random, old: object) -> object:
    """Give something that should not stand there."""
    return random.choice(
        [
            *(MISSING, None, True, False, 0, -1, 7, 10**18, 10**90, 0.5, -1e300, "", " ", "x", "\x00", "\x00part:9", "too frequent"),
            *("x" * random.choice([300, 9000, 200_000]), "余额不足", [], {}, [None], {"a": None}, [old], [[old]], {"a": old}, [old] * 50),
            {"message": old},
        ]
    )


def mutated(random: Random, answer: object) -> tuple[object, Path_]:
    """Damage one place of a copy, and say which."""
    copied = copy.deepcopy(answer)
    path = random.choice(list(places(copied)))
    parent: object = copied
    for step in path[:-1]:
        parent = parent[step]  # type: ignore[index]  # the way was found in this very value
    replacement = strange(random, parent[path[-1]])  # type: ignore[index]  # as above
    if replacement is MISSING:
        del parent[path[-1]]  # type: ignore[attr-defined]  # as above
    else:
        parent[path[-1]] = replacement  # type: ignore[index]  # as above
    return copied, path


def damaged(seed: int, answers: list[object], rounds: int) -> Iterator[tuple[object, Path_, object]]:
    """Give damaged answers, the way to the damage, and the answer as it was."""
    random = Random(seed)
    for _ in range(rounds):
        whole = random.choice(answers)
        yield *mutated(random, whole), whole


def at(value: object, path: Path_) -> object:
    """Give what stands at the end of a way, or MISSING."""
    for step in path:
        try:
            value = value[step]  # type: ignore[index]  # whatever it is, it may fail
        except (TypeError, KeyError, IndexError):
            return MISSING
    return value


def is_blameless(path: Path_) -> bool:
    """Say whether the damage lies where no vendor says yes or no."""
    return DECIDING.isdisjoint(path)
