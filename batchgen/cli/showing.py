"""The command that shows a batch in a browser: report."""

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from batchgen.cli import output
from batchgen.cli.command import Session, command, pass_session
from batchgen.core.errors import InputError
from batchgen.core.states import State

if TYPE_CHECKING:
    from batchgen.app.reading import JobFilter

_AWAKE_EVERY_S: Final = 0.5
"""A signal that the system hands to another thread is acted upon by then."""


@command(
    "report",
    examples=[
        "batchgen report",
        "batchgen report poster-study --output morning",
        "batchgen report --single-file --model gpt-image-2",
        "batchgen report --sheet sheet.png --limit 60",
        "batchgen report --live",
    ],
)
@click.argument("batch", required=False)
@click.option("--output", "target", type=click.Path(path_type=Path), help="Folder, or with --single-file the file [default: report-BATCH].")
@click.option("--single-file", is_flag=True, help="One HTML file that holds small pictures, to mail; up to 50 MB.")
@click.option("--originals", is_flag=True, help="Bring pictures that are in an object storage beside the page, in full size.")
@click.option("--sheet", type=click.Path(path_type=Path), metavar="FILE", help="Draw a contact sheet with legends (PNG) instead of a page.")
@click.option("--live", is_flag=True, help="Serve the page on loopback, with news every 2 s, until Ctrl-C.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port for --live [default: any that is free].")
@click.option("--state", "states", multiple=True, type=click.Choice([state.value for state in State]), help="Only jobs in this state.")
@click.option("--model", help="Only jobs of this model.")
@click.option("--sweep", help="Only jobs of this sweep.")
@click.option("--prompt-id", help="Only jobs of this prompt.")
@click.option("--limit", type=click.IntRange(1), help="At most this many jobs.")
@click.option("--force", is_flag=True, help="Replace a contact sheet that is there.")
@pass_session
def report(
    session: Session,
    batch: str | None,
    target: Path | None,
    single_file: bool,
    originals: bool,
    sheet: Path | None,
    live: bool,
    port: int,
    states: tuple[str, ...],
    model: str | None,
    sweep: str | None,
    prompt_id: str | None,
    limit: int | None,
    force: bool,
) -> None:
    """Write a page with pictures, charts and claims; it needs no network.

    The page shows rows by columns of any two axes, with filters, large pictures, two side by side and what is known of each. Pictures stay
    where they are; the page links to them. Those in an object storage it shows small, unless --originals brings them.
    """
    from batchgen.app import gallery
    from batchgen.app.progress import Progress
    from batchgen.app.reading import JobFilter

    if live and states:
        raise InputError("--live shows every state, since states change; choose on the page")
    if sum((single_file, sheet is not None, live)) > 1:
        raise InputError("--single-file, --sheet and --live are three different reports; name one")
    if originals and (single_file or sheet is not None or live):
        raise InputError("--originals is for a page in a folder; leave out --single-file, --sheet and --live")
    wanted = JobFilter(
        batch=batch, states=tuple(State(state) for state in states), model=model, sweep=sweep, prompt_id=prompt_id, limit=limit
    )
    if live:
        _serve(session, wanted, port)
        return
    progress = Progress()
    with progress.told(_say):
        if sheet is not None:
            lines = gallery.write_sheet(session.settings, wanted, sheet, progress=progress, force=force)
        elif single_file:
            lines = gallery.write_single(session.settings, wanted, target, progress=progress)
        else:
            far = gallery.Far(is_brought=originals)
            lines = gallery.write_report(session.settings, wanted, target, progress=progress, far=far)
    for line in lines:
        output.tell(line)


def _say(text: str) -> None:
    output.tell(text, err=True)


def _serve(session: Session, wanted: "JobFilter", port: int) -> None:
    """Serve the page until somebody ends it, which is no failure."""
    from batchgen.app.live import serving

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with serving(session.settings, wanted, port=port, say=_say) as address:
            output.tell(f"report: {address} (Ctrl-C ends it)")
            while True:
                time.sleep(_AWAKE_EVERY_S)
    except KeyboardInterrupt:
        output.tell("")
    except OSError as error:
        raise InputError(f"port {port} of this machine cannot be opened: {error.strerror}; name another with --port") from error
