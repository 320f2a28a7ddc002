"""The eight states of a job and the outcomes of an attempt. Each names the last thing that certainly happened."""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """The last certain fact about a job; the docstring of each member is the contract (DESIGN, "Job table")."""

    PLANNED = "planned"
    SUBMITTING = "submitting"
    AMBIGUOUS = "ambiguous"
    SUBMITTED = "submitted"
    RENDERED = "rendered"
    SAVED = "saved"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def meaning(self) -> str:
        """Give the one-line meaning shown in the README and in ``batchgen show``."""
        return MEANINGS[self]


MEANINGS: Final = {
    State.PLANNED: "the row exists; a later next_at means back-off",
    State.SUBMITTING: "intent and reservation are on disk; bytes may be out",
    State.AMBIGUOUS: "a POST went out and no trustworthy answer came back; counted as spent",
    State.SUBMITTED: "the task id is on disk",
    State.RENDERED: "the result URLs and their expiry are on disk",
    State.SAVED: "the file is published and re-hashed",
    State.FAILED: "ended without an image; the reason says why",
    State.CANCELLED: "dropped; the reason says by whom and why",
}

LIVE: Final = frozenset({State.SUBMITTING, State.SUBMITTED, State.RENDERED})
"""States in which a run has work in its hands."""


class Outcome(StrEnum):
    """What is known of one attempt (one POST)."""

    OPEN = "open"
    NOT_SENT = "not_sent"
    REFUSED = "refused"
    ACCEPTED = "accepted"
    AMBIGUOUS = "ambiguous"
    UNPROVEN = "unproven"
    NOT_BILLED = "not_billed"

    @property
    def is_chargeable(self) -> bool:
        """Say whether the attempt counts as money spent or reserved."""
        return self in {Outcome.OPEN, Outcome.ACCEPTED, Outcome.AMBIGUOUS, Outcome.UNPROVEN}
