"""Reach the vendor that a batch names: its dialect, its address and its key; or start the simulator in its place."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from batchgen.api.dialects import dialect_for, known_uses, plugins
from batchgen.api.endpoint import Endpoint
from batchgen.core.dialects import Dialect, Rules
from batchgen.core.errors import InputError, StopRunError
from batchgen.planning.findings import did_you_mean
from batchgen.planning.settings import ProviderSettings, RunSettings
from batchgen.settings import Settings
from batchgen.sim.child import SimStartError, start_in_child
from batchgen.sim.options import options as sim_options

SIM_KEY: Final = "sk-simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """A vendor ready to be called."""

    dialect: Dialect
    endpoint: Endpoint


def rules_for(use: str, vendor: Mapping[str, object] | None = None) -> Rules | None:
    """Give the planner's view of the vendor that a manifest names, and for ``use: http`` describes; None for a word nobody knows.

    Raises InputError for a plugin that cannot be used.
    """
    return dialect_for(use, vendor) or _from_plugin(use)


def dialect_named(use: str, vendor: Mapping[str, object] | None = None) -> Dialect:
    """Give the dialect of a word; raise InputError when there is none, it needs a description, or is a plugin's that cannot be used."""
    if use == plugins.DESCRIBED and vendor is None:
        raise InputError(f"{use!r} is a vendor that a manifest describes: name the manifest, as in batchgen account MANIFEST")
    dialect = dialect_for(use, vendor) or _from_plugin(use)
    if dialect is None:
        known = f"{did_you_mean(use, known_uses())} known are {', '.join(known_uses())}".lstrip()
        raise InputError(f"provider.use: {use!r} is unknown; {known}")
    return dialect


def dialect_of(provider: ProviderSettings) -> Dialect:
    """Give the dialect of a batch; raises as ``dialect_named``."""
    return dialect_named(provider.use, provider.vendor)


def unit_of(provider: ProviderSettings) -> str:
    """Give the unit of a batch's money; empty for a vendor whose language is not here any more."""
    try:
        return dialect_of(provider).unit
    except InputError:
        return ""


def _from_plugin(use: str) -> Dialect | None:
    plugin = plugins.load(use)
    if plugin is not None and plugin.dialect is None:
        raise InputError(f"provider.use: the plugin {use!r} ({plugin.origin}) cannot be used: {plugin.trouble}")
    return None if plugin is None else plugin.dialect


def require_key(provider: ProviderSettings, settings: Settings) -> str:
    """Give the API key of a batch; raise StopRunError (exit 4) when its variable is not set."""
    if provider.use == "sim":
        return SIM_KEY
    here = [other.env for other in provider.keys if settings.secret(other.env) is not None]
    key = settings.secret(provider.api_key_env) or (settings.secret(here[0]) if here else None)
    if key is None:
        message = f"the API key is missing: set {provider.api_key_env} in the environment, or name a file with --env-file"
        raise StopRunError(message, exit_code=4, reason="auth")
    return key


def endpoint_of(provider: ProviderSettings, dialect: Dialect, *, key: str | None) -> Endpoint:
    """Give the address of a batch's vendor; a vendor's own second address serves synchronous calls unless the manifest names another."""
    base_url = provider.base_url
    return Endpoint(
        base_url=base_url,
        key=key,
        sync_base_url=provider.sync_base_url or dialect.sync_hosts.get(base_url),
        api_path=dialect.api_path,
        authorization=dialect.authorization,
    )


@contextmanager
def reached(run: RunSettings, settings: Settings, *, folder: Path) -> Iterator[Vendor]:
    """Give the vendor for the length of the block; ``use: sim`` starts the simulator and stops it again.

    The simulator keeps its billing ledger in ``folder``, so that the tasks of an interrupted run still exist in the next one.
    """
    provider = run.provider
    key, dialect = require_key(provider, settings), dialect_of(provider)
    endpoint = endpoint_of(provider, dialect, key=key)
    if provider.use != "sim":
        yield Vendor(dialect=dialect, endpoint=endpoint)
        return
    words = [f"--{name}={value}" for name, value in provider.sim.items()]
    try:
        chosen = sim_options([*words, "--ledger", str(folder / f"{run.name}.sim-ledger.jsonl")], prog="provider.sim")
        simulator = start_in_child(chosen, log_path=folder / f"{run.name}.sim.log")
    except SystemExit:
        raise InputError(f"provider.sim: not the simulator's options: {' '.join(words)}; batchgen sim --help lists them") from None
    except SimStartError as error:
        raise StopRunError(str(error), exit_code=1, reason="simulator") from error
    with simulator:
        yield Vendor(dialect=dialect, endpoint=replace(endpoint, base_url=simulator.url, sync_base_url=None))
