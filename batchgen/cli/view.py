"""Show a run while it works: a small panel on a terminal, one plain line a minute without one. Everything goes to stderr."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from batchgen.app.reports import Sight, Snapshot
from batchgen.app.wording import duration
from batchgen.cli.output import cut, harmless, say, size, wrapped

if TYPE_CHECKING:
    from rich.console import Group

_REFRESH_S: Final = 0.25
_LINE_EVERY_S: Final = 60.0


@contextmanager
def watching(snapshot: Callable[[], Sight], *, color: bool | None) -> Iterator[None]:
    """Show the run until the block ends; a terminal gets the panel, anything else the lines."""
    show = _panel if sys.stderr.isatty() else _lines
    over = threading.Event()
    watcher = threading.Thread(target=show, args=(snapshot, over, color), name="view", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def one_line(now: Sight) -> str:
    """Write a sight on one line."""
    pace = now.pace if isinstance(now, Snapshot) else ""
    parts = [
        f"{now.done} of {now.total} done",
        f"{now.failed} failed" if now.failed else "",
        f"{now.ambiguous} ambiguous" if now.ambiguous else "",
        f"{now.in_flight} in flight" + (f" ({pace})" if pace else ""),
        f"{now.waiting} waiting",
        f"{now.per_minute:.0f} images/min" if now.per_minute else "",
        f"about {duration(now.eta_s)} left" if now.eta_s is not None else "",
        f"oldest task {duration(now.oldest_task_s)}" if now.oldest_task_s else "",
        now.forecast,
        now.pause,
        now.stopping,
    ]
    return " · ".join(part for part in parts if part)


def _lines(snapshot: Callable[[], Sight], over: threading.Event, _color: bool | None) -> None:
    while not over.wait(_LINE_EVERY_S):
        say(one_line(snapshot()), err=True)


def _parts(word: str) -> list[str]:
    """Break what may hold a command to type, so that none of it is cut."""
    return wrapped(f"  {harmless(word)}")


def _panel(snapshot: Callable[[], Sight], over: threading.Event, color: bool | None) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True, markup=False, highlight=False, no_color=color is False)
    with Live(_drawn(snapshot(), console.width), console=console, refresh_per_second=4, transient=True) as live:
        while not over.wait(_REFRESH_S):
            live.update(_drawn(snapshot(), console.width))
        live.update(_drawn(snapshot(), console.width))


def _drawn(now: Sight, width: int) -> "Group":
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    width = min(width, 100)
    counts = Text(no_wrap=True)
    for number, word, style in (
        (now.done, "done", "green"),
        (now.failed, "failed", "red"),
        (now.ambiguous, "ambiguous", "yellow"),
        (now.in_flight, "in flight", "cyan"),
        (now.waiting, "waiting", ""),
    ):
        counts.append(f"  {number} ", style=style if number else "dim")
        counts.append(word, style="" if number else "dim")
    if isinstance(now, Snapshot) and now.pace and counts.cell_len + len(now.pace) + 3 < width:
        counts.append(f"  ({now.pace})", style="dim")
    eta = "" if now.eta_s is None else f" · about {duration(now.eta_s)} left"
    oldest = f" · oldest task {duration(now.oldest_task_s)}" if now.oldest_task_s else ""
    saved = f" · {size(now.saved_bytes)}" if isinstance(now, Snapshot) else ""
    pace = f"  {now.per_minute:.0f} images/min{saved} · cost {now.cost}{eta}{oldest}"
    rows: list[Text | ProgressBar] = [
        ProgressBar(total=max(1, now.total), completed=now.done, width=width - 2),
        Text(""),  # the bar itself ends no line
        counts,
        Text(cut(pace, width - 1), no_wrap=True),
        *(
            Text(part, style="yellow", overflow="fold")
            for word in (now.decision, now.forecast, now.pause, now.stopping)
            if word
            for part in _parts(word)
        ),
        *(Text(cut(f"  · {problem}", width - 1), style="dim", no_wrap=True) for problem in now.problems),
    ]
    return Group(*rows)
