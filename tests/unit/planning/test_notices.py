"""Commands of ``notify:``, filled in."""

import pytest

from batchgen.core.errors import InputError
from batchgen.planning.notices import argv_of
from batchgen.planning.settings import NotifySettings

_VALUES = {"batch": "night", "event": "finished", "summary": "night: ${HOME} {{ batch }} saved"}


def test_each_word_stays_one_word() -> None:
    """No shell and no splitting: a summary with spaces and braces is one argument, and is not expanded again."""
    notice = NotifySettings(events=("finished",), command=("ntfy", "${TOPIC}", "{{ event }}: {{ summary }}"))

    argv = argv_of(notice, _VALUES, {"TOPIC": "my topic", "HOME": "/secret"})

    assert ["ntfy", "my topic", "finished: night: ${HOME} {{ batch }} saved"] == argv


def test_an_unset_variable_is_named() -> None:
    """The variable may have gone since the plan was made."""
    with pytest.raises(InputError, match="TOPIC"):
        argv_of(NotifySettings(events=("finished",), command=("ntfy", "${TOPIC}")), _VALUES, {})
