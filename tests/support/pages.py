"""Play a page of the documentation as a reader would: write the files that it shows, type its commands, compare what they say.

A block with a title is a file of that name. In a ``console`` block, each line that begins with ``$ `` is typed, and what stands below it is
what it says, where ``…`` stands for anything within a line; a command with nothing below it may say what it wants. ``# exit 3`` behind a
command is its exit code. ``^C`` below a command is Ctrl-C, and ``Killed`` is SIGKILL, both as soon as the command has saved a picture.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.support.cli import ROOT, CommandLine, wait_until

_FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_EXIT = re.compile(r"\s+# exit ([0-9]+)$")
_BREAKS = {"^C": signal.SIGINT, "Killed": signal.SIGKILL}
_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block: its language, its title, its text."""

    language: str
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A command, what it must say, how it must end, and what breaks it off."""

    command: str
    said: Sequence[str]
    code: int
    broken_by: signal.Signals | None = None


def sections(name: str) -> dict[str, list[Block]]:
    """Give the blocks of a page in docs/ by its headings of the second level; what stands before them is not played."""
    _, *parts = re.split(r"^## ", (ROOT / "docs" / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {part.partition("\n")[0]: blocks(part) for part in parts}


def blocks(text: str) -> list[Block]:
    """Give the fenced blocks of a text."""
    return [Block(language=language, title=title, text=body) for language, title, body in _FENCE.findall(text)]


def typed(block: Block) -> Iterator[Typed]:
    """Give the commands of a console block."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, *said = part.rstrip("\n").split("\n")
        code = _EXIT.search(command)
        broken_by = _BREAKS.get(said[0]) if said else None
        yield Typed(
            command=_EXIT.sub("", command),
            said=said[1:] if broken_by else said,
            code=int(code[1]) if code else -broken_by if broken_by == signal.SIGKILL else 0,
            broken_by=broken_by,
        )


def play(cli: CommandLine, section: Sequence[Block], **variables: str) -> None:
    """Play a section in the folder of a command line, which has a ``batchgen`` and the checkout's ``manifests``."""
    cli.write_text(f'#!/bin/sh\nexec {sys.executable} -m batchgen "$@"\n', "bin/batchgen").chmod(0o755)
    (cli.folder / "manifests").symlink_to(ROOT / "manifests")
    environment = cli.environment(PATH=f"{cli.folder / 'bin'}:{os.environ['PATH']}", **variables)
    for block in section:
        if block.title:
            cli.write_text(block.text, block.title)
        for each in typed(block) if block.language == "console" else ():
            _type(cli, each, environment)


def _type(cli: CommandLine, each: Typed, environment: dict[str, str]) -> None:
    before = len(cli.images())
    process = subprocess.Popen(
        ["env", "--default-signal=INT,HUP", "bash", "-c", each.command],
        cwd=cli.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,
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
    if each.said:
        assert _pattern(each.said).fullmatch(said), f"$ {each.command}\n{said}"


def _pattern(lines: Sequence[str]) -> re.Pattern[str]:
    """Make of what a page shows what a command may say."""
    return re.compile("".join(re.escape(line).replace("…", "[^\n]*") + "\n" for line in lines))
