"""Commands of ``notify:``, filled in."""

import pytest

from batchgen.core.errors import InputError
from batchgen.planning.notices import argv_of, secrets_of, url_of, webhook_objection
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


def test_the_address_of_a_webhook_is_filled_in_and_its_variables_are_secrets() -> None:
    """Whatever a variable is called: what it holds is not for the diary."""
    hook = NotifySettings(events=("finished",), webhook="https://example.com/${PLACE}?to=${WHOM:-me}")
    environ = {"PLACE": "hush", "TOPIC": "loud"}

    assert "https://example.com/hush?to=me" == url_of(hook.webhook or "", environ)
    assert ["", "hush"] == sorted(secrets_of([hook, NotifySettings(events=("finished",), command=("tell", "${TOPIC}"))], environ))
    with pytest.raises(InputError, match="PLACE"):
        url_of(hook.webhook or "", {})


@pytest.mark.parametrize(
    ("address", "is_admitted"),
    [
        ("https://example.com/hook", (True, True)),
        ("https://example.com:443/hook?tpl=1&m={{.summary}}", (True, True)),
        ("https://93.184.216.34/hook", (True, True)),
        ("http://127.0.0.1:8080/hook", (False, True)),
        ("https://localhost/hook", (False, True)),
        ("http://[::1]:2586/topic", (False, True)),
        ("http://example.com/hook", (False, False)),
        ("https://example.com:8443/hook", (False, False)),
        ("https://ana:pw@example.com/hook", (False, False)),
        ("https://169.254.169.254/latest", (False, False)),
        ("https://10.0.0.1/hook", (False, False)),
        ("https://127.1/hook", (False, False)),
        ("https://2130706433/hook", (False, False)),
        ("https://intranet/hook", (False, False)),
        ("ftp://example.com/hook", (False, False)),
        ("file:///etc/passwd", (False, False)),
        ("https:///hook", (False, False)),
        ("https://example.com/a hook", (False, False)),
        ("https://example.com:port/", (False, False)),
        ("https://[example.com/", (False, False)),
        ("https://example.com/" + "x" * 8000, (False, False)),
        ("", (False, False)),
    ],
)
def test_a_webhook_leads_into_public_or_to_loopback_beside_the_vendor(address: str, is_admitted: tuple[bool, bool]) -> None:
    """The rules of downloads, while the vendor is in public and while it is on this machine; no objection quotes the address."""
    objections = [webhook_objection(address, is_local=is_local) for is_local in (False, True)]

    assert is_admitted == tuple(objection is None for objection in objections)
    assert not any(address and address in (objection or "") for objection in objections)
