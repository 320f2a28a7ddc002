"""Commands that work: run and resume."""

import sys
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchgen.cli import output
from batchgen.cli.command import Session, command, pass_session
from batchgen.cli.planning import MANIFEST, MAX_JOBS, ONLY, SETS, show_preview
from batchgen.core.errors import InputError

if TYPE_CHECKING:
    from batchgen.app.reports import Report
    from batchgen.app.runs import Prepare, Wishes
    from batchgen.app.trying import Outcome

YES = click.option("-y", "--yes", is_flag=True, help="Ask nothing.")
BUDGET = click.option("--budget", metavar="COST", help="Hard stop at this cost of the whole batch, in the provider's unit.")
UNTIL = click.option("--until", metavar="TIME", help="Order nothing after this time: 07:30, or an ISO instant.")
AMBIGUOUS_COST = click.option(
    "--max-ambiguous-cost", metavar="COST", help="With on_ambiguous: resubmit: what may be bought twice, in all runs of the batch."
)
ALLOW_UNPRICED = click.option(
    "--allow-unpriced", is_flag=True, help="Under a cost limit, order rows without a known price too, one at a time."
)
HEARTBEAT = click.option(
    "--heartbeat-file",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Write a sign of life there every few seconds, and the end: JSON.",
)
METRICS = click.option(
    "--metrics-file",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Write figures there every few seconds for node_exporter's textfile collector; end the name in .prom.",
)
CANARY = """Try N rows first, spread over all models and parameters; show cost, latency and failures by cell; then ask. Without a
terminal, or with -y, go on by itself, unless more than 10% have no image or they cost over 1.2 times the estimate (exit 5)."""
RECORD = click.option("--record", metavar="DIR", type=click.Path(path_type=Path), help="Keep the vendor's answers there, redacted.")


class Money(click.ParamType[Decimal]):
    """A decimal amount."""

    name = "amount"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Read a finite amount of at least 0."""
        try:
            amount = Decimal(str(value))
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite() or amount < 0:
            self.fail(f"{value!r} is no amount of money; write 40 or 0.5", param, ctx)
        return amount


@command(
    "run",
    examples=[
        "batchgen run poster.yaml",
        "batchgen run night.yaml -y --budget 40 --until 07:30",
        "batchgen run night.yaml -y --heartbeat-file night.heartbeat --metrics-file night.prom",
        "batchgen run big.yaml --only model=gpt-image-2",
        "batchgen run night.yaml -y --canary 12",
    ],
)
@MANIFEST
@SETS
@ONLY
@MAX_JOBS
@YES
@BUDGET
@UNTIL
@AMBIGUOUS_COST
@ALLOW_UNPRICED
@RECORD
@HEARTBEAT
@METRICS
@click.option("--canary", metavar="N", type=click.IntRange(1, 1000), help=CANARY)
@click.option("--confirm-above", type=Money(), default="5", show_default=True, help="Ask, on a terminal only, when the plan may cost more.")
@pass_session
def run(
    session: Session,
    manifest: Path,
    sets: tuple[str, ...],
    only: tuple[str, ...],
    max_jobs: int,
    yes: bool,
    budget: str | None,
    until: str | None,
    max_ambiguous_cost: str | None,
    allow_unpriced: bool,
    record: Path | None,
    heartbeat_file: Path | None,
    metrics_file: Path | None,
    canary: int | None,
    confirm_above: Decimal,
) -> int:
    """Plan the manifest, store its rows and work until nothing is left. Run it again to go on where it stopped."""
    from batchgen.app import plans, runs
    from batchgen.app.database import modernize
    from batchgen.app.trying import Canary

    settings = session.settings
    modernize(settings)
    signs = runs.SignFiles(heartbeat=heartbeat_file, metrics=metrics_file)
    is_watched = sys.stdin.isatty() and sys.stderr.isatty()
    trial = None if canary is None else Canary(rows=canary, agree=partial(_agreed, asks=is_watched and not yes))
    besides = runs.Wishes(record=record, allow_unpriced=allow_unpriced, signs=signs, canary=trial)
    wishes = runs.wishes(budget=budget, until=until, ambiguous_cost=max_ambiguous_cost, besides=besides)
    preview = plans.preview(manifest, settings, sets=sets, only=only, max_jobs=max_jobs)
    if wishes.budget is not None:
        preview = replace(preview, has_cost_budget=True)
    runs.require_key(preview.plan.settings.provider, settings)
    show_preview(preview)
    if preview.former and not (yes or is_watched):
        raise InputError(f"{preview.name} was ordered from {preview.former} until now; -y agrees to another host, which gets the key")
    asks = is_watched and not yes and (bool(preview.former) or preview.may_cost_more_than(confirm_above))
    if asks and not click.confirm(preview.question(), err=True):
        click.echo("nothing was ordered")
        return 0
    return _work(session, preview.name, wishes, prepare=partial(plans.save, preview, on_progress=say_rows))


@command("resume", examples=["batchgen resume", "batchgen resume poster-study --budget 60"])
@click.argument("batch", required=False)
@YES
@BUDGET
@UNTIL
@AMBIGUOUS_COST
@ALLOW_UNPRICED
@RECORD
@HEARTBEAT
@METRICS
@pass_session
def resume(
    session: Session,
    batch: str | None,
    yes: bool,  # noqa: ARG001 - asks nothing yet
    budget: str | None,
    until: str | None,
    max_ambiguous_cost: str | None,
    allow_unpriced: bool,
    record: Path | None,
    heartbeat_file: Path | None,
    metrics_file: Path | None,
) -> int:
    """Work on from the stored plan; the manifest and its files are not needed."""
    from batchgen.app import runs
    from batchgen.app.database import modernize
    from batchgen.app.reading import batch_named

    modernize(session.settings)
    name = batch_named(session.settings, batch)
    signs = runs.SignFiles(heartbeat=heartbeat_file, metrics=metrics_file)
    besides = runs.Wishes(record=record, allow_unpriced=allow_unpriced, signs=signs)
    wishes = runs.wishes(budget=budget, until=until, ambiguous_cost=max_ambiguous_cost, besides=besides)
    return _work(session, name, wishes)


@command(
    "work",
    examples=[
        "batchgen --db postgresql://studio@db/jobs work",
        "batchgen --db postgresql://studio@db/jobs work --batch poster-study --drain",
        "batchgen work --max-in-flight 16 --metrics-file work.prom",
    ],
)
@click.option("--batch", metavar="NAME", help="Work on this batch alone; else on the oldest that has something to do.")
@click.option("--max-in-flight", metavar="N", type=click.IntRange(1), help="Have at most so many tasks alive, whatever the share.")
@click.option("--drain", "drains", is_flag=True, help="End when nothing is left, instead of waiting for more.")
@click.option(
    "--lease",
    "lease_s",
    metavar="SECONDS",
    type=click.FloatRange(4.0, 86_400.0),
    help="Be taken for dead after so long without a sign; by default the time that an order may take, and a minute.",
)
@AMBIGUOUS_COST
@ALLOW_UNPRICED
@HEARTBEAT
@METRICS
@pass_session
def work(
    session: Session,
    batch: str | None,
    max_in_flight: int | None,
    drains: bool,
    lease_s: float | None,
    max_ambiguous_cost: str | None,
    allow_unpriced: bool,
    heartbeat_file: Path | None,
    metrics_file: Path | None,
) -> int:
    """Join the pool of workers on a PostgreSQL database, and work on stored batches until told to stop.

    Any number of machines may do so: `plan --save` stores work from anywhere, limits and budgets hold for all together, and what a
    worker leaves that dies the others go on with. Ctrl-C or SIGTERM drains this one; `stop` ends all of a batch, or one.
    """
    from batchgen.app import runs
    from batchgen.app.working import Worker
    from batchgen.cli.view import watching

    signs = runs.SignFiles(heartbeat=heartbeat_file, metrics=metrics_file)
    besides = runs.Wishes(allow_unpriced=allow_unpriced, signs=signs, most_in_flight=max_in_flight, lease_s=lease_s)
    wishes = runs.wishes(budget=None, until=None, ambiguous_cost=max_ambiguous_cost, besides=besides)
    watch = partial(watching, color=session.settings.color)
    return Worker(settings=session.settings, wishes=wishes, batch=batch, drains=drains, watch=watch, say_end=say_end).work()


def _agreed(outcome: "Outcome", *, asks: bool) -> bool:
    """Show what became of the rows that were tried; ask whether the rest should follow, or else judge by what speaks against it."""
    from batchgen.app.trying import HEAD

    output.table(HEAD, outcome.table())
    for objection in outcome.objections():
        output.say(f"warning: {objection}", err=True)
    return click.confirm(outcome.question(), err=True) if asks else not outcome.objections()


def _work(session: Session, batch: str, wishes: "Wishes", *, prepare: "Prepare | None" = None) -> int:
    from batchgen.app import runs
    from batchgen.cli.view import watching

    watch = partial(watching, color=session.settings.color)
    report = runs.work(batch, session.settings, wishes=wishes, prepare=prepare, watch=watch)
    say_end(report)
    return report.exit_code


def say_rows(rows: int) -> None:
    """Tell how many rows are stored so far."""
    output.say(f"{rows} rows stored", err=True)


def say_end(report: "Report") -> None:
    """Print how a run ended, and what to type next."""
    for text in report.lines():
        output.say(text)
    from batchgen import logs

    if lost := logs.dropped():
        logs.get("run").info("output.lost", lines=lost)
        output.say(f"{lost} lines of output or log found no reader or no room", err=True)
