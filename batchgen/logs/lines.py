"""Where log lines go: a rotated file for machines, stderr for people.

structlog collects the fields, one processor takes secrets out of the whole event, and a sink writes it. What other libraries log through
the standard library joins at the same point, from warnings upwards. A line that cannot be written is dropped and counted: a full disk
or a closed terminal is no reason to lose a paid image.
"""

import io
import json
import logging
import os
import sys
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from batchgen.core.errors import FileError
from batchgen.logs.redact import Redactor, one_line

_FILE_BYTES: Final = 16 * 1024 * 1024
_FILES: Final = 5
_SHOWN: Final = frozenset({"warning", "error", "critical"})
_UNSHOWN_FIELDS: Final = frozenset({"at", "level", "part", "event", "exception"})


def configure(path: Path | None, *, secrets: Collection[str], console: bool) -> None:
    """Send every later line to ``path`` (five files of 16 MiB, mode 0600) and, with ``console``, warnings and errors to stderr.

    May be called again, when more secrets are known; the former file is closed. Raises FileError when the file cannot be opened.
    """
    sink = _Sink(_opened(path), console=console)
    if former := _current():
        sink.dropped_elsewhere = former.dropped_elsewhere
    _leave_former()
    structlog.configure(
        processors=[_head, structlog.processors.format_exc_info, _redaction(Redactor(secrets))],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=sink,
        cache_logger_on_first_use=False,  # a second call of configure must reach loggers that exist already
    )
    logging.getLogger().addHandler(_Joining(logging.WARNING))


def get(name: str) -> FilteringBoundLogger:
    """Give the logger of one part of the program; until ``configure`` is called its lines go nowhere."""
    if not structlog.is_configured():
        configure(None, secrets=(), console=False)
    return cast("FilteringBoundLogger", structlog.get_logger(part=name))  # structlog's stub says Any


def drop() -> None:
    """Count a line that somebody else could not write."""
    if not structlog.is_configured():
        configure(None, secrets=(), console=False)
    if sink := _current():
        sink.dropped_elsewhere += 1


def dropped() -> int:
    """Say how many lines could not be written: to the present file, and to anything else since the process began."""
    sink = _current()
    return sink.dropped if sink else 0


class _Sink:
    """Writes redacted events; structlog calls it by the level's name."""

    def __init__(self, file: "_File | None", *, console: bool) -> None:
        self.file: Final = file
        self._console: Final = console
        self.dropped_elsewhere = 0

    @property
    def dropped(self) -> int:
        """Count the lines that a file or a terminal did not take."""
        return self.dropped_elsewhere + (self.file.dropped if self.file else 0)

    def __call__(self, *_names: object) -> "_Sink":
        return self

    def write(self, **fields: object) -> None:
        """Write one event to the file, and to stderr if it is a warning or worse; an error that the file does not take is always shown."""
        is_kept = self.file is None or self.file.keep(json.dumps(fields, ensure_ascii=False))
        if (self._console and fields.get("level") in _SHOWN) or (not is_kept and fields.get("level") == "error"):
            self._show(_plain(fields))

    debug = info = warning = error = critical = write

    def _show(self, line: str) -> None:
        try:
            # Looked up each time: a progress view may stand in for the real stream.
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):  # gone, full, or closed
            self.dropped_elsewhere += 1


class _File(RotatingFileHandler):
    """The rotated file. It keeps nothing back, so a line that failed is gone and does not fail the next one."""

    def __init__(self, path: Path) -> None:
        self.dropped = 0
        super().__init__(path, maxBytes=_FILE_BYTES, backupCount=_FILES - 1, encoding="utf-8")

    def keep(self, line: str) -> bool:
        """Write a line; say whether it was taken."""
        before = self.dropped
        self.handle(logging.makeLogRecord({"msg": line}))
        return self.dropped == before

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - the standard library's signature
        """Count what could not be written, where the standard library would print a traceback."""
        self.dropped += 1

    def _open(self) -> io.TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        raw = io.FileIO(descriptor, "a")
        # A raw file under the text layer has no buffer that a full disk could leave half written.
        return io.TextIOWrapper(cast("Any", raw), encoding="utf-8", errors="backslashreplace", write_through=True)


class _Joining(logging.Handler):
    """Hands what other libraries log to the same processors and sink."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record's text; its arguments are formatted first, so that redaction sees them."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):  # the other library's mistake: its template does not fit its arguments
            message = str(record.msg)
        level = logging.ERROR if record.levelno >= logging.ERROR else logging.WARNING
        get(record.name).log(level, "library", message=message, exc_info=record.exc_info)


def _opened(path: Path | None) -> _File | None:
    if path is None:
        return None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _File(path)
    except OSError as error:
        raise FileError(f"cannot open the log {path}: {error.strerror or error}") from error


def _current() -> _Sink | None:
    sink = structlog.get_config()["logger_factory"]
    return sink if isinstance(sink, _Sink) else None


def _leave_former() -> None:
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Joining)]:
        root.removeHandler(handler)
    sink = _current()
    if sink and sink.file:
        sink.file.close()


def _head(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Put time, level, part and event first: a line is read from the left."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    return {"at": f"{now}Z", "level": method, "part": event.pop("part", ""), "event": event.pop("event"), **event}


def _redaction(redactor: Redactor) -> structlog.typing.Processor:
    def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> Mapping[str, object]:
        return cast("Mapping[str, object]", redactor.value(event))  # a mapping goes in, so a mapping comes out

    return redact


def _plain(fields: Mapping[str, object]) -> str:
    """Render one line for people: the level, the event, its fields, and the last line of a traceback."""
    rest = " ".join(f"{name}={value}" for name, value in fields.items() if name not in _UNSHOWN_FIELDS)
    trace = str(fields.get("exception", "")).strip().rpartition("\n")[2]
    parts = [f"{fields['level']}: {fields['event']}", rest, f"({trace})" if trace else ""]
    return one_line(" ".join(part for part in parts if part))
