"""The error tree."""

import re

import pytest

from batchgen.core import errors
from batchgen.core.errors import (
    BadImageError,
    BatchgenError,
    BudgetReachedError,
    DownloadError,
    ExchangeError,
    FileError,
    IllegalTransitionError,
    InputError,
    LockedError,
    ManifestError,
    NotSentError,
    OutcomeUnknownError,
    PathTakenError,
    SchemaError,
    StaleJobError,
    StopRunError,
    StoreError,
)
from batchgen.core.problems import Problem

_TREE = errors.__doc__ or ""
_CLASSES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, BatchgenError)]


def _line_of(error: type[BatchgenError]) -> str:
    return next((line for line in _TREE.splitlines() if re.search(rf"\b{error.__name__}\b", line)), "")


@pytest.mark.parametrize("error", _CLASSES)
def test_the_tree_names_every_error_under_its_parent(error: type[BatchgenError]) -> None:
    """Each class stands in the module's docstring, one step deeper than its base and after it."""
    lines = _TREE.splitlines()
    line, base = _line_of(error), error.__bases__[0]

    assert line
    if error is not BatchgenError:
        parent = _line_of(base)
        assert line.index(error.__name__) == parent.index(base.__name__) + 4
        assert lines.index(line) > lines.index(parent)


@pytest.mark.parametrize("error", _CLASSES)
def test_the_tree_names_each_exit_code_of_its_own(error: type[BatchgenError]) -> None:
    """A class whose exit code differs from its parent's says so in the tree, and no line says another code."""
    inherited = getattr(error.__bases__[0], "exit_code", 1)
    named = re.search(r"exit (\d+)", _line_of(error))

    assert named or error.exit_code == inherited
    assert not named or error.exit_code == int(named[1])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BatchgenError, 1),
        (IllegalTransitionError, 1),
        (InputError, 2),
        (ManifestError, 2),
        (BudgetReachedError, 5),
        (StoreError, 7),
        (StaleJobError, 7),
        (SchemaError, 7),
        (FileError, 7),
        (LockedError, 8),
    ],
)
def test_exit_codes_are_those_of_the_contract(error: type[BatchgenError], code: int) -> None:
    """What the process ends with follows from the class."""
    assert code == error.exit_code


def test_an_exchange_says_whether_bytes_may_be_out() -> None:
    """Only NotSentError promises that nothing was sent."""
    assert [False, True, True, True] == [
        NotSentError("x").sent,
        OutcomeUnknownError("x").sent,
        DownloadError("x").sent,
        ExchangeError("x").sent,
    ]
    assert "api.example" == NotSentError("x", host="api.example").host


def test_errors_carry_their_facts_as_fields() -> None:
    """A caller decides by fields, not by sentences."""
    problems = [Problem(code="E101", message="one", path="a.yaml"), Problem(code="E102", message="two", path="a.yaml")]
    manifest, download = ManifestError(problems), DownloadError("gone", expired=True)
    stop, budget = StopRunError("no key", exit_code=4, reason="auth"), BudgetReachedError("full", is_final=True)

    assert tuple(problems) == manifest.problems
    assert "a.yaml: error[E101]: one\na.yaml: error[E102]: two" == str(manifest)
    assert (True, False) == (download.expired, download.forbidden)
    assert (4, "auth", "no key") == (stop.exit_code, stop.reason, str(stop))
    assert budget.is_final
    assert "cut" == BadImageError("x", reason="cut").reason
    assert issubclass(PathTakenError, FileError)
