"""A described vendor as the dialect holds it: a plain JSON mapping turned into typed parts, once.

The mapping was checked when the manifest was planned (``planning.vendors``), so reading it only picks and never judges.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from batchgen.api.pointers import amount
from batchgen.core.dialects import Way
from batchgen.core.money import Micros

Means = Literal["auth", "balance", "quota", "config", "throttled", "refused", "moderated", "busy", "unproven", "transient", "unknown"]
Phase = Literal["running", "done", "failed", "canceled"]

_PHASES: Final[tuple[Phase, ...]] = ("running", "done", "failed", "canceled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What an error means: ``statuses`` and ``words`` must both fit, and an empty one always does."""

    statuses: frozenset[int]
    words: tuple[str, ...]
    means: Means


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """How the references of one role travel, and how many an order takes."""

    ways: frozenset[Way]
    most: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """How an order is built, and where its answer names the task or holds the image."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    task_id: str
    urls: tuple[str, ...]
    base64: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """How a task is asked after; ``words`` are in lower case."""

    path: str
    status: str
    words: Mapping[str, Phase]
    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Where the result of a finished task stands, if not in the answer that says it is finished."""

    path: str
    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """One vendor. Without ``poll`` its answers to orders are the results."""

    name: str
    unit: str
    base_url: str
    key_env: str
    authorization: tuple[str, str]
    prices: Mapping[str, Micros | None]
    params: Mapping[str, str | tuple[str, ...]]
    roles: Mapping[str, Role]
    submit: Submit
    poll: Poll | None
    result: Result | None
    error: tuple[str, ...]
    rules: tuple[Rule, ...]
    cost: str | None
    result_ttl_s: float


def read(plain: Mapping[str, Any]) -> Description:
    """Turn a checked mapping into its typed parts."""
    submit, poll, result = plain["submit"], plain.get("poll"), plain.get("result")
    return Description(
        name=plain["name"],
        unit=plain["unit"],
        base_url=plain.get("base_url") or "",
        key_env=plain.get("api_key_env") or "",
        authorization=(plain["auth"]["header"], plain["auth"]["value"]),
        prices=_frozen({name: amount(model.get("price")) for name, model in plain["models"].items()}),
        params=_frozen({name: kind if isinstance(kind, str) else tuple(kind) for name, kind in plain["params"].items()}),
        roles=_frozen({name: Role(ways=frozenset(role["as"]), most=role.get("max")) for name, role in plain["references"].items()}),
        submit=_submit(submit),
        poll=None if poll is None else _poll(poll),
        result=None if result is None else Result(path=result["path"], urls=tuple(result["urls"])),
        error=tuple(plain["error"]),
        rules=tuple(_rule(rule) for rule in plain["errors"]),
        cost=plain.get("cost"),
        result_ttl_s=plain["result_ttl"],
    )


def _submit(plain: Mapping[str, Any]) -> Submit:
    return Submit(
        path=plain["path"],
        headers=_frozen(plain["headers"]),
        body=_frozen(plain["body"]),
        task_id=plain.get("task_id") or "",
        urls=tuple(plain["urls"]),
        base64=tuple(plain["base64"]),
    )


def _poll(plain: Mapping[str, Any]) -> Poll:
    words: dict[str, Phase] = {word.strip().lower(): phase for phase in _PHASES for word in plain["words"][phase]}
    return Poll(path=plain["path"], status=plain["status"], words=_frozen(words), urls=tuple(plain["urls"]))


def _rule(plain: Mapping[str, Any]) -> Rule:
    statuses: Sequence[int] = plain["status"]
    return Rule(statuses=frozenset(statuses), words=tuple(word.lower() for word in plain["matches"]), means=plain["means"])


def _frozen(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(mapping))
