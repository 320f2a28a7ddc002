"""Command lines that answer quickly: forks of an interpreter that has everything imported (see ``dying_run.py``)."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import Any

from tests.support.cli import CommandLine, Finished

_SCRIPT = Path(__file__).with_name("dying_run.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmLine:
    """One warm interpreter; it carries out one order at a time."""

    process: subprocess.Popen[str]

    def __call__(self, folder: Path, *words: object, **special: object) -> Finished:
        """Run one command in a folder to its end, with what is special about it (see ``dying_run.py``).

        With ``death`` it works on the batch of that name and dies on the way; with ``strace`` one of its threads is traced; with
        ``durability`` its database has that journal and that setting of ``synchronous``; with ``statement`` it dies before that SQL.
        """
        order: dict[str, Any] = {"folder": str(folder), "words": [str(word) for word in words], **special}
        if self.process.stdin is None or self.process.stdout is None:
            raise ValueError("the interpreter was started without pipes")
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return Finished(**json.loads(self.process.stdout.readline()))

    def running(self) -> int | None:
        """Give the process that carries out the order, None when there is none."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else None


@contextmanager
def warm_lines(count: int, folder: Path, **variables: str) -> Iterator["Queue[WarmLine]"]:
    """Start some warm interpreters with these variables; take one from the queue, use it, put it back."""
    lines: Queue[WarmLine] = Queue()
    with ExitStack() as stack:
        for _ in range(count):
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, str(_SCRIPT)],
                    cwd=folder,
                    env=CommandLine(folder=folder).environment(**variables),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    encoding="utf-8",
                )
            )
            lines.put(WarmLine(process=process))
        yield lines
