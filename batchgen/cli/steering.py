"""Commands that steer a running process from another shell: pause, unpause, stop, limit."""

from collections.abc import Iterable

import click

from batchgen.cli import output
from batchgen.cli.command import Session, command, pass_session

BATCH = click.argument("batch", required=False)
WORKER = click.option("--worker", metavar="RUN", type=int, help="One worker of several alone, by the number that `status` shows.")


@command("pause", examples=["batchgen pause", "batchgen pause poster-study"])
@BATCH
@WORKER
@pass_session
def pause(session: Session, batch: str | None, worker: int | None) -> None:
    """Let no new order go out, within two seconds; what is at the vendor is fetched.

    It holds until `unpause`, also for runs that start later: they wait, and say so.
    """
    from batchgen.app import steering

    _tell(steering.pause(session.settings, batch, worker=worker))


@command("unpause", examples=["batchgen unpause", "batchgen unpause poster-study"])
@BATCH
@WORKER
@pass_session
def unpause(session: Session, batch: str | None, worker: int | None) -> None:
    """Let orders go out again after `pause`."""
    from batchgen.app import steering

    _tell(steering.unpause(session.settings, batch, worker=worker))


@command("stop", examples=["batchgen stop", "batchgen stop poster-study --now", "batchgen stop poster-study --worker 12"])
@BATCH
@click.option("--now", "at_once", is_flag=True, help="Do not wait for tasks at the vendor; the next run fetches them.")
@WORKER
@pass_session
def stop(session: Session, batch: str | None, at_once: bool, worker: int | None) -> None:
    """Have a running process, or all workers, order nothing more, fetch what is paid for, and end (exit 5).

    When nothing runs, nothing is changed: a later run is not stopped.
    """
    from batchgen.app import steering

    _tell(steering.stop(session.settings, batch, at_once=at_once, worker=worker))


@command(
    "limit",
    examples=["batchgen limit", "batchgen limit --in-flight 4 --rate 30/min", "batchgen limit poster-study --budget 60 --until 07:30"],
)
@BATCH
@click.option("--in-flight", metavar="N|auto", help="At most so many tasks alive at once.")
@click.option("--rate", metavar="RATE", help="At most so many orders: 30/min, 2/s.")
@click.option("--budget", metavar="COST", help="Hard stop at this cost of the whole batch, in the provider's unit.")
@click.option("--until", metavar="TIME", help="Order nothing after this time: 07:30, or an ISO instant.")
@WORKER
@pass_session
def limit(
    session: Session,
    batch: str | None,
    in_flight: str | None,
    rate: str | None,
    budget: str | None,
    until: str | None,
    worker: int | None,
) -> None:
    """Change limits of a running process, within two seconds, or of the next run; `none` lifts one. Without options, show them.

    They hold until the run comes to an end of its own; one that dies or is interrupted leaves them to the next.
    """
    from batchgen.app import steering

    options = {"--in-flight": in_flight, "--rate": rate, "--budget": budget, "--until": until}
    typed = {option: value for option, value in options.items() if value is not None}
    _tell(steering.limit(session.settings, batch, typed, worker=worker))


def _tell(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        output.tell(sentence)
