"""Several API keys of one batch: which one a run orders with, and when it is left for another."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final

from batchgen.app.processes import this_process
from batchgen.core.errors import StopRunError
from batchgen.planning.settings import KeySettings, ProviderSettings
from batchgen.settings import Settings
from batchgen.store import runs
from batchgen.store.writer import DatabaseThread

RETIRES: Final = frozenset({"auth", "balance", "quota", "key_budget"})
"""Why a run leaves its key to the vendor's mercy, and may go on with another one."""
_LATELY: Final = timedelta(minutes=15)


def keys_here(provider: ProviderSettings, settings: Settings) -> Sequence[KeySettings]:
    """Give those of several keys that this machine has, nothing where there is but one; raise StopRunError (exit 4) when it has none."""
    found = [key for key in provider.keys if settings.secret(key.env) is not None]
    if provider.keys and not found:
        names = ", ".join(key.env for key in provider.keys)
        raise StopRunError(f"none of the API keys is here: set one of {names}, or name a file with --env-file", exit_code=4, reason="auth")
    return found


def begun(
    thread: DatabaseThread, batch_id: int, keys: Sequence[KeySettings], *, left: Collection[str], lease_s: float | None
) -> tuple[KeySettings, int] | None:
    """Begin a run with the key that the fewest runs of the batch order with now, and give both; None when all keys are ``left``.

    Keys that a run has left lately come last. Of several processes that begin at once each sees what the one before has taken.
    """
    open_ones = [key for key in keys if key.env not in left]
    if not open_ones:
        return None
    wanted = [this_process(key_name=key.env) for key in open_ones]
    left_for = sorted(RETIRES)
    started = thread.call(lambda c: runs.start_one_of(c, wanted, batch_id=batch_id, avoids=left_for, within=_LATELY, lease_s=lease_s))
    number, run_id = started.result()
    return open_ones[number], run_id
