"""Commands by which a person decides: retry, cancel, resolve. Each shows first what it would do, and records who and why."""

import sys
from typing import TYPE_CHECKING

import click

from batchgen.cli import output
from batchgen.cli.command import Session, command, pass_session
from batchgen.core.states import State

if TYPE_CHECKING:
    from batchgen.app.deciding import Selection

BATCH = click.argument("batch", required=False)
REASON = click.option("--reason", required=True, metavar="TEXT", help="Why; kept with the decision.")
YES = click.option("-y", "--yes", is_flag=True, help="Do it without asking.")


@command("retry", examples=['batchgen retry --reason "vendor was down"', 'batchgen retry --key 3f2a -y --reason "new try"'])
@BATCH
@click.option("--key", "keys", multiple=True, help="Only the job whose key begins so.")
@click.option("--state", type=click.Choice([State.FAILED.value, State.CANCELLED.value]), default=State.FAILED.value, show_default=True)
@click.option("--reason-word", help="Only jobs that ended for this reason: refused, remote, lost, …")
@REASON
@YES
@pass_session
def retry(session: Session, batch: str | None, keys: tuple[str, ...], state: str, reason_word: str | None, reason: str, yes: bool) -> int:
    """Allow failed (or cancelled) jobs to be ordered once more. Each is a recorded decision to buy again."""
    from batchgen.app import deciding

    found = deciding.select(session.settings, batch, keys=keys, states=(State(state),), reason_word=reason_word)
    if not _agreed(found, "order once more", yes=yes):
        return 0
    changed = deciding.retry(session.settings, found, reason=reason)
    output.tell(f"{changed} of {len(found.jobs)} are planned again; {deciding.way_on(session.settings, found)}")
    return 0


@command("cancel", examples=['batchgen cancel --reason "enough"', 'batchgen cancel poster --key 3f2a -y --reason "wrong prompt"'])
@BATCH
@click.option("--key", "keys", multiple=True, help="Only the job whose key begins so.")
@REASON
@YES
@pass_session
def cancel(session: Session, batch: str | None, keys: tuple[str, ...], reason: str, yes: bool) -> int:
    """Drop rows for which nothing was sent. What is ordered is never dropped: it is paid for, and it is fetched."""
    from batchgen.app import deciding

    found = deciding.select(session.settings, batch, keys=keys, states=(State.PLANNED,))
    if not _agreed(found, "drop", yes=yes):
        return 0
    changed = deciding.cancel(session.settings, found, reason=reason)
    click.echo(f"{changed} of {len(found.jobs)} are cancelled")
    return 0


@command(
    "resolve",
    examples=[
        'batchgen resolve 3f2a --task-id img_7f2c91 --reason "found in the dashboard"',
        'batchgen resolve 3f2a --resubmit --reason "worth a second price"',
        'batchgen resolve 3f2a --not-billed --reason "usage unchanged"',
    ],
)
@click.argument("key")
@click.option("--task-id", metavar="ID", help="The order's task was found: fetch it. Nothing is bought.")
@click.option("--resubmit", is_flag=True, help="Buy it again; the first order stays counted as spent.")
@click.option("--not-billed", is_flag=True, help="It was never billed: order it again, and count the first as nothing.")
@click.option("--abandon", is_flag=True, help="Give it up; it stays counted as spent.")
@REASON
@pass_session
def resolve(session: Session, key: str, task_id: str | None, resubmit: bool, not_billed: bool, abandon: bool, reason: str) -> int:
    """Decide about an ambiguous order: one whose answer was lost, so that it may have been bought."""
    from batchgen.app import deciding

    if sum((task_id is not None, resubmit, not_billed, abandon)) != 1:
        raise click.UsageError("give exactly one of --task-id, --resubmit, --not-billed, --abandon")
    answer = "resubmit" if resubmit else "not_billed" if not_billed else "abandon"
    told = deciding.resolve(session.settings, key, reason=reason, task_id=task_id, answer=answer)
    output.tell(told)
    return 0


def _agreed(found: "Selection", what: str, *, yes: bool) -> bool:
    from batchgen.app.wording import counted

    if not found.jobs:
        click.echo("no job fits; nothing was changed")
        return False
    rows = [(str(job["key"])[:8], str(job["state"]), str(job["reason"] or ""), str(job["prompt"])) for job in found.jobs[:20]]
    output.table(["KEY", "STATE", "REASON", "PROMPT"], rows)
    if len(found.jobs) > len(rows):
        click.echo(f"… and {len(found.jobs) - len(rows)} more")
    if yes:
        return True
    if not sys.stdin.isatty():
        click.echo(f"this would {what} {counted(len(found.jobs), 'job')}; add -y to do it")
        return False
    return click.confirm(f"{what} {counted(len(found.jobs), 'job')}?", err=True)
