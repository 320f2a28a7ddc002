"""Bring one notice to its receiver within ten seconds: a command in a clean environment, or a webhook."""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

from batchgen.api.webhook import post_message
from batchgen.app.telling.message import Message
from batchgen.core.errors import ExchangeError, InputError
from batchgen.core.ports import Log
from batchgen.planning.notices import argv_of, url_of
from batchgen.planning.settings import NotifySettings, RunSettings
from batchgen.planning.templates import TemplateOutputError
from batchgen.settings import Settings

PATIENCE_S: Final = 10.0
_PASSED_ON: Final = (
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "TZ",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
)
"""What programs need to be found, to write dates and to reach the desktop; a variable that may hold a secret is not among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The way to the receivers of one batch; ``is_local`` says whether webhooks may be on loopback."""

    env: Mapping[str, str]
    user_agent: str
    is_local: bool
    log: Log
    patience_s: float = PATIENCE_S

    @classmethod
    def of(cls, run: RunSettings, settings: Settings, log: Log) -> Self:
        """Take what is needed from the batch and the surroundings."""
        return cls(env=settings.env, user_agent=settings.user_agent, is_local=run.provider.is_on_loopback, log=log)

    def deliver(self, notice: NotifySettings, message: Message) -> None:
        """Run the command or call the webhook, and note in the diary how that went; never raises for a receiver that fails.

        The diary names a command as the manifest does, and of a webhook only the host: the rest of its address may be secret.
        """
        receiver: dict[str, str] = {}
        try:
            if notice.webhook is None:
                receiver["command"] = notice.command[0]
                self._run(argv_of(notice, message.values, self.env))
            else:
                url = url_of(notice.webhook, self.env)
                receiver["host"] = _host(url)
                post_message(url, message.document(), is_local=self.is_local, user_agent=self.user_agent, limit_s=self.patience_s)
        except (OSError, subprocess.SubprocessError, ExchangeError, InputError, TemplateOutputError) as error:
            self.log.warning("notify.failed", what=message.event, **receiver, why=_told(error))
        else:
            self.log.info("notify.told", what=message.event, **receiver)

    def _run(self, argv: list[str]) -> None:
        """Run a command without a shell, in a session of its own: Ctrl-C is for the run, and what a command leaves behind ends with it."""
        environment = {name: self.env[name] for name in _PASSED_ON if name in self.env}
        with subprocess.Popen(  # noqa: S603 - the user's own command
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                code = process.wait(self.patience_s)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        if code:
            raise subprocess.CalledProcessError(code, argv[0])


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _told(error: Exception) -> str:
    """Say why without the words of a command or an address: they may hold what a variable held."""
    match error:
        case subprocess.TimeoutExpired():
            return f"took longer than {error.timeout:g} s"
        case subprocess.CalledProcessError():
            return f"ended with {error.returncode}"
        case ExchangeError() | InputError() | TemplateOutputError():
            return str(error)
        case OSError():
            return error.strerror or type(error).__name__
        case _:
            return type(error).__name__
