"""Reach the vendor that a batch names: its dialect, its address and its key; or start the simulator in its place."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from batchgen.api.dialects import dialect_for, known_uses
from batchgen.core.errors import InputError, StopRunError
from batchgen.core.ports import Dialect, Rules
from batchgen.planning.settings import RunSettings
from batchgen.settings import Settings
from batchgen.sim.child import SimStartError, start_in_child
from batchgen.sim.options import options as sim_options

SIM_KEY: Final = "sk-simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """A vendor ready to be called. The key is in no repr."""

    dialect: Dialect
    base_url: str
    key: str = field(repr=False)


def rules_for(use: str) -> Rules | None:
    """Give the planner's view of the vendor that a manifest names."""
    return dialect_for(use)


def dialect_of(settings: RunSettings) -> Dialect:
    """Give the dialect of a batch; raise InputError when this program does not know it."""
    dialect = dialect_for(settings.provider.use)
    if dialect is None:
        raise InputError(f"provider.use: {settings.provider.use!r} is unknown; known are {', '.join(known_uses())}")
    return dialect


def require_key(run: RunSettings, settings: Settings) -> str:
    """Give the API key of a batch; raise StopRunError (exit 4) when its variable is not set."""
    if run.provider.use == "sim":
        return SIM_KEY
    key = settings.secret(run.provider.api_key_env)
    if key is None:
        message = f"the API key is missing: set {run.provider.api_key_env} in the environment, or name a file with --env-file"
        raise StopRunError(message, exit_code=4, reason="auth")
    return key


@contextmanager
def reached(run: RunSettings, settings: Settings, *, folder: Path) -> Iterator[Vendor]:
    """Give the vendor for the length of the block; ``use: sim`` starts the simulator and stops it again.

    The simulator keeps its billing ledger in ``folder``, so that the tasks of an interrupted run still exist in the next one.
    """
    key = require_key(run, settings)
    dialect = dialect_of(run)
    if run.provider.use != "sim":
        yield Vendor(dialect=dialect, base_url=run.provider.base_url, key=key)
        return
    words = [f"--{name}={value}" for name, value in run.provider.sim.items()]
    try:
        chosen = sim_options([*words, "--ledger", str(folder / f"{run.name}.sim-ledger.jsonl")], prog="provider.sim")
        simulator = start_in_child(chosen, log_path=folder / f"{run.name}.sim.log")
    except SystemExit:
        raise InputError(f"provider.sim: not the simulator's options: {' '.join(words)}; batchgen sim --help lists them") from None
    except SimStartError as error:
        raise StopRunError(str(error), exit_code=1, reason="simulator") from error
    with simulator:
        yield Vendor(dialect=dialect, base_url=simulator.url, key=key)
