"""The ``db`` command group."""

from pathlib import Path

import click

from batchgen.cli import output
from batchgen.cli.command import Command, Session, pass_session


@click.group("db", short_help="The job database.")
def db() -> None:
    """Look after the job database: where it is, its schema, backups, a check."""


@db.command("path", cls=Command, examples=["batchgen db path", "sqlite3 -readonly $(batchgen db path)"])
@pass_session
def path(session: Session) -> None:
    """Print where the database is."""
    from batchgen.app.database import place

    click.echo(place(session.settings))


@db.command("current", cls=Command, examples=["batchgen db current", "batchgen db current --json"])
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@pass_session
def current(session: Session, as_json: bool) -> None:
    """Print the schema's revision and the one this program knows."""
    from batchgen.app.database import revisions

    found, known = revisions(session.settings)
    if as_json:
        output.document("db", revision=found, known=known)
    else:
        click.echo(f"{found or 'none'} (this program: {known})")


@db.command("upgrade", cls=Command, examples=["batchgen db upgrade", "batchgen --db /data/night.db db upgrade"])
@pass_session
def upgrade(session: Session) -> None:
    """Create the database or bring its schema up to date; an SQLite file is backed up beside it first."""
    from batchgen.app.database import upgrade as bring_up

    click.echo(bring_up(session.settings))


@db.command("backup", cls=Command, examples=["batchgen db backup audit.db", "batchgen db backup /backups/night.db"])
@click.argument("target", type=click.Path(path_type=Path))
@pass_session
def backup(session: Session, target: Path) -> None:
    """Copy the database into one file, consistently, even while a run is working."""
    from batchgen.app.database import backup as copy

    click.echo(copy(session.settings, target))


@db.command(
    "archive", cls=Command, examples=["batchgen db archive poster-study", "batchgen db archive poster-study --to /archives/2026.db"]
)
@click.argument("batch")
@click.option("--to", "target", type=click.Path(path_type=Path), metavar="FILE", help="New SQLite file.  [default: BATCH-archive.db]")
@pass_session
def archive(session: Session, batch: str, target: Path | None) -> None:
    """Move a finished batch out of the database into a job database of its own, which all commands read with --db.

    The copy is compared row by row, held against every invariant and forced to the disk before anything is removed; killed at any
    moment, the same command goes on. The batch's name stays known: to plan or run it here is refused, since all of it would be bought
    again. An archive that was moved is found again with --to. A server's other runs go on meanwhile.
    """
    from batchgen.app.archiving import archive as move

    for text in move(session.settings, batch, target, on_progress=lambda text: output.say(text, err=True)):
        output.tell(text)


@db.command("datasette", cls=Command, examples=["batchgen db datasette", "batchgen --db copy.db db datasette --output copy.json"])
@click.option("--output", "target", type=click.Path(path_type=Path), default=Path("metadata.json"), show_default=True, help="New file.")
@click.option("--force", is_flag=True, help="Replace the file if there is one.")
@pass_session
def datasette(session: Session, target: Path, force: bool) -> None:
    """Write metadata with which Datasette shows the database in a browser, and print what to type then.

    It has the views with their meaning, facets, units and orders, the pictures, and the story of a job. While a run works let Datasette
    read a copy (db backup): its questions hold up commits. Tables with signed addresses, and queries of one's own, are for
    "datasette --root" only.
    """
    from batchgen.app.database import datasette as describe

    for text in describe(session.settings, target, replaces=force):
        output.tell(text)


@db.command(
    "adopt-journal", cls=Command, examples=['batchgen db adopt-journal poster-study --reason "yesterday\'s backup after a disk failure"']
)
@click.argument("batch", required=False)
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept with each order.")
@pass_session
def adopt_journal(session: Session, batch: str | None, reason: str) -> None:
    """Bring an older copy of the database up to date with the orders that the journal in the output folder knows.

    Orders with a task id are fetched by the next run; those whose answer is not known become ambiguous. None is bought again.
    """
    from batchgen.app import adopting, database

    done, name = adopting.adopt(session.settings, batch, reason=reason)
    for text in done.lines(database.command(session.settings), name):
        output.say(text)


@db.command("check", cls=Command, examples=["batchgen db check", "batchgen db check --json"])
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@pass_session
def check(session: Session, as_json: bool) -> int:
    """Check the file itself: pages, indexes, foreign keys, schema. For the meaning of its content use verify."""
    from batchgen.app.database import check as examine

    damage = examine(session.settings)
    if as_json:
        output.document("db_check", damage=damage)
    else:
        click.echo("\n".join(damage) or "sound")
    return 7 if damage else 0
