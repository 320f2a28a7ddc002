"""Fill in the commands of ``notify:`` when something has happened: ``${VAR}`` from the environment, then ``{{ }}`` from the event."""

from collections.abc import Mapping

from batchgen.core.errors import InputError
from batchgen.planning.settings import NotifySettings, UnsetVariableError, expanded
from batchgen.planning.templates import Text


def argv_of(notice: NotifySettings, values: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    """Give the words of the command; ``values`` are batch, event and summary.

    The template is read before the environment is, so that nothing an event says is expanded. Raises InputError for an unset variable.
    """
    try:
        words = [Text(expanded(word, environ)) for word in notice.command]
    except UnsetVariableError as error:
        raise InputError(f"notify: {error}") from error
    return [word.render({name: values[name] for name in word.variables}) for word in words]
