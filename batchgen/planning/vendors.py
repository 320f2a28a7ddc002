"""The description of a vendor, version 1, as a typed model. Its docstrings are the descriptions in the JSON Schema.

Stands under ``provider.vendor``, or in a file of its own. Placeholders are ``{{ name }}``; a model's name and a role's images also have
parts, counted from 0: ``{{ model.0 }}``, ``{{ images.0 }}``. Pointers are JSON pointers (RFC 6901), where ``*`` also means every item of a
list. In a body, numbers, true, false and null are sent as such, and so is a placeholder that stands alone.
"""

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from batchgen.planning.manifest import Section
from batchgen.planning.reader import Null
from batchgen.planning.scalars import Amount, Count, Duration, Name, as_list, count, kind_of, text, wrong

SCHEMA_ID: Final = "vendor.v1.schema.json"
PARAM_TYPES: Final = ("text", "int", "number", "bool")

Means = Literal["auth", "balance", "quota", "config", "throttled", "refused", "moderated", "busy", "unproven", "transient", "unknown"]

_PLACEHOLDER: Final = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)(?:\.([0-9]{1,2}))?\s*\}\}")
_POINTER: Final = re.compile(r"(?:/(?:[^~/]|~[01])*)+")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?")
_STEP: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@-]+")
_VENDOR_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,39}")
_PARAM_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_RESERVED: Final = frozenset({"prompt", "model", "task_id", "sample", "key", "n"})
_LONGEST: Final = 500
_LONGEST_WORD: Final = 80


def placeholders(template: str) -> Iterator[tuple[str, bool]]:
    """Give the name of every placeholder in a text, and whether it asks for a part."""
    yield from ((match[1], match[2] is not None) for match in _PLACEHOLDER.finditer(template))


def has_stray_braces(template: str) -> bool:
    """Say whether double braces stand in a text that are no placeholder."""
    rest = _PLACEHOLDER.sub("", template)
    return "{{" in rest or "}}" in rest


def _line(value: object) -> str:
    template = text(value)
    if not template.isascii() or not template.isprintable() or len(template) > _LONGEST:
        raise wrong(f"must be printable ASCII of at most {_LONGEST} characters")
    return template


def _path(value: object) -> str:
    template = _line(value)
    path, *query = _PLACEHOLDER.sub("x", template).split("?", 1)
    if not path.startswith("/") or path.startswith("//"):
        raise wrong("must be a path on the vendor's host, such as /v1/images", code="E113", hint="the host stands under provider.base_url")
    steps = [*path[1:].split("/"), *(part for part in query if part)]
    if any(not _STEP.fullmatch(step) or not step.strip(".") for step in steps if step or len(steps) > 1):
        raise wrong("must not hold empty or dotted steps, spaces or fragments", code="E113")
    return template


def _pointer(value: object) -> str:
    pointer = text(value)
    if not _POINTER.fullmatch(pointer) or not pointer.isprintable() or len(pointer) > _LONGEST:
        raise wrong("must be a JSON pointer such as /data/0/url", hint="a * means every item of a list: /images/*/url")
    return pointer


def _word(value: object) -> str:
    word = text(value)
    if not word.strip() or not word.isprintable() or len(word) > _LONGEST_WORD:
        raise wrong(f"must be a printable text of at most {_LONGEST_WORD} characters")
    return word


def _matching(pattern: re.Pattern[str], message: str) -> Callable[[object], str]:
    def checked(value: object) -> str:
        word = text(value)
        if not pattern.fullmatch(word):
            raise wrong(message)
        return word

    return checked


def _param_name(value: object) -> str:
    word = _matching(_PARAM_NAME, "must be a name of letters, digits and underscores")(value)
    if word in _RESERVED:
        raise wrong(f"{word!r} has a meaning of its own and cannot be declared")
    return word


def _param_type(value: object) -> str | tuple[str, ...]:
    if isinstance(value, list):
        choices = tuple(map(text, value))
        if not choices or len(set(choices)) != len(choices):
            raise wrong("must list its values, each once")
        return choices
    kind = text(value)
    if kind not in PARAM_TYPES:
        raise wrong(f"must be one of {', '.join(PARAM_TYPES)}, or a list of the values that it takes")
    return kind


def _status(value: object) -> int:
    status = count(value)
    if not 100 <= status <= 599:
        raise wrong("must be an HTTP status from 100 to 599")
    return status


def _body(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise wrong(f"must be a mapping, not {kind_of(value)}")
    return {str(key): _sent(item) for key, item in value.items()}


def _sent(value: object) -> object:
    """Give a constant of a body as it is sent: the words and numbers of JSON as such, all else as text."""
    match value:
        case Null():
            return None
        case dict():
            return _body(value)
        case list():
            return [_sent(item) for item in value]
        case "true" | "false":
            return value == "true"
        case str() if _NUMBER.fullmatch(value):
            return float(value) if "." in value else int(value)
        case _:
            return value


_TEXT_SCHEMA: Final = {"type": "string"}
_POINTER_SCHEMA: Final = {"type": "string", "pattern": "^/"}

Line = Annotated[str, BeforeValidator(_line), WithJsonSchema(_TEXT_SCHEMA)]
Path = Annotated[str, BeforeValidator(_path), WithJsonSchema({"type": "string", "pattern": "^/[^/]"})]
Pointer = Annotated[str, BeforeValidator(_pointer), WithJsonSchema(_POINTER_SCHEMA)]
Pointers = Annotated[
    tuple[Pointer, ...],
    BeforeValidator(as_list),
    WithJsonSchema({"anyOf": [_POINTER_SCHEMA, {"type": "array", "items": _POINTER_SCHEMA}]}),
]
Word = Annotated[str, BeforeValidator(_word), WithJsonSchema(_TEXT_SCHEMA)]
Words = Annotated[
    tuple[Word, ...],
    BeforeValidator(as_list),
    WithJsonSchema({"anyOf": [_TEXT_SCHEMA, {"type": "array", "items": _TEXT_SCHEMA}]}),
]
Status = Annotated[int, BeforeValidator(_status), WithJsonSchema({"type": "integer", "minimum": 100, "maximum": 599})]
Statuses = Annotated[
    tuple[Status, ...],
    BeforeValidator(as_list),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]}),
]
VendorName = Annotated[
    str,
    BeforeValidator(_matching(_VENDOR_NAME, "must be lower-case letters, digits, dots and hyphens, at most 40")),
    WithJsonSchema({"type": "string", "pattern": f"^{_VENDOR_NAME.pattern}$"}),
]
HeaderName = Annotated[
    str, BeforeValidator(_matching(_TOKEN, "must be the name of a header")), WithJsonSchema({"type": "string", "pattern": "^[^ :]+$"})
]
ParamName = Annotated[str, BeforeValidator(_param_name), WithJsonSchema(_TEXT_SCHEMA)]
ParamType = Annotated[
    object,
    PlainValidator(_param_type),
    WithJsonSchema({"anyOf": [{"enum": list(PARAM_TYPES)}, {"type": "array", "minItems": 1}]}),
]
Body = Annotated[dict[str, object], PlainValidator(_body), WithJsonSchema({"type": "object"})]
Ways = Annotated[tuple[Literal["url", "base64"], ...], BeforeValidator(as_list), Field(min_length=1)]


class Auth(Section):
    """How the key is shown to the vendor."""

    header: HeaderName = "Authorization"
    """The header that carries it."""
    value: Line = "Bearer {key}"
    """The header's value, with {key} in the key's place; never the key itself."""


class ModelPrice(Section):
    """What is known of one model."""

    price: Amount | None = None
    """The highest price of one order, in the vendor's unit."""


class Role(Section):
    """Reference images of one role."""

    ways: Ways = Field(alias="as")
    """url: a public address is sent. base64: a file is sent as a data URI."""
    max: Count | None = None
    """How many an order takes."""


class Submit(Section):
    """How an order is built, and what its answer gives."""

    path: Path
    """The path of the POST on the host of `base_url`; values are percent-quoted, only a model's slashes stay."""
    headers: dict[HeaderName, Line] = Field(default_factory=dict)
    """Further headers; {{ key }} is the job's own key, good as an idempotency key."""
    body: Body
    """The JSON body. What names a parameter that is not set is left out; a placeholder that stands alone keeps its type."""
    task_id: Pointer | None = None
    """Where the answer names the task. Without it, the answer is the result: `urls`, `base64`."""
    urls: Pointers = ()
    """Where a synchronous answer holds URLs of the result; the first pointer that finds one counts."""
    base64: Pointers = ()
    """Where a synchronous answer holds the image itself in base64."""


class StatusWords(Section):
    """What the vendor's status words mean, whatever their case; an unknown word means that the task still runs."""

    running: Words = ()
    done: Words
    failed: Words = ()
    canceled: Words = ()


class Poll(Section):
    """How a task is asked after."""

    path: Path
    """The path of the GET; it names {{ task_id }}."""
    status: Pointer
    """Where the answer holds the status word."""
    words: StatusWords
    urls: Pointers = ()
    """Where the answer about a finished task holds the result's URLs, unless there is a `result`."""


class Result(Section):
    """Where the result of a finished task stands, if not in the answer that says it is finished."""

    path: Path
    """The path of the GET; it names {{ task_id }}."""
    urls: Pointers
    """Where the answer holds the result's URLs; the first pointer that finds one counts."""


class ErrorRule(Section):
    """What an error means; `status` and `matches` must both fit. Looked at in JSON answers only, never in a gateway's page."""

    status: Statuses = ()
    """One HTTP status, or a list of which any will do."""
    matches: Words = ()
    """Words of which one stands in the error's text (its first 2,000 characters), whatever their case."""
    means: Means
    """auth, balance, quota, config: stop. throttled, busy: nothing was done, wait. refused, moderated: this order never works.
    unproven, unknown: perhaps billed. transient: a failed task is worth another order."""


class Vendor(Section):
    """A vendor that takes orders and gives images over HTTP and JSON."""

    vendor: Annotated[Literal["1"], WithJsonSchema({"enum": [1, "1"]})]
    """The contract of descriptions: 1."""
    name: VendorName
    """Part of every job's identity: it must never change."""
    unit: Name = "USD"
    """The unit of money, for people."""
    base_url: Line | None = None
    """Where the API lives, unless the manifest says; ${VAR} and ${VAR:-default} are read here."""
    api_key_env: Line | None = None
    """The variable that holds the key, unless the manifest names another."""
    auth: Auth = Auth()
    models: dict[Name, ModelPrice] = Field(default_factory=dict)
    """The known models; others pass with a warning. With no list, every model passes."""
    params: dict[ParamName, ParamType] = Field(default_factory=dict)
    """Every parameter and how it is sent: text, int, number, bool, or a list of the texts that it may be."""
    references: dict[ParamName, Role] = Field(default_factory=dict)
    """The parameters that name reference images."""
    submit: Submit
    poll: Poll | None = None
    """Left out for a vendor whose answer to the order is the result."""
    result: Result | None = None
    error: Pointers = ("/error/message", "/error", "/detail", "/message", "/msg")
    """Where an answer holds the vendor's words about an error; all that are found count."""
    errors: tuple[ErrorRule, ...] = ()
    """What errors mean; the first that fits counts, before what the HTTP status alone proves."""
    cost: Pointer | None = None
    """Where an answer tells what it costs."""
    result_ttl: Duration = 3600.0
    """How long a result's URL is certain to live."""


def vendor_schema() -> dict[str, object]:
    """Build the JSON Schema (draft 2020-12) of a description in a file of its own."""
    schema = Vendor.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema}
