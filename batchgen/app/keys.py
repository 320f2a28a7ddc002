"""Several API keys of one batch: which one a run orders with, and when it is left for another."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final

from batchgen.app.clock import SystemClock
from batchgen.core.errors import StopRunError
from batchgen.planning.settings import KeySettings, ProviderSettings
from batchgen.settings import Settings
from batchgen.store import queries, runs
from batchgen.store.engine import Database

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


def chosen(database: Database, batch_id: int, keys: Sequence[KeySettings], *, retired: Collection[str]) -> KeySettings | None:
    """Give the key that the fewest runs of the batch order with now, those last that one has left lately; None when none is left."""
    at_work = Counter(run["key_name"] for run in queries.look(database, lambda c: runs.unended(c, batch_id)))
    since = SystemClock().now() - _LATELY
    left = queries.look(database, lambda c: runs.left_keys(c, batch_id, since=since, reasons=sorted(RETIRES)))
    open_ones = [key for key in keys if key.env not in retired]
    return min(open_ones, key=lambda key: (key.env in left, at_work[key.env]), default=None)
