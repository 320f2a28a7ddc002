"""Check ``provider:`` and ``notify:``: the only sections that read the environment. Values are never quoted in a message."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Final
from urllib.parse import urlsplit

from batchgen.core.dialects import Rules
from batchgen.core.hosts import is_loopback_host
from batchgen.planning.describing import read_vendor
from batchgen.planning.findings import SECRET, Findings, did_you_mean
from batchgen.planning.manifest import Manifest, Provider
from batchgen.planning.notices import webhook_objection
from batchgen.planning.reader import Node, Path
from batchgen.planning.settings import (
    CapSettings,
    KeySettings,
    NotifySettings,
    ProviderSettings,
    UnsetVariableError,
    expanded,
    variables_of,
)
from batchgen.planning.templates import TemplateRefusedError, Text

RulesFor = Callable[[str, Mapping[str, object] | None], Rules | None]
"""Gives the rules of a provider by its word and, for a described one, its description."""

KNOWN_USES: Final = ("jimmyai", "sim", "jimmyai-video", "openai", "http")
DESCRIBED: Final = "http"
"""The word of providers that a description makes."""
NOTIFY_VARIABLES: Final = ("batch", "event", "summary")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY_LIKE: Final = re.compile(r"(?=.*[a-z])(?=.*[0-9])[A-Za-z0-9_]{20,}")
_PARTS: Final = re.compile(r"\$\{\w+|[/?&=#:.}]")
_SECRET_PART: Final = re.compile(r"(?=.*[A-Za-z])(?=.*[0-9])[A-Za-z0-9_-]{20,}")
"""A part of a webhook's address that nobody would think of: a token, or a topic that only its owner knows."""
_LONGEST_URL: Final = 2000
_KEY_HINT: Final = "put the key into an environment variable and its name here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendors:
    """What planning is told of vendors: their rules, the words they go by, and the folder of the descriptions that are shipped."""

    rules_for: RulesFor
    known_uses: Sequence[str] = KNOWN_USES
    shipped: FilePath | None = None


def check_provider(
    manifest: Manifest, findings: Findings, environ: Mapping[str, str], vendors: Vendors, *, folder: FilePath
) -> tuple[ProviderSettings, Rules | None]:
    """Resolve the provider section and find the vendor's rules; None when a description is needed and cannot be used."""
    section = manifest.provider
    _refuse_secrets(findings)
    reader = _Reader(findings, environ)
    use = reader.read(section.use, ("provider", "use")) or ""
    vendor = _description(section, use, reader, folder, vendors)
    rules = None if use == DESCRIBED and vendor is None else vendors.rules_for(use, vendor)
    if rules is None and use != DESCRIBED:
        message = f"unknown provider; there are {', '.join(vendors.known_uses)}"
        findings.error("E103", message, ("provider", "use"), hint=did_you_mean(use, vendors.known_uses))
        rules = vendors.rules_for(vendors.known_uses[0], None)
    keys = _keys(section, findings, reader)
    written = keys[0].env if keys else _written_or(section.api_key_env, rules.key_env if rules else None, "api_key_env", reader) or ""
    settings = ProviderSettings(
        use=use,
        api_key_env=written if keys else _key_name(written, findings),
        keys=keys,
        base_url=reader.as_url(
            _written_or(section.base_url, rules.base_url if rules else None, "base_url", reader), ("provider", "base_url")
        ),
        sync_base_url=None if section.sync_base_url is None else reader.read_url(section.sync_base_url, ("provider", "sync_base_url")),
        sim={key: reader.read(value, ("provider", "sim", key)) or "" for key, value in section.sim.items()},
        vendor=vendor,
        prices=section.prices,
    )
    return settings, rules


def provider_of(use: str, rules: Rules, environ: Mapping[str, str]) -> ProviderSettings:
    """Give the provider of a dialect as a manifest that says nothing more would have it; raise ValueError for an address that cannot be."""
    return ProviderSettings(use=use, api_key_env=rules.key_env, base_url=base_url(expanded(rules.base_url, environ)))


def check_notify(
    manifest: Manifest, findings: Findings, environ: Mapping[str, str], provider: ProviderSettings
) -> tuple[NotifySettings, ...]:
    """Check commands and webhooks; they are kept as written and filled in when they are used."""
    reader, key_env = _Reader(findings, environ), provider.api_key_env
    for number, notice in enumerate(manifest.notify):
        for place, word in enumerate(notice.command or ()):
            _check_word(word, ("notify", number, "command", place), reader, key_env)
        if notice.webhook is not None:
            _check_webhook(notice.webhook, ("notify", number, "webhook"), reader, provider)
    return tuple(
        NotifySettings(events=notice.events, command=notice.command or (), webhook=notice.webhook, stalled_after_s=notice.stalled_after)
        for notice in manifest.notify
    )


def _check_word(word: str, at: Path, reader: "_Reader", key_env: str) -> None:
    reader.read(word, at, is_stored=False)
    if key_env in variables_of(word):
        reader.findings.error("E110", "the API key must not stand in a command, where every user of this machine can read it", at)
    try:
        Text(word, known=NOTIFY_VARIABLES)
    except TemplateRefusedError as error:
        code = "E502" if error.unknown else "E501"
        reader.findings.error(code, str(error), at, hint=did_you_mean(error.unknown, NOTIFY_VARIABLES))


def _check_webhook(written: str, at: Path, reader: "_Reader", provider: ProviderSettings) -> None:
    address = reader.read(written, at, is_stored=False)
    if provider.api_key_env in variables_of(written):
        reader.findings.error("E110", "the API key must not stand in an address, which others get to see", at)
    if any(_SECRET_PART.fullmatch(part) for part in _PARTS.split(written)):
        hint = "put that part into an environment variable and write ${VAR}"
        reader.findings.error("E110", "the address holds what looks like a secret; the manifest is kept in the job database", at, hint=hint)
    objection = None if address is None else webhook_objection(address, is_local=provider.is_on_loopback)
    if objection is not None:
        reader.findings.error("E113", objection, at)


def base_url(address: str) -> str:
    """Normalise an API address; raise ValueError with a sentence that does not quote it."""
    if not address.isascii() or not address.isprintable() or " " in address or len(address) > _LONGEST_URL:
        raise ValueError("an address must be printable ASCII without spaces")
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("not a well-formed address") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError("an address must begin with https:// and a host")
    if parts.scheme == "http" and not is_loopback_host(host):
        raise ValueError("http is allowed on loopback only; use https")
    if "@" in parts.netloc or "?" in address or "#" in address:
        raise ValueError("an address must not hold a user, a query or a fragment")
    return address.rstrip("/")


def _description(section: Provider, use: str, reader: "_Reader", folder: FilePath, vendors: Vendors) -> dict[str, Any] | None:
    """Read the vendor's description where the provider needs one."""
    findings, written = reader.findings, section.vendor
    provider = findings.tree.find(("provider",)) if findings.tree is not None else None
    if written is None:
        if use == DESCRIBED and not (provider is not None and "vendor" in provider.gaps):
            hint = "describe the vendor there, or name a file that does"
            findings.error("E105", "the key 'vendor' is missing", ("provider", "use"), hint=hint)
        return None
    if use != DESCRIBED:
        findings.error("E111", f"'vendor' needs use: {DESCRIBED}", ("provider", "vendor"), on_key=True)
        return None
    path = reader.read(written, ("provider", "vendor")) if isinstance(written, str) else written
    return None if path is None else read_vendor(path, findings, folder, shipped=vendors.shipped, taken=vendors.known_uses)


class _Reader:
    """Fill in environment variables, and report those that are not set."""

    def __init__(self, findings: Findings, environ: Mapping[str, str]) -> None:
        self.findings: Final = findings
        self._environ = environ

    def read(self, text: str, at: Path, *, is_stored: bool = True) -> str | None:
        """Fill a text in; one that is stored with the plan must not turn into a key."""
        try:
            value = expanded(text, self._environ)
        except UnsetVariableError as error:
            hint = f"set it, or write ${{{error.name}:-default}}"
            self.findings.error("E112", str(error), at, hint=hint)
            return None
        if is_stored and value != text and (SECRET.search(value) or _KEY_LIKE.fullmatch(value)):
            self.findings.error("E110", "the variable holds what looks like a key", at, hint=_KEY_HINT)
            return None
        return value

    def read_url(self, text: str, at: Path) -> str:
        """Fill an address in and normalise it; empty when it was told that it cannot be used."""
        return self.as_url(self.read(text, at), at)

    def as_url(self, address: str | None, at: Path) -> str:
        """Normalise an address that is filled in; empty when there is none to speak of."""
        try:
            return "" if address is None else base_url(address)
        except ValueError as error:
            self.findings.error("E113", str(error), at)
            return ""


def _written_or(written: str | None, usual: str | None, key: str, reader: _Reader) -> str | None:
    """Fill in what the manifest says or the dialect's own; tell when a vendor that is known has none and the manifest does not say."""
    if written is not None:
        return reader.read(written, ("provider", key))
    if usual == "":
        reader.findings.error("E105", f"the key {key!r} is missing", ("provider", "use"), hint="this vendor has none of its own")
    return reader.read(usual, ("provider", key)) if usual else None


def _keys(section: Provider, findings: Findings, reader: "_Reader") -> tuple[KeySettings, ...]:
    """Read several keys, each named once, and none beside them."""
    if section.keys and section.api_key_env is not None:
        findings.error("E105", "stands beside 'keys'; write its variable as one of them", ("provider", "api_key_env"))
    keys: list[KeySettings] = []
    for number, key in enumerate(section.keys):
        at = ("provider", "keys", number, "env")
        env = _key_name(reader.read(key.env, at) or "", findings, at)
        if env in {known.env for known in keys}:
            findings.error("E105", f"the key {env} is named twice", at)
        cap = CapSettings(cost=key.budget.cost, jobs=key.budget.jobs)
        keys.append(KeySettings(env=env, in_flight=key.in_flight, submits_per_s=key.submit_rate, budget=cap))
    return tuple(keys)


def _key_name(word: str, findings: Findings, at: Path = ("provider", "api_key_env")) -> str:
    if _KEY_LIKE.fullmatch(word):
        findings.error("E110", "this looks like a key, not like a variable's name", at, hint=_KEY_HINT)
    elif word and not _NAME.fullmatch(word) and not SECRET.search(word):
        findings.error("E103", "must be the name of an environment variable", at, hint=_KEY_HINT)
    return word


def _refuse_secrets(findings: Findings) -> None:
    """Report anything that looks like a key, wherever the manifest is not a prompt."""
    for section in ("provider", "notify", "metadata", "tags", "name", "output"):
        node = findings.tree.find((section,)) if findings.tree is not None else None
        for place in _secrets(node) if node is not None else ():
            findings.elsewhere(
                "E110",
                "this looks like a key; a key must not stand in a manifest",
                findings.shown_path,
                place.line,
                place.column,
                hint=_KEY_HINT,
            )


def _secrets(node: Node) -> list[Node]:
    if isinstance(node.value, str):
        return [node] if SECRET.search(node.value) else []
    children = node.value.values() if isinstance(node.value, dict) else node.value
    return [place for child in children for place in _secrets(child)]
