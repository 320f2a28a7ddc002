"""Tell the life of one accepted task as a pure function of time; a synchronous call is a task that has ended."""

from dataclasses import dataclass

from batchgen.sim.billing import BillLine
from batchgen.sim.codes import MODERATED_MSG

COMPLETED = "completed"
ENDINGS = {
    "task.moderated": MODERATED_MSG,
    "task.failed_transient": "Read timed out",
    "task.failed_unknown": "upstream returned E7731",
    "task.canceled": "canceled",
}
_QUEUED_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Hold one charge from its creation to its end; `copy` counts equal bodies, instants are Unix seconds."""

    line: BillLine
    copy: int
    created_at: float
    starts_at: float
    ends_at: float

    @property
    def task_id(self) -> str:
        """Return the id that the client may or may not have been told."""
        return self.line.task_id

    def is_completed(self, now: float) -> bool:
        """Return whether the pictures can be fetched."""
        return self.line.ending == COMPLETED and now >= self.ends_at

    def at(self, now: float) -> dict[str, object]:
        """Return what a poll at this instant tells, but for the URLs of a completed task."""
        told: dict[str, object] = {
            "task_id": self.task_id,
            "model": self.line.model,
            "created_at": int(self.created_at),
            "cost": float(self.line.cost),
        }
        if now >= self.ends_at:
            return told | {"completed_at": int(self.ends_at)} | self._ended()
        done = (now - self.starts_at) / max(self.ends_at - self.starts_at, 1e-9)
        if done < _QUEUED_SHARE:
            return told | {"status": "queued", "progress": 0}
        return told | {"status": "processing", "progress": max(1, min(99, int(done * 100)))}

    def _ended(self) -> dict[str, object]:
        ending = self.line.ending
        if ending == COMPLETED:
            return {"status": COMPLETED, "progress": 100}
        if ending == ENDINGS["task.canceled"]:
            return {"status": "canceled", "progress": 0, "error_message": "", "cost": 0}
        return {"status": "failed", "progress": 0, "error_message": ending, "cost": 0}
