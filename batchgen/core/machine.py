"""The state machine of a job: one flat table, and the pure functions over it.

Theory of operation. A job is a row; what happens to it arrives as events; the table says which event is legal in which state and where it
leads. Two arrows matter more than the rest. ``SubmitStarted`` leads from ``planned`` to ``submitting`` and is on disk before a byte of the
order leaves. And nothing leads from ``submitting`` back to ``planned`` unless the vendor provably did nothing, or an event that is a
decision says who allowed a further purchase. A job's stored state is the fold of its events, starting at ``planned``.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from batchgen.core import events as e
from batchgen.core.errors import IllegalTransitionError
from batchgen.core.states import State

_ANSWERED: Final = (State.PLANNED, State.AMBIGUOUS, State.SUBMITTED, State.RENDERED, State.FAILED)
"""Where a job may stand once an answer about it was read."""

TABLE: Final[Mapping[tuple[State, type[e.Event]], State]] = MappingProxyType(
    {
        (State.PLANNED, e.SubmitStarted): State.SUBMITTING,
        (State.PLANNED, e.JobCancelled): State.CANCELLED,
        (State.PLANNED, e.JobRetired): State.CANCELLED,
        (State.SUBMITTING, e.SubmitNotSent): State.PLANNED,
        (State.SUBMITTING, e.SubmitRefused): State.PLANNED,
        (State.SUBMITTING, e.SubmitUnproven): State.PLANNED,
        (State.SUBMITTING, e.SubmitUnreachable): State.FAILED,
        (State.SUBMITTING, e.SubmitRejected): State.FAILED,
        (State.SUBMITTING, e.SubmitGivenUp): State.FAILED,
        (State.SUBMITTING, e.SubmitUnknown): State.AMBIGUOUS,
        (State.SUBMITTING, e.SubmitAccepted): State.SUBMITTED,
        (State.AMBIGUOUS, e.TaskAttached): State.SUBMITTED,
        (State.AMBIGUOUS, e.ResubmitAllowed): State.PLANNED,
        (State.AMBIGUOUS, e.BillingDisproved): State.PLANNED,
        (State.AMBIGUOUS, e.JobAbandoned): State.CANCELLED,
        (State.SUBMITTED, e.TaskStalled): State.SUBMITTED,
        (State.SUBMITTED, e.RenderFinished): State.RENDERED,
        (State.SUBMITTED, e.RenderFailed): State.FAILED,
        (State.RENDERED, e.DownloadDeferred): State.RENDERED,
        (State.RENDERED, e.FreshUrlWanted): State.SUBMITTED,
        (State.RENDERED, e.ImagesStaged): State.RENDERED,
        (State.RENDERED, e.ImagesSaved): State.SAVED,
        (State.RENDERED, e.DownloadFailed): State.FAILED,
        (State.FAILED, e.RetryAllowed): State.PLANNED,
        (State.FAILED, e.RenderFinished): State.RENDERED,
        (State.CANCELLED, e.RetryAllowed): State.PLANNED,
        (State.CANCELLED, e.JobRestored): State.PLANNED,
        **{(state, e.DriftSeen): state for state in _ANSWERED},
    }
)

EVENTS: Final[Mapping[str, type[e.Event]]] = MappingProxyType({event.word(): event for _, event in TABLE})
"""Every event class by the word it is stored under."""


def advance(state: State, event: e.Event) -> State:
    """Give the state after the event, or raise IllegalTransitionError; nothing is changed either way."""
    return _next(state, type(event))


def fold(words: Iterable[str]) -> State:
    """Replay the stored event words of one job, oldest first, and give the state they lead to.

    Raises IllegalTransitionError at the first word that its state does not allow or that no event has.
    """
    state = State.PLANNED
    for word in words:
        if word not in EVENTS:
            msg = f"no event is called {word!r}"
            raise IllegalTransitionError(msg)
        state = _next(state, EVENTS[word])
    return state


def edges() -> frozenset[tuple[State, State]]:
    """Give every pair of states that some event joins."""
    return frozenset((before, after) for (before, _), after in TABLE.items())


def mermaid() -> str:
    """Draw the table as a Mermaid state diagram, one line an edge, the events as its label."""
    labels: dict[tuple[State, State], list[str]] = {}
    for (before, event), after in TABLE.items():
        labels.setdefault((before, after), []).append(event.__name__)
    lines = [f"    {before} --> {after}: {', '.join(names)}" for (before, after), names in labels.items()]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {State.PLANNED}", *lines, f"    {State.SAVED} --> [*]"])


def _next(state: State, event: type[e.Event]) -> State:
    try:
        return TABLE[state, event]
    except KeyError:
        msg = f"{event.__name__} is not possible for a job that is {state}"
        raise IllegalTransitionError(msg) from None
