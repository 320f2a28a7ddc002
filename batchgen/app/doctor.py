"""Look at the surroundings of a run and say how to mend what would trouble it at night."""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from batchgen.app.database import durability, revisions
from batchgen.core.errors import BatchgenError, InputError, StoreError
from batchgen.settings import Settings

_KEY: Final = "JIMMYAI_API_KEY"
_OLDEST_YEAR: Final = 2026
_FREE_BYTES: Final = 2 * 1024**3

Verdict = Literal["ok", "note", "bad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check: what was found, and how to mend it. ``exit_code`` is 0 unless the verdict is bad."""

    check: str
    verdict: Verdict
    found: str
    fix: str = ""
    exit_code: int = 0


def examine(settings: Settings, *, is_terminal: bool, encoding: str) -> list[Finding]:
    """Check Python, database, key, disk, clock and terminal; nothing is changed and nothing is sent."""
    return [
        _python(),
        *_database(settings),
        _key(settings),
        _disk(Path.cwd()),
        _clock(datetime.now(UTC)),
        _terminal(is_terminal=is_terminal, encoding=encoding),
    ]


def _python() -> Finding:
    return Finding(check="python", verdict="ok", found=sys.version.split()[0])


def _database(settings: Settings) -> Iterator[Finding]:
    try:
        yield Finding(check="database", verdict="ok", found=durability(settings))
        found, known = revisions(settings)
    except BatchgenError as error:
        yield Finding(check="database", verdict="bad", found=str(error), fix="name another with --db", exit_code=7)
        return
    if found is None:
        yield Finding(check="schema", verdict="note", found="no database yet", fix="the first plan --save or run creates it")
    elif found == known:
        yield Finding(check="schema", verdict="ok", found=found)
    else:
        yield Finding(check="schema", verdict="note", found=f"{found}, this program knows {known}", fix="batchgen db upgrade")


def _key(settings: Settings) -> Finding:
    try:
        key = settings.secret(_KEY)
    except (InputError, StoreError) as error:
        return Finding(check="key", verdict="bad", found=str(error), fix=f"set {_KEY} again, without quotes or spaces", exit_code=4)
    if key is None:
        return Finding(check="key", verdict="note", found=f"{_KEY} is not set", fix=f"export {_KEY}=…, or use --env-file; demo needs none")
    return Finding(check="key", verdict="ok", found=f"{_KEY} is set ({len(key)} characters)")


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    found = f"{free / 1024**3:.1f} GiB free here"
    if free >= _FREE_BYTES:
        return Finding(check="disk", verdict="ok", found=found)
    return Finding(check="disk", verdict="note", found=found, fix="a 1k image takes 1 to 3 MB; orders stop below 256 MiB")


def _clock(now: datetime) -> Finding:
    if now.year < _OLDEST_YEAR:
        return Finding(
            check="clock",
            verdict="bad",
            found=f"{now:%Y-%m-%d} lies in the past",
            fix="set the clock; TLS and deadlines need it",
            exit_code=1,
        )
    return Finding(check="clock", verdict="ok", found=f"{now.astimezone():%Y-%m-%d %H:%M %Z}, {now:%H:%M} UTC")


def _terminal(*, is_terminal: bool, encoding: str) -> Finding:
    if encoding.lower().replace("-", "") != "utf8":
        return Finding(check="terminal", verdict="note", found=f"encoding {encoding or 'unknown'}", fix="export PYTHONUTF8=1")
    return Finding(check="terminal", verdict="ok", found="UTF-8" if is_terminal else "UTF-8, no terminal: one line a minute")
