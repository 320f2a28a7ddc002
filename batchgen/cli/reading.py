"""Commands that read the job database and change nothing: status, jobs, show, events, verify."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from batchgen.cli import output
from batchgen.cli.command import Session, command, pass_session
from batchgen.core.errors import InputError
from batchgen.core.states import State

if TYPE_CHECKING:
    from batchgen.app.verifying import Audit

_HEEDS_WITHIN_S: Final = 0.1
"""How soon a view ends after Ctrl-C."""
BATCH = click.argument("batch", required=False)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON document.")
AS_JSONL = click.option("--jsonl", "as_jsonl", is_flag=True, help="One JSON object a line, streamed.")


@command("status", examples=["batchgen status", "batchgen status poster-study --json", "batchgen status poster-study --watch"])
@BATCH
@AS_JSON
@click.option(
    "--watch",
    "every_s",
    is_flag=False,
    flag_value="2",
    metavar="[SECONDS]",
    type=click.FloatRange(0.1, 3600),
    help="Look again every so many seconds (2) while a process works on the batch; Ctrl-C ends only this view, and that is no error.",
)
@pass_session
def status(session: Session, batch: str | None, as_json: bool, every_s: float | None) -> None:
    """Show what is done, what it cost, what is still out, and what needs a decision (that first)."""
    from batchgen.app import archiving
    from batchgen.app.reading import archived
    from batchgen.app.reading import status as read

    if every_s is not None:
        if as_json:
            raise InputError("--watch is for people; a program asks for --json again whenever it wants to know")
        batch = _watch(session, batch, every_s)
    statuses, away = read(session.settings, batch), archived(session.settings, batch)
    if as_json:
        output.document("status", batches=[found.as_object() for found in statuses], archived=[archiving.as_object(gone) for gone in away])
        return
    for index, found in enumerate(statuses):
        if index:
            click.echo()
        for text in found.lines():
            if found.figures.command in text:  # it is there to be typed, so it is never cut
                output.tell(text)
            else:
                output.fit(text)
    if statuses and away:
        click.echo()
    for gone in away:
        output.tell(archiving.line(gone))


def _watch(session: Session, batch: str | None, every_s: float) -> str | None:
    """Show how a run goes until its process has ended or the reader has seen enough; give the name of the batch that was watched."""
    from batchgen.app import signals
    from batchgen.app.sighting import at_work, see
    from batchgen.cli.view import watching

    now = at_work(session.settings, batch)
    first = None if now is None else see(session.settings, now.batch.name)
    if now is None or first is None:
        output.say(f"nothing runs{f' on {batch}' if batch else ''}", err=True)
        return batch
    output.say(f"{now.batch.name}: {now.at_work}; Ctrl-C ends this view, not the run", err=True)
    sights = [first]
    with signals.noted() as told, watching(lambda: sights[-1], color=session.settings.color):
        while not told and (seen := see(session.settings, now.batch.name)) is not None:
            sights[:] = [seen]
            look_again_at = time.monotonic() + every_s
            while not told and (left_s := look_again_at - time.monotonic()) > 0:
                time.sleep(min(left_s, _HEEDS_WITHIN_S))
    return now.batch.name


@command("jobs", examples=["batchgen jobs --state failed", "batchgen jobs poster-study --jsonl | jq .path"])
@BATCH
@click.option(
    "--state",
    "states",
    multiple=True,
    metavar="STATE",
    type=click.Choice([state.value for state in State]),
    help=f"Only jobs in this state: {', '.join(State)}.",
)
@click.option("--model", help="Only jobs of this model.")
@click.option("--sweep", help="Only jobs of this sweep.")
@click.option("--prompt-id", help="Only jobs of this prompt.")
@click.option("--limit", type=click.IntRange(1), help="At most this many.")
@AS_JSON
@AS_JSONL
@pass_session
def jobs(
    session: Session,
    batch: str | None,
    states: tuple[str, ...],
    model: str | None,
    sweep: str | None,
    prompt_id: str | None,
    limit: int | None,
    as_json: bool,
    as_jsonl: bool,
) -> None:
    """List jobs in the order of their planning."""
    from batchgen.app.reading import JobFilter
    from batchgen.app.reading import jobs as read

    chosen = tuple(State(state) for state in states)
    rows = read(session.settings, JobFilter(batch=batch, states=chosen, model=model, sweep=sweep, prompt_id=prompt_id, limit=limit))
    if as_jsonl:
        for row in rows:
            output.line(row)
    elif as_json:
        output.document("jobs", jobs=list(rows))
    else:
        shown = [(str(r["key"])[:8], str(r["state"]), str(r["reason"] or ""), str(r["cell"]), str(r["path"] or r["prompt"])) for r in rows]
        output.table(["KEY", "STATE", "REASON", "CELL", "FILE OR PROMPT"], shown, last_width=34)


@command("show", examples=["batchgen show 3f2a91c0", "batchgen show 3f2a --json"])
@click.argument("key")
@AS_JSON
@pass_session
def show(session: Session, key: str, as_json: bool) -> None:
    """Tell one job's whole story: what was ordered, every attempt, every transition, every file."""
    from batchgen.app.reading import story

    told = story(session.settings, key)
    if as_json:
        output.document("job", **told.as_object())
        return
    for text in told.lines():
        output.tell(text)


@command("events", examples=["batchgen events --limit 20", "batchgen events poster-study --key 3f2a --jsonl"])
@BATCH
@click.option("--key", help="Only transitions of the job whose key begins so.")
@click.option("--limit", type=click.IntRange(1), help="At most this many, the newest.")
@AS_JSON
@AS_JSONL
@pass_session
def events(session: Session, batch: str | None, key: str | None, limit: int | None, as_json: bool, as_jsonl: bool) -> None:
    """List transitions, and what operators asked of runs, oldest first."""
    from batchgen.app.reading import events as read

    rows = read(session.settings, batch, key=key, limit=limit)
    if as_jsonl:
        for row in rows:
            output.line(row)
    elif as_json:
        output.document("events", events=list(rows))
    else:
        shown = [
            (
                str(r["at"])[11:19],
                str(r["key"] or "-")[:8],
                f"{r['before'] or '-'} -> {r['after']}" if r["after"] else "-",
                str(r["event"]),
                f"{r['actor']} {r['reason'] or r['detail'].get('argument') or ''}".strip(),
            )
            for r in rows
        ]
        output.table(["UTC", "KEY", "STATE", "EVENT", "WHO AND WHY"], shown, last_width=24)


@command("verify", examples=["batchgen verify", "batchgen verify --full", "batchgen verify --bundle poster-study-bundle --json"])
@BATCH
@click.option("--full", is_flag=True, help="List every invariant with its figures, and files that no order made.")
@click.option("--bundle", type=click.Path(path_type=Path), metavar="PATH", help="Check a bundle instead; nothing else is needed for it.")
@AS_JSON
@pass_session
def verify(session: Session, batch: str | None, full: bool, bundle: Path | None, as_json: bool) -> int:
    """Check every invariant of the database and re-hash every file; exit 3 on any violation. Ambiguous jobs are no violation."""
    audit = _audit(session, batch, full, bundle)
    if as_json:
        output.document("verify", **audit.as_object())
        return 3 if audit.violated else 0
    if full:
        output.table(["NAME", "   CASES", "VIOLATED", "SECONDS", "WHAT MUST HOLD"], audit.rows(), last_width=45)
    for text in audit.lines():
        output.tell(text)
    return 3 if audit.violated else 0


def _audit(session: Session, batch: str | None, full: bool, bundle: Path | None) -> "Audit":
    from batchgen.app.bundlecheck import verify_bundle
    from batchgen.app.verifying import verify as check

    def say(text: str) -> None:
        output.tell(text, err=True)

    if bundle is None:
        return check(session.settings, batch, full=full, on_progress=say)
    if batch is not None:
        raise click.UsageError("a bundle is of one batch: give --bundle without a batch")
    return verify_bundle(session.settings, bundle, on_progress=say)
