"""Everything of a manifest that a run or a resume needs, without the manifest. Stored with the plan as JSON."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from batchgen.core.dialects import ImageFacts
from batchgen.core.hosts import is_loopback_host
from batchgen.core.limits import AmbiguousPolicy, Cap, Limits, Pace
from batchgen.core.money import to_micros
from batchgen.core.retry import Backoff
from batchgen.planning.scalars import clock_time

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)


class CapSettings(_Part):
    """How much may be bought: a decimal text in the provider's unit, and a number of orders."""

    cost: str | None = None
    jobs: int | None = None

    @property
    def cap(self) -> Cap | None:
        """Give the limit; None where there is none."""
        if self.cost is None and self.jobs is None:
            return None
        return Cap(cost=None if self.cost is None else to_micros(Decimal(self.cost)), orders=self.jobs)


class KeySettings(_Part):
    """One of several keys: the name of its variable, and limits of its own where it has any."""

    env: str
    in_flight: int | None = None
    submits_per_s: float | None = None
    budget: CapSettings = CapSettings()


class ProviderSettings(_Part):
    """Who draws. ``api_key_env`` is the name of a variable, never a key, of ``keys`` the first; ``sim`` are options of the simulator.

    ``vendor`` is the description of a vendor in plain JSON, ``prices`` the user's own decimals by model.
    """

    use: str
    api_key_env: str
    base_url: str
    sync_base_url: str | None = None
    sim: Mapping[str, str] = Field(default_factory=dict)
    vendor: Mapping[str, Any] | None = None
    prices: Mapping[str, str] = Field(default_factory=dict)
    keys: tuple[KeySettings, ...] = ()
    """Where there are several."""

    @property
    def is_on_loopback(self) -> bool:
        """Say whether the vendor is on this machine, which alone lets anything else that is reached be there, too."""
        addresses = [self.base_url] if self.sync_base_url is None else [self.base_url, self.sync_base_url]
        return self.use == "sim" or all(is_loopback_host(urlsplit(address).hostname or "") for address in addresses)


class OutputSettings(_Part):
    """Where files go: ``dir`` is an absolute POSIX path or an address (see ``core.places``), ``name`` the template below it."""

    dir: str
    name: str
    sidecar: bool


class ReferenceSettings(_Part):
    """A declared reference image: an absolute path with its hash and, where it was measured, its facts; or an address."""

    path: str | None = None
    sha256: str | None = None
    url: str | None = None
    send: Literal["auto", "base64", "upload"]
    media_type: str | None = None
    bytes: int | None = None
    width: int | None = None
    height: int | None = None
    has_alpha: bool | None = None

    @property
    def facts(self) -> ImageFacts | None:
        """Give what was measured; None for an address, and where nothing was."""
        if self.media_type is None:
            return None
        return ImageFacts(
            media_type=self.media_type,
            bytes=self.bytes or 0,
            width=self.width or 0,
            height=self.height or 0,
            has_alpha=bool(self.has_alpha),
        )


class NotifySettings(_Part):
    """A command or a webhook for some events, as written: ``${VAR}`` and ``{{ }}`` are filled in when it is used, and never stored."""

    events: tuple[str, ...]
    command: tuple[str, ...] = ()
    webhook: str | None = None
    stalled_after_s: float = 900.0


class PaceSettings(_Part):
    """Limits of one model."""

    in_flight: int | None = None
    submits_per_s: float | None = None
    budget: CapSettings = CapSettings()


class RunSettings(_Part):
    """One batch's settings. Durations in seconds, money as a decimal text in the provider's unit."""

    name: str
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = Field(default_factory=dict)
    provider: ProviderSettings
    output: OutputSettings
    references: Mapping[str, ReferenceSettings] = Field(default_factory=dict)
    in_flight: int | None = None
    """None: as many as the vendor is found to bear."""
    submits_per_s: float | None = None
    per_model: Mapping[str, PaceSettings] = Field(default_factory=dict)
    submit_timeout_s: float
    task_timeout_s: float
    download_timeout_s: float
    budget_cost: str | None = None
    budget_jobs: int | None = None
    budget_day: CapSettings = CapSettings()
    deadline: str | None = None
    halt_after_failures: int | None = None
    operations: tuple[str, ...] = ()
    """What its rows order, as far as the latest plan knows."""
    order: Literal["by_sample", "by_prompt", "by_cell", "coverage", "shuffle"] = "by_sample"
    shuffle_seed: int = 0
    on_ambiguous: AmbiguousPolicy = "hold"
    attempts: int
    backoff_initial_s: float
    backoff_max_s: float
    notify: tuple[NotifySettings, ...] = ()

    def to_json(self) -> str:
        """Write the settings as JSON."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote."""
        return cls.model_validate_json(text)

    def under(self, key: KeySettings) -> Self:
        """Give the settings of a run that orders with one of several keys: its limits take the place of those for each key."""
        own = {"in_flight": key.in_flight, "submits_per_s": key.submits_per_s}
        provider = self.provider.model_copy(update={"api_key_env": key.env})
        return self.model_copy(update={"provider": provider} | {name: value for name, value in own.items() if value is not None})

    @property
    def key(self) -> KeySettings | None:
        """Give the key of several that these settings order with; None where there is but one."""
        return next((key for key in self.provider.keys if key.env == self.provider.api_key_env), None)

    def limits(self, *, now: datetime) -> Limits:
        """Give the limits of a run that starts at ``now`` (aware); a time of day becomes the next such local time."""
        return Limits(
            pace=Pace(in_flight=self.in_flight, submits_per_s=self.submits_per_s),
            per_model={model: Pace(in_flight=pace.in_flight, submits_per_s=pace.submits_per_s) for model, pace in self.per_model.items()},
            submit_timeout_s=self.submit_timeout_s,
            task_timeout_s=self.task_timeout_s,
            download_timeout_s=self.download_timeout_s,
            budget_cost=None if self.budget_cost is None else to_micros(Decimal(self.budget_cost)),
            budget_jobs=self.budget_jobs,
            model_caps={model: cap for model, pace in self.per_model.items() if (cap := pace.budget.cap) is not None},
            day_cap=self.budget_day.cap,
            key_cap=None if self.key is None else self.key.budget.cap,
            deadline=None if self.deadline is None else deadline_after(self.deadline, now),
            halt_after_failures=self.halt_after_failures,
            attempts=self.attempts,
            backoff=Backoff(initial_s=self.backoff_initial_s, max_s=self.backoff_max_s),
            on_ambiguous=self.on_ambiguous,
        )


def deadline_after(word: str, now: datetime) -> datetime:
    """Give the instant that a deadline means for a run that starts at ``now``.

    A time of day is the next such time on the local clock; an instant without an offset is local too. The answer is aware.
    """
    at = clock_time(word)
    if at is None:
        return datetime.fromisoformat(word).astimezone(now.tzinfo)
    today = now.astimezone().date()
    candidates = (datetime.combine(today + timedelta(days=days), at).astimezone() for days in (0, 1, 2))
    return next(instant for instant in candidates if instant > now).astimezone(now.tzinfo)


class UnsetVariableError(LookupError):
    """A ``${VAR}`` names a variable that is not set and gives no default."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the environment variable {name!r} is not set")
        self.name: Final = name


def expanded(text: str, environ: Mapping[str, str]) -> str:
    """Fill in ``${VAR}`` and ``${VAR:-default}``; raise UnsetVariableError. An empty variable takes the default."""

    def value(match: re.Match[str]) -> str:
        name, default = match.groups()
        if found := environ.get(name, ""):
            return found
        if default is None:
            raise UnsetVariableError(name)
        return str(default)

    return _VARIABLE.sub(value, text)


def variables_of(text: str) -> frozenset[str]:
    """Name the variables that ``expanded`` reads."""
    return frozenset(match[1] for match in _VARIABLE.finditer(text))
