"""Errors, sorted by what the caller can do about them.

::

    BatchgenError
    ├── InputError                fix the input: manifest, option, key on the command line        exit 2
    │   └── ManifestError         all located problems of a manifest at once
    ├── ExchangeError             look at the exchange; ``sent`` says whether bytes may be out
    │   ├── NotSentError          provably nothing was sent: safe to try again
    │   ├── OutcomeUnknownError   the request may have been carried out: never send it again blindly
    │   └── DownloadError         a result could not be fetched; a new GET costs nothing
    ├── StoreError                look at the database                                            exit 7
    │   ├── StoreAwayError        the database is busy or out of reach, and may come back
    │   ├── StaleJobError         somebody else moved the job first; nothing was written
    │   ├── BudgetReachedError    the reservation does not fit under the cap; nothing was written  exit 5
    │   ├── LockedError           another runner holds the database                               exit 8
    │   ├── LeaseLostError        this run was taken for dead: its work is others' now             exit 8
    │   └── SchemaError           the database is newer, foreign or damaged
    ├── FileError                 look at the disk                                                exit 7
    │   ├── StorageRefusedError   look at the credentials of the object storage                   exit 4
    │   ├── BadImageError         the bytes are not the image that was ordered; fetch again
    │   └── PathTakenError        a file with other bytes stands at the place
    ├── StopRunError              the run must stop; ``exit_code`` and ``reason`` say how
    └── IllegalTransitionError    our bug: an event that its state does not allow                 exit 1
"""

from collections.abc import Sequence
from typing import Final

from batchgen.core.exits import Exit
from batchgen.core.problems import Problem


class BatchgenError(Exception):
    """Root of all errors that batchgen raises on purpose."""

    exit_code: int = Exit.BUG


class InputError(BatchgenError):
    """The user's input cannot be used as it is; nothing was changed."""

    exit_code = Exit.INPUT


class ManifestError(InputError):
    """A manifest cannot be planned; ``problems`` holds every located reason."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems: Final = tuple(problems)


class ExchangeError(BatchgenError):
    """An exchange with a vendor did not end in a readable answer."""

    sent: bool = True

    def __init__(self, message: str, *, host: str = "") -> None:
        super().__init__(message)
        self.host: Final = host


class NotSentError(ExchangeError):
    """The request provably never left this machine (DNS, refused connection, TLS)."""

    sent = False


class OutcomeUnknownError(ExchangeError):
    """Bytes may have reached the vendor and no trustworthy answer came back."""


class DownloadError(ExchangeError):
    """A result could not be fetched.

    ``expired`` means that the URL itself is dead (403, 404, 410), ``forbidden`` that our own guard refused its address.
    """

    def __init__(self, message: str, *, host: str = "", expired: bool = False, forbidden: bool = False) -> None:
        super().__init__(message, host=host)
        self.expired: Final = expired
        self.forbidden: Final = forbidden


class StoreError(BatchgenError):
    """The job database cannot be used or did not take a change."""

    exit_code = Exit.STORAGE


class StoreAwayError(StoreError):
    """The database is busy or cannot be reached, which may pass by itself."""


class StaleJobError(StoreError):
    """The job was no longer in the expected state and version; nothing was written for it."""


class BudgetReachedError(StoreError):
    """The reservation does not fit under the cap; nothing was written.

    ``is_final`` is false while open reservations may still be released. With ``model`` only that model's orders have reached a cap, with
    ``of_key`` only those of the run's API key.
    """

    exit_code = Exit.LIMIT

    def __init__(self, message: str, *, is_final: bool, model: str | None = None, of_key: bool = False) -> None:
        super().__init__(message)
        self.is_final: Final = is_final
        self.model: Final = model
        self.of_key: Final = of_key


class LockedError(StoreError):
    """Another runner holds the database."""

    exit_code = Exit.LOCKED


class LeaseLostError(StoreError):
    """The run was silent for too long and was taken for dead; nothing was written, and nothing of its work is its own any more."""

    exit_code = Exit.LOCKED


class SchemaError(StoreError):
    """The database is newer than this program, foreign, or damaged."""


class FileError(BatchgenError):
    """The disk did not take or give a file."""

    exit_code = Exit.STORAGE


class StorageRefusedError(FileError):
    """An object storage did not take our credentials, or there are none."""

    exit_code = Exit.AUTH


class BadImageError(FileError):
    """Received bytes are not a whole, decodable image; ``reason`` is a short word for the record."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason: Final = reason


class PathTakenError(FileError):
    """A file with other bytes already stands at the final path; it was left alone."""


class StopRunError(BatchgenError):
    """The run must stop for a reason the operator can act on."""

    def __init__(self, message: str, *, exit_code: int, reason: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.reason: Final = reason


class IllegalTransitionError(BatchgenError):
    """An event arrived that the job's state does not allow: a bug of ours."""
