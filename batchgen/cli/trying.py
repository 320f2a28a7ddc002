"""Commands to try things without a key: the demo, a starter manifest, the simulator."""

from pathlib import Path

import click

from batchgen.cli import output
from batchgen.cli.command import command


@command("demo", examples=["batchgen demo", "batchgen demo --dir /tmp/look-at-this --jobs 60", "batchgen demo --machines 3"])
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path), default=Path("batchgen-demo"), show_default=True, help="New folder for it."
)
@click.option("--jobs", type=click.IntRange(8, 400), default=48, show_default=True, help="Images to order from the simulator.")
@click.option(
    "--machines",
    metavar="N",
    type=click.IntRange(2, 8),
    help="Play it with so many workers on a PostgreSQL server of its own (extra 'machines').",
)
def demo(folder: Path, jobs: int, machines: int | None) -> int:
    """Run a whole batch against the embedded simulator; it is killed in the middle, resumed, and verified.

    Needs no key and no network. The simulator bills like a vendor, so that its own ledger can be held against ours.
    """
    from batchgen.app.demos import many_machines, one_machine

    if machines is not None:
        return many_machines.play(folder, jobs=jobs, machines=machines, say=click.echo)
    return one_machine.play(folder, jobs=jobs, say=click.echo)


@command("init", examples=["batchgen init", "batchgen init nights --from prompts.csv"])
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option(
    "--from", "prompts", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Prompt file whose columns are sniffed."
)
@click.option("--force", is_flag=True, help="Overwrite files of an earlier init.")
def init(folder: Path, prompts: Path | None, force: bool) -> None:
    """Write a starter manifest, its JSON Schema and .env.example into a folder."""
    from batchgen.app.starting import write_starter

    for text in write_starter(folder, prompts, overwrite=force):
        output.tell(text)


@command(
    "sim",
    examples=["batchgen sim --port 8765 --profile rough --seed 7", "batchgen sim --list-faults"],
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    add_help_option=False,
)
@click.option("-h", "--help", "wants_help", is_flag=True, hidden=True)
@click.pass_context
def sim(ctx: click.Context, wants_help: bool) -> None:
    """Serve the simulator on loopback until Ctrl-C: the image API, with faults on demand and a billing ledger."""
    from batchgen.sim.options import options
    from batchgen.sim.server import serve

    if wants_help:
        click.echo(ctx.get_help() + "\n")
    try:
        chosen = options(["--help"] if wants_help else ctx.args, prog="batchgen sim")
    except SystemExit as leaving:
        ctx.exit(leaving.code if isinstance(leaving.code, int) else 2)
    serve(chosen)
