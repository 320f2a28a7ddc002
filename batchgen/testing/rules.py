"""What a dialect promises the planner: names that do not change, known models, complaints and prices."""

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final, get_args

from batchgen.api.dialects.plugins import lacks
from batchgen.core.dialects import Complaint, Dialect, ImageFacts, Model, Price, Reference, Uploads, Way
from batchgen.core.jobs import Params
from batchgen.core.money import Micros
from batchgen.testing.examples import Example
from batchgen.testing.findings import Findings
from batchgen.testing.readings import is_micros

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|")
_HEADER: Final = re.compile(r"[A-Za-z0-9-]+")
_ODD: Final = (
    "",
    " ",
    "-1",
    "9" * 400,
    "NaN",
    "inf",
    "1e400",
    "\u00fc",
    "\0",
    "\ud800",
    "a" * 10_000,
    "true",
    "0x10",
    "1:0",
    "0x0",
    "x" * 3,
)
_AXES: Final = {
    "ratio": "ratios",
    "resolution": "resolutions",
    "quality": "qualities",
    "background": "backgrounds",
    "output_format": "output_formats",
    "size": "sizes",
    "duration": "durations",
}
_BESIDE: Final = frozenset({"model", "prompt", "operation", "references"})
_PICTURE: Final = ImageFacts(media_type="image/png", bytes=500_000, width=1024, height=1024, has_alpha=True)
_RANGE: Final = re.compile(r"([0-9]{1,4})-[0-9]{1,4}")


def is_dialect(dialect: Dialect, findings: Findings) -> bool:
    """Say whether the object has everything that a dialect has; what it lacks is a finding."""
    missing = lacks(dialect)
    findings.unless(not missing, "a dialect has every member of core.dialects.Dialect", f"it lacks {', '.join(missing)}")
    return not missing


def check_attributes(dialect: Dialect, findings: Findings) -> None:
    """Check what stands in the dialect itself."""
    name, later = str(dialect.name), str(dialect.name)
    is_word = _NAME.fullmatch(name) is not None and name == later
    findings.unless(is_word, "the name is a short word of a-z, 0-9, '.', '_' and '-', and stays the same", repr(name))
    findings.unless(dialect.unit.strip(), "the unit of money has a name", repr(dialect.unit))
    for field in ("params", "roles", "operations"):
        words = getattr(dialect, field)
        is_list = isinstance(words, tuple) and all(isinstance(word, str) and word for word in words) and len(set(words)) == len(words)
        findings.unless(is_list, f"{field} is a tuple of different words", repr(words))
    findings.unless(dialect.operations, "there is something to order: operations is not empty")
    findings.unless(set(dialect.synchronous) <= set(dialect.operations), "synchronous names operations", repr(dialect.synchronous))
    is_time = math.isfinite(dialect.result_ttl_s) and dialect.result_ttl_s > 0
    findings.unless(is_time, "result_ttl_s is a time above 0", repr(dialect.result_ttl_s))
    findings.unless(_VARIABLE.fullmatch(dialect.key_env), "key_env is the name of a variable, or empty", repr(dialect.key_env))
    findings.unless(not dialect.api_path or dialect.api_path.startswith("/"), "api_path begins with a slash, or is empty", dialect.api_path)
    _check_authorization(dialect.authorization, findings)


def check_rules(dialect: Dialect, examples: Sequence[Example], findings: Findings, *, usual: Params) -> None:
    """Check everything that a planner asks."""
    for operation in (*dialect.operations, "", "no-such-operation"):
        _check_ways(dialect, operation, findings)
    for number, example in enumerate(examples):
        findings.where = f"example {number + 1}"
        found = _complaints(dialect, example.job.params, example.job.operation, findings, references=_sent(example))
        errors = [f"{one.param}: {one.message}" for one in found if one.severity == "error"]
        findings.unless(not errors, "the examples can be ordered: complaints() has no error for them", "; ".join(errors))
        _check_odd_values(dialect, example, findings)
    findings.where = ""
    models = findings.attempt("models", dialect.models) or ()
    for model in models:
        findings.unless(model.operations, "models() gives Models with operations", f"{model!r:.80}")
        for operation in model.operations:
            _check_model(dialect, model, operation, usual, findings)


def _check_authorization(authorization: object, findings: Findings) -> None:
    is_good = (
        isinstance(authorization, tuple)
        and len(authorization) == 2
        and _HEADER.fullmatch(str(authorization[0])) is not None
        and str(authorization[1]).count("{key}") == 1
        and str(authorization[1]).isascii()
    )
    findings.unless(is_good, "authorization is a header and its value, which holds {key} exactly once", repr(authorization))


def _check_ways(dialect: Dialect, operation: str, findings: Findings) -> None:
    ways = findings.attempt("ways", lambda: frozenset(dialect.ways(operation)), repr(operation))
    if ways is None:
        return
    findings.unless(ways <= set(get_args(Way)), "ways() gives url, base64, upload or file", f"{operation}: {sorted(map(str, ways))}")
    findings.unless("upload" not in ways or isinstance(dialect, Uploads), "who takes uploads is core.dialects.Uploads", operation)


def _check_odd_values(dialect: Dialect, example: Example, findings: Findings) -> None:
    """Show complaints() and estimate() what nobody should write."""
    operation, params = example.job.operation, example.job.params
    for name in (*dialect.params, "no_such_parameter", "n", ""):
        for odd in _ODD:
            _complaints(dialect, {**params, name: odd}, operation, findings)
            _estimate(dialect, {**params, name: odd}, operation, findings)
    empty = ImageFacts(media_type="", bytes=0, width=0, height=0, has_alpha=False)
    for role in (*dialect.roles, "no_such_role"):
        for facts in (None, empty, _PICTURE):
            references = [Reference(role=role, name="a", facts=facts)] * 20
            for amount in (1, 20):
                _complaints(dialect, params, operation, findings, references=references[:amount])
    for chars in (0, 10**9):
        _complaints(dialect, params, operation, findings, prompt_chars=chars)
    _complaints(dialect, {}, operation, findings)
    _complaints(dialect, params, "no-such-operation", findings)


def _complaints(
    dialect: Dialect,
    params: Params,
    operation: str,
    findings: Findings,
    *,
    prompt_chars: int = 20,
    references: Sequence[Reference] = (),
) -> Sequence[Complaint]:
    evidence = f"{operation} with {dict(params)!r:.100}"
    found = findings.attempt(
        "complaints",
        lambda: list(dialect.complaints(params, operation=operation, prompt_chars=prompt_chars, references=references)),
        evidence,
    )
    known = {*dialect.params, *dialect.roles, *params, *(reference.role for reference in references), *_BESIDE}
    for one in found or ():
        findings.unless(one.param in known, "a complaint names a parameter that exists", f"{one.param!r} for {evidence}")
        findings.unless(one.severity in {"error", "warning"}, "a complaint is an error or a warning", repr(one.severity))
        findings.unless(one.message.strip(), "a complaint says why", evidence)
    return found or ()


def _estimate(dialect: Dialect, params: Params, operation: str, findings: Findings) -> None:
    priced = {params.get("model", ""): Price(micros=Micros(30_000)), "another": Price(micros=Micros(0), mode="per_second")}
    for prices, references in itertools.product(({}, priced), (0, 3)):
        evidence = f"{dict(params)!r:.100} by {len(prices)} prices"
        asked = partial(dialect.estimate, prices, params, operation=operation, references=references)
        found = findings.attempt("estimate", asked, evidence)
        is_money = found is None or is_micros(found)
        findings.unless(is_money, "an estimate is None or whole micros, never negative", f"{found!r} for {evidence}")
        findings.unless(prices or found != 0, "where the catalogue tells no price the estimate is None, never 0", evidence)


def _check_model(dialect: Dialect, model: Model, operation: str, usual: Params, findings: Findings) -> None:
    """Check that a model can be ordered with the first of everything that it is said to take."""
    findings.unless(operation in dialect.operations, "models() speaks of the dialect's operations", f"{model.name}: {operation}")
    params = {"model": model.name.replace("*", "x"), **_first_values(dialect, model, usual)}
    tries = [
        [
            one
            for one in _complaints(dialect, params, operation, findings, prompt_chars=chars, references=references)
            if one.severity == "error"
        ]
        for chars in (20, 0)
        for references in (
            (),
            *(([Reference(role=dialect.roles[0], name="a", facts=facts)]) for facts in (None, _PICTURE) if dialect.roles),
        )
    ]
    told = "; ".join(f"{one.param}: {one.message}" for one in tries[0])
    promise = "every model passes complaints() with its first values"
    findings.unless(not all(tries), promise, f"{operation} with {params}: {told}")
    _estimate(dialect, params, operation, findings)


def _first_values(dialect: Dialect, model: Model, usual: Params) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, axis in _AXES.items():
        values = list(_literal(getattr(model, axis)))
        if getattr(model, axis) and name in dialect.params and (values or name in usual):
            found[name] = values[0] if values else usual[name]
    return found


def _literal(values: Sequence[str]) -> Iterator[str]:
    """Give the values that can be written; a range stands for its lower end, and a description for none."""
    for value in values:
        span = _RANGE.fullmatch(value)
        if span is not None:
            yield span[1]
        elif " " not in value and value != "any":
            yield value


def _sent(example: Example) -> list[Reference]:
    return [
        Reference(role=each.role, name=each.filename or each.role, facts=None if each.content is None else _PICTURE)
        for each in example.attachments
    ]
