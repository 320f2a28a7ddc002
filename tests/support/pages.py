"""Play a page of the documentation as a reader would: write the files that it shows, type its commands, compare what they say.

A block with a title is a file of that name. In a ``console`` block each line that begins with ``$ `` is typed, and what stands below it is
what it says: ``…`` stands for anything within a line, and alone on a line for any lines. ``# exit 3`` behind a command is its exit code.
``^C`` below a command is Ctrl-C, and ``Killed`` is SIGKILL, both as soon as the command has saved a picture.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.support.cli import ROOT, CommandLine, wait_until

_FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_EXIT = re.compile(r"  # exit ([0-9]+)$")
_BREAKS = {"^C": signal.SIGINT, "Killed": signal.SIGKILL}
_PASSING = re.compile(
    r"(?<=127\.0\.0\.1:)[0-9]+|(?<=free )[0-9.]+|[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9:.]+Z?"
    r"|^[0-9:]{8}(?=  )|[0-9a-f]{64}|(?<=\()[0-9]+(?= bytes\))",
    re.MULTILINE,
)
"""What another run says otherwise: ports, room on the disk, times, hashes and sizes of files."""
_TIMEOUT_S = 120.0


def sections(page: str) -> dict[str, str]:
    """Give the text below each heading of the second level in a page of docs/."""
    _, *parts = re.split(r"^## ", (ROOT / "docs" / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {part.partition("\n")[0]: part.partition("\n")[2] for part in parts}


def blocks(text: str) -> list[tuple[str, str, str]]:
    """Give language, title and text of each fenced block."""
    return _FENCE.findall(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A line that is typed, and what it must say."""

    line: str
    said: Sequence[str]

    @property
    def command(self) -> str:
        """Give the command without what only a reader sees."""
        return _EXIT.sub("", self.line)

    @property
    def broken_by(self) -> signal.Signals | None:
        """Give the signal that breaks it off, if one does."""
        return _BREAKS.get(self.said[0]) if self.said else None

    @property
    def code(self) -> int:
        """Give the exit code that it must have, as subprocess tells it."""
        told = _EXIT.search(self.line)
        return int(told[1]) if told else -signal.SIGKILL if self.broken_by == signal.SIGKILL else 0

    def shown(self, said: str) -> str:
        """Give the page's own words where they fit what was said, else what was said, ``…`` for what another run says otherwise."""
        broken, words = (self.said[:1], self.said[1:]) if self.broken_by else ((), self.said)
        if not _pattern(words).fullmatch(said):
            words = _PASSING.sub("…", said).splitlines()
        return "".join(f"{line}\n" for line in (f"$ {self.line}", *broken, *words))


def replayed(cli: CommandLine, section: str, **variables: str) -> str:
    """Play a section in the folder of a command line, beside the checkout's ``manifests``; give its text as it should stand there."""
    cli.write_text(f'#!/bin/sh\nexec {sys.executable} -m batchgen "$@"\n', "bin/batchgen").chmod(0o755)
    (cli.folder / "manifests").symlink_to(ROOT / "manifests")
    environment = cli.environment(PATH=f"{cli.folder / 'bin'}:{os.environ['PATH']}", **variables)

    def played(block: re.Match[str]) -> str:
        language, title, text = block.groups()
        if title:
            cli.write_text(text, title)
        if language != "console":
            return block[0]
        lines = (each.shown(_type(cli, each, environment)) for each in _typed(text))
        return f"```console\n{''.join(lines)}```"

    return _FENCE.sub(played, section)


def _typed(text: str) -> Iterator[Typed]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, *said = part.rstrip("\n").split("\n")
        yield Typed(line=line, said=said)


def _type(cli: CommandLine, each: Typed, environment: Mapping[str, str]) -> str:
    """Type a line, break it off if it shall be, and give what it said in both outputs; the folder is ``…``."""
    before = len(cli.images())
    process = subprocess.Popen(
        ["env", "--default-signal=INT,HUP", "bash", "-c", each.command],
        cwd=cli.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    with process:
        try:
            if each.broken_by is not None:
                wait_until(lambda: len(cli.images()) > before or process.poll() is not None)
                process.send_signal(each.broken_by)
            said, _ = process.communicate(timeout=_TIMEOUT_S)
        finally:
            process.kill()
    cli.said.append(said)
    assert each.code == process.returncode, f"$ {each.command}\n{said}"
    return said.replace(str(cli.folder), "…")


def _pattern(lines: Sequence[str]) -> re.Pattern[str]:
    """Make of what a page shows what a command may say."""
    return re.compile("".join(r"(?:[^\n]*\n)*" if line == "…" else re.escape(line).replace("…", "[^\n]*") + "\n" for line in lines))
