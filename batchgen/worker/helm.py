"""Let a run follow what an operator asks of it from another shell."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from batchgen.core.exits import Exit
from batchgen.core.steering import NOW, Budget, Deadline, InFlight, Kind, Limit, Request, at_local, compared, upon
from batchgen.worker.bearing import Stop
from batchgen.worker.engine import Engine


@dataclass(slots=True, kw_only=True)
class Helm:
    """Steers one run. To follow a request twice is the same as once. ``go_on`` is what a person types to end a pause.

    ``narrow`` is told how many tasks this run may have alive of what it shares with others; None for its whole share.
    """

    engine: Engine
    unit: str
    go_on: str
    narrow: Callable[[int | None], None] = lambda _most: None
    _paused: str = ""
    """Why all runs of the batch are paused; empty while they are not, though this one may be."""

    def follow(self, request: Request, limits: Sequence[Limit] = ()) -> None:
        """Do what is asked, with an entry in the diary; ``limits`` is a request's argument, read."""
        match request.kind:
            case Kind.PAUSE:
                self._pause(request)
            case Kind.UNPAUSE:
                self._unpause(request)
            case Kind.STOP:
                self._stop(request)
            case Kind.LIMIT | Kind.START:
                self._limit(request, limits)
            case Kind.LOOK:
                self.engine.orderer.look_afresh()
        self.engine.bearing.wake.set()

    def _pause(self, request: Request) -> None:
        """Let no order out; those under way are finished, and what is paid for is asked after and fetched."""
        bearing = self.engine.bearing
        bearing.paused = f"paused by {request.actor} since {at_local(request.asked_at)}; go on with: {self.go_on}"
        if request.run_id is None:
            self._paused = bearing.paused
        self.engine.hold_back()
        bearing.log.warning("run.paused", by=request.actor, asked_at=request.asked_at.isoformat(), detail=bearing.paused)

    def _unpause(self, request: Request) -> None:
        """Let orders go out again; where one run of several is meant, not while all are paused."""
        bearing = self.engine.bearing
        if request.run_id is None:
            self._paused = ""
        if bearing.paused != self._paused:
            bearing.paused = self._paused
            bearing.log.warning("run.unpaused", by=request.actor, asked_at=request.asked_at.isoformat())

    def _stop(self, request: Request) -> None:
        """Order nothing more and end: at once, or when all that is paid for is there."""
        stop = Stop(exit_code=Exit.LIMIT, reason="stopped", message=f"{request.actor} asked for it at {at_local(request.asked_at)}")
        if request.argument == NOW:
            self.engine.drain(stop)
        else:
            self.engine.hold_back()
            self.engine.bearing.halt(stop)

    def _limit(self, request: Request, changes: Sequence[Limit]) -> None:
        """Work under other limits from now on; a run that a limit had stopped goes on if the new one lets it."""
        if request.run_id is not None:
            self._narrow(request, changes)
            return
        bearing, orderer = self.engine.bearing, self.engine.orderer
        before, now = bearing.limits, upon(bearing.limits, changes)
        bearing.limits = self.engine.steps.judge.limits = now
        orderer.places.keep_to(now, self.engine.steps.clock.monotonic())
        for change in changes:
            match change:
                case Budget():
                    bearing.lift("budget")
                    orderer.budget_at = 0.0
                case Deadline():
                    bearing.lift("deadline")
                case _:
                    pass
        differs = compared(before, now, self.unit) or "no change"
        bearing.log.warning("run.limited", by=request.actor, asked_at=request.asked_at.isoformat(), detail=differs)

    def _narrow(self, request: Request, changes: Sequence[Limit]) -> None:
        """Have fewer tasks alive than the share that this run has among others."""
        for change in changes:
            if isinstance(change, InFlight):
                self.narrow(change.most)
                told = "as many as its share" if change.most is None else f"at most {change.most}"
                self.engine.bearing.log.warning("run.narrowed", by=request.actor, asked_at=request.asked_at.isoformat(), detail=told)
