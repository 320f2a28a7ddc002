"""Lines as they arrive in the file and on stderr, and what happens when they cannot."""

import json
import logging
import os
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import structlog

from batchgen import logs
from batchgen.core.errors import FileError
from batchgen.logs import lines

CANARY = "canary-7f3a9b21"


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """Leave no log open behind a test."""
    yield
    logs.configure(None, secrets=(), console=False)
    structlog.reset_defaults()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a log in a folder that does not exist yet."""
    return tmp_path / "logs" / "batchgen.log"


def written(path: Path) -> list[dict[str, object]]:
    """Read the log back."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_line_is_one_json_object_with_its_head_first(path: Path) -> None:
    """Time, level, part and event lead; fields follow in the caller's order."""
    logs.configure(path, secrets=(), console=False)

    logs.get("worker").info("job.submit_accepted", key="ab", attempt=1)

    (line,) = written(path)
    assert list(line) == ["at", "level", "part", "event", "key", "attempt"]
    assert datetime.fromisoformat(str(line.pop("at"))).utcoffset() is not None
    assert line == {"level": "info", "part": "worker", "event": "job.submit_accepted", "key": "ab", "attempt": 1}


def test_log_is_private(path: Path) -> None:
    """Nobody else reads what was ordered."""
    logs.configure(path, secrets=(), console=False)

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_debug_lines_are_not_written(path: Path) -> None:
    """The log tells facts from ``info`` upwards."""
    logs.configure(path, secrets=(), console=False)

    logs.get("worker").debug("noise")

    assert written(path) == []


def test_secrets_and_tracebacks_meet_the_redactor(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key is in no field, no exception's text, no traceback and no line of the console."""
    logs.configure(path, secrets=[CANARY], console=True)

    try:
        raise ValueError(f"bad key {CANARY}")  # noqa: TRY301 - the traceback quotes this line
    except ValueError as error:
        logs.get("worker").exception("lane.failed", error=error, nested={"x": [CANARY]})

    assert CANARY not in path.read_text("utf-8") + capsys.readouterr().err
    assert "Traceback (most recent call last)" in str(written(path)[0]["exception"])


def test_warnings_and_errors_are_shown_on_one_plain_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Standard error gets what needs a person, standard output nothing."""
    logs.configure(path, secrets=(), console=True)
    log = logs.get("worker")

    log.info("job.saved", key="ab")
    log.warning("job.stalled", prompt="two\nlines \x1b[31m")

    shown = capsys.readouterr()
    assert shown.err == "warning: job.stalled prompt=two\\nlines \\x1b[31m\n"
    assert shown.out == ""


def test_console_shows_the_last_line_of_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """The whole of it is in the file."""
    logs.configure(None, secrets=(), console=True)

    try:
        os.stat("/nonexistent")  # noqa: PTH116 - any call that fails
    except OSError:
        logs.get("cli").exception("failed")

    assert capsys.readouterr().err.startswith("error: failed (FileNotFoundError: [Errno 2]")


def test_nothing_is_shown_without_console(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A progress view or ``--json`` may want stderr for itself."""
    logs.configure(path, secrets=(), console=False)

    logs.get("worker").error("failed")

    assert capsys.readouterr() == ("", "")


def test_logger_is_silent_until_configured(capsys: pytest.CaptureFixture[str]) -> None:
    """The default of structlog would print to stdout, which belongs to the answer."""
    structlog.reset_defaults()

    logs.get("store").error("failed")

    assert capsys.readouterr() == ("", "")


def test_second_configuration_reaches_loggers_that_exist(tmp_path: Path) -> None:
    """Secrets found in a manifest are known later than the log is opened."""
    logs.configure(tmp_path / "first.log", secrets=(), console=False)
    log = logs.get("worker")
    log.info("one")
    logs.configure(tmp_path / "second.log", secrets=[CANARY], console=False)

    log.info("two", value=CANARY)

    assert [line["event"] for line in written(tmp_path / "first.log")] == ["one"]
    assert [line["value"] for line in written(tmp_path / "second.log")] == ["[redacted]"]


def test_other_libraries_lines_join_from_warnings_upwards(path: Path) -> None:
    """The standard library's records pass the same redactor."""
    logs.configure(path, secrets=(), console=False)

    logging.getLogger("some.library").info("chatter")
    logging.getLogger("some.library").warning("GET %s", "https://h.example/x?sig=1")

    (line,) = written(path)
    assert (line["part"], line["level"]) == ("some.library", "warning")
    assert line["message"] == "GET https://h.example/x?…"


def test_template_that_does_not_fit_its_arguments_is_written_as_it_is(path: Path) -> None:
    """Another library's mistake in logging does not become ours."""
    logs.configure(path, secrets=(), console=False)
    (joining,) = (handler for handler in logging.getLogger().handlers if isinstance(handler, lines._Joining))

    joining.handle(logging.makeLogRecord({"msg": "%d", "args": ("no number",), "levelno": logging.WARNING}))

    assert written(path)[0]["message"] == "%d"


def test_other_libraries_errors_keep_their_level_and_traceback(path: Path) -> None:
    """What a library reports as an error is one here."""
    logs.configure(path, secrets=(), console=False)

    try:
        int("x")
    except ValueError:
        logging.getLogger("some.library").exception("failed")

    (line,) = written(path)
    assert line["level"] == "error"
    assert "ValueError: invalid literal" in str(line["exception"])


def test_full_disk_drops_and_counts_lines() -> None:
    """The caller never hears of a log that takes nothing."""
    logs.configure(Path("/dev/full"), secrets=(), console=False)

    for _ in range(3):
        logs.get("worker").info("job.saved")

    assert logs.dropped() == 3


def test_closed_console_drops_and_counts_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that went away does not end the night."""
    reader, writer = os.pipe()
    os.close(reader)
    logs.configure(None, secrets=(), console=True)
    with os.fdopen(writer, "w", buffering=1) as gone:
        monkeypatch.setattr(sys, "stderr", gone)

        logs.get("worker").warning("job.stalled")

        assert logs.dropped() == 1
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)  # lets the stream close with what it kept


def test_log_rotates_by_size(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long night fills five files and no more, each private."""
    monkeypatch.setattr(lines, "_FILE_BYTES", 2_000)
    logs.configure(path, secrets=(), console=False)

    for number in range(200):
        logs.get("worker").info("job.saved", number=number)

    files = sorted(path.parent.iterdir())
    assert len(files) == 5
    assert all(file.stat().st_size <= 2_000 and file.stat().st_mode & 0o777 == 0o600 for file in files)
    assert written(path)[-1]["number"] == 199
    assert logs.dropped() == 0


def test_unsuitable_text_is_still_written(path: Path) -> None:
    """Half a surrogate pair cannot be encoded and is shown escaped."""
    logs.configure(path, secrets=(), console=False)

    logs.get("worker").info("job.failed", detail="half \ud800 pair")

    assert written(path)[0]["detail"] == "half \\ud800 pair"


def test_log_that_cannot_be_opened_is_a_file_error(tmp_path: Path) -> None:
    """The user named it, so the user hears of it."""
    with pytest.raises(FileError, match="cannot open the log"):
        logs.configure(tmp_path, secrets=(), console=False)


def test_an_error_that_the_file_does_not_take_is_shown_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """A task id that found no other place must not vanish because a progress view has stderr; the rest is counted."""
    logs.configure(Path("/dev/full"), secrets=(), console=False)

    logs.get("worker").info("job.saved")
    logs.get("worker").error("job.not_recorded", task_id="img_1")

    assert "error: job.not_recorded task_id=img_1\n" == capsys.readouterr().err
    assert 2 == logs.dropped()


def test_lines_lost_elsewhere_are_counted_over_every_configuration(tmp_path: Path) -> None:
    """What standard output did not take before the log was opened counts as well."""
    logs.drop()
    logs.configure(tmp_path / "batchgen.log", secrets=(), console=False)
    logs.drop()

    assert 2 == logs.dropped()
