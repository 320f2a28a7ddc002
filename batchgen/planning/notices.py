"""Fill in ``notify:`` when something has happened: ``${VAR}`` from the environment, then, in commands, ``{{ }}`` from the event."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from batchgen.core.errors import InputError
from batchgen.core.hosts import is_loopback_host, is_public_host
from batchgen.planning.settings import NotifySettings, UnsetVariableError, expanded, variables_of
from batchgen.planning.templates import Text

_LONGEST_URL: Final = 8000


def argv_of(notice: NotifySettings, values: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    """Give the words of the command; ``values`` are batch, event and summary.

    The template is read before the environment is, so that nothing an event says is expanded. Raises InputError for an unset variable.
    """
    words = [Text(_filled(word, environ)) for word in notice.command]
    return [word.render({name: values[name] for name in word.variables}) for word in words]


def url_of(webhook: str, environ: Mapping[str, str]) -> str:
    """Give the address of a webhook; raise InputError for an unset variable."""
    return _filled(webhook, environ)


def secrets_of(notices: Iterable[NotifySettings], environ: Mapping[str, str]) -> Iterator[str]:
    """Give what of the webhooks' addresses must not be shown: the values of their variables, whatever they are called."""
    for notice in notices:
        yield from (environ.get(name, "") for name in variables_of(notice.webhook or ""))


def webhook_objection(address: str, *, is_local: bool) -> str | None:
    """Say, without quoting it, why an address cannot be a webhook's, or None.

    It must be https in public, on the usual port; while the vendor is on loopback (``is_local``) it may be there too, over plain http.
    What its name resolves to is judged when it is used.
    """
    if not address.isascii() or not address.isprintable() or " " in address or len(address) > _LONGEST_URL:
        return "an address must be printable ASCII without spaces"
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "not a well-formed address"
    if parts.scheme not in {"http", "https"} or not host or "@" in parts.netloc:
        return "a webhook's address must begin with https:// and a host, without a user"
    if is_loopback_host(host):
        return None if is_local else "a webhook may be on loopback only while the vendor is; a command reaches what is near"
    if parts.scheme != "https" or port not in {None, 443}:
        return "a webhook's address must be https, on the usual port"
    return None if is_public_host(host) else "a webhook's address must be public; a command reaches what is near"


def _filled(text: str, environ: Mapping[str, str]) -> str:
    try:
        return expanded(text, environ)
    except UnsetVariableError as error:
        raise InputError(f"notify: {error}") from error
