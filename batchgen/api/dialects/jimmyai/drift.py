"""What an answer holds that the vendor's documentation never mentioned: the first sign that the contract moves.

Documented alternatives are familiar, whichever page shows them. Cheap, since a task is asked after thousands of times.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from batchgen.api.dialects.jimmyai import answers, words
from batchgen.api.dialects.jimmyai.answers import Answer
from batchgen.core.dialects import Reply

_MAX_NAMES: Final = 8
_MAX_CHARS: Final = 80
_MAX_ITEMS: Final = 16

_ERROR_CODES: Final = (answers.AUTH_CODE, answers.PARAMETERS_CODE, answers.SERVER_ERROR_CODE, answers.RATE_CODE)
_CODES: Final = answers.SUCCESS_CODES.union(_ERROR_CODES)
_TASK: Final = frozenset(
    {
        *("task_id", "id", "taskId", "status", "progress", "model", "created_at", "completed_at", "result", "cost"),
        *("error_message", "error_msg", "reason", "message", "error"),
        *("image_url", "video_url", "url", "mediaUrl"),
        *("created", "data", "usage", "b64_json", "output_format", "pass_count"),
    }
)
_TOP: Final = _TASK.union({"code", "msg"}, answers.MESSAGE_KEYS)
_INSIDE: Final[Mapping[str, frozenset[str]]] = {
    "result": frozenset({"image_url", "image_urls", "video_url", "video_urls", "url", "draft_cache_url"}),
    "usage": frozenset({"input_tokens", "output_tokens", "total_tokens", "input_tokens_details", "output_tokens_details"}),
    "data": frozenset({"url", "b64_json", "revised_prompt"}),
}


def unfamiliar(reply: Reply) -> Sequence[str]:
    """Name at most 8 fields, status words and codes that nobody has documented; none for a body that cannot be read."""
    answer = answers.opened(reply)
    names = dict.fromkeys((*_numbers(answer), *_fields(answer)))
    return tuple(islice(names, _MAX_NAMES))


def _numbers(answer: Answer) -> Iterator[str]:
    """Name the code and the status word; a status without a word is read as running and names nothing."""
    if answer.code is not None and answer.code not in _CODES:
        yield _shown("code", answer.code)
    word = answers.status_word(answer)
    if word and words.phase(word) is None:
        yield _shown("status", word)


def _fields(answer: Answer) -> Iterator[str]:
    """Name the fields at the top, and in the task; a bare task is both, and its fields are at the top."""
    top = answer.fields or {}
    yield from _strange("", top, _TOP)
    data = top.get("data")
    if isinstance(data, dict):
        yield from _strange("data.", data, _TASK)
        yield from _nested("data.", data)
    else:
        yield from _nested("", top)


def _nested(prefix: str, task: Mapping[str, object]) -> Iterator[str]:
    for name, known in _INSIDE.items():
        for inner in _objects(task.get(name)):
            yield from _strange(f"{prefix}{name}.", inner, known)


def _objects(value: object) -> Iterator[Mapping[str, object]]:
    items = value[:_MAX_ITEMS] if isinstance(value, list) else [value]
    return (item for item in items if isinstance(item, dict))


def _strange(prefix: str, fields: Iterable[str], known: frozenset[str]) -> Iterator[str]:
    return (_shown("field", f"{prefix}{name[:_MAX_CHARS]}") for name in islice((name for name in fields if name not in known), _MAX_NAMES))


def _shown(kind: str, name: str) -> str:
    """Write a name of a stranger's on one line: what cannot be printed is escaped, what is too long is cut."""
    text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in f"{kind} {name}")
    return text[:_MAX_CHARS]
