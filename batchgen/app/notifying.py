"""Tell somebody how a run ended, by the commands that the manifest names. A failure is noted and changes nothing."""

import subprocess
from typing import Final

from batchgen.app.reports import Report
from batchgen.core.errors import InputError
from batchgen.core.ports import Log
from batchgen.planning.notices import argv_of
from batchgen.planning.settings import RunSettings
from batchgen.settings import Settings

_PATIENCE_S: Final = 10.0
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


def notify(run: RunSettings, settings: Settings, report: Report, log: Log) -> None:
    """Run each command whose events fit, one after the other, without a shell and in a clean environment; each has ten seconds."""
    event = {"finished": "finished", "interrupted": "interrupted"}.get(report.reason, "halted")
    values = {"batch": report.batch, "event": event, "summary": next(report.lines())}
    environment = {name: settings.env[name] for name in _PASSED_ON if name in settings.env}
    for notice in run.notify:
        if event in notice.events:
            try:
                argv = argv_of(notice, values, settings.env)
                subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE_S, check=True)  # noqa: S603 - the user's own command
            except (OSError, subprocess.SubprocessError, InputError) as error:
                log.warning("notify.failed", command=notice.command[0], why=type(error).__name__)
