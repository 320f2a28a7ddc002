"""What vendors' answers hold that their dialects have never heard of: told once a kind and run, and never a failure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from batchgen.core import events as e
from batchgen.core.jobs import JobId


@dataclass(slots=True)
class Drift:
    """Keeps what is new until the job that brought it is recorded."""

    _seen: set[str] = field(default_factory=set)
    _new: dict[JobId, list[str]] = field(default_factory=dict)

    def note(self, job_id: JobId, names: Iterable[str]) -> None:
        """Keep those of the names that no answer of this run has held before."""
        new = [name for name in dict.fromkeys(names) if name not in self._seen]
        if new:
            self._seen.update(new)
            self._new.setdefault(job_id, []).extend(new)

    def take(self, job_id: JobId) -> list[e.DriftSeen]:
        """Give what the job's answers brought, as events to record, and forget it."""
        return [_event(name) for name in self._new.pop(job_id, ())]


def _event(name: str) -> e.DriftSeen:
    """Split ``field data.eta`` into the kind and what it is about."""
    kind, _, what = name.partition(" ")
    return e.DriftSeen(reason=kind, detail=what)
