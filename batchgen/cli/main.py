"""The command line: which command stands in which module."""

import importlib
import sys
from typing import Final

import click

from batchgen import __version__
from batchgen.cli.command import Session, global_options, run
from batchgen.cli.output import complete_streams, end_stderr

COMMANDS: Final = {
    "demo": ("trying", "A whole run against the embedded simulator: killed, resumed, verified."),
    "init": ("trying", "Write a starter manifest, its JSON Schema and .env.example."),
    "validate": ("planning", "Check manifests without database or network."),
    "plan": ("planning", "Show what a run would order, and what it would cost."),
    "run": ("running", "Plan, save and work until nothing is left; again = resume."),
    "resume": ("running", "Work on from the stored plan; the manifest is not needed."),
    "work": ("running", "Join the pool of workers on a shared database."),
    "status": ("reading", "Counts, money and what needs a decision."),
    "jobs": ("reading", "List jobs."),
    "show": ("reading", "One job's whole story."),
    "events": ("reading", "List transitions."),
    "report": ("showing", "A page of pictures, charts and claims."),
    "verify": ("reading", "Check every invariant and re-hash every file."),
    "export": ("handing", "A view as CSV, JSON lines or Parquet."),
    "bundle": ("handing", "All that a batch left, in one folder or archive."),
    "retry": ("deciding", "Order failed or cancelled jobs once more."),
    "cancel": ("deciding", "Drop rows for which nothing was sent."),
    "resolve": ("deciding", "Decide about an ambiguous order."),
    "pause": ("steering", "Let no new order go out; in a running process at once."),
    "unpause": ("steering", "Let orders go out again."),
    "stop": ("steering", "End a running process once what is paid for is there."),
    "limit": ("steering", "Change limits of a running process, or show them."),
    "db": ("database", "The job database: path, current, upgrade, backup, check."),
    "models": ("vendors", "What each model takes and costs."),
    "account": ("vendors", "Balance, key quota and prices."),
    "schema": ("knowing", "JSON Schema of the manifest."),
    "doctor": ("knowing", "Check this machine, with fixes."),
    "sim": ("trying", "Serve the simulator on loopback."),
    "completion": ("knowing", "Shell completion."),
}
"""Every command, in the order of its use: the module that holds it and its line in the overview."""


class Commands(click.Group):
    """A group that imports a command's module only when that command is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        """Name every command, in the order of its use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's own signature
        """Load one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"batchgen.cli.{COMMANDS[cmd_name][0]}")
        found: click.Command = getattr(module, cmd_name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's own signature
        """Write the overview without loading any command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.command(
    cls=Commands,
    params=list(global_options()),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: batchgen demo",
)
@click.version_option(__version__, prog_name="batchgen")
@click.pass_context
def cli(ctx: click.Context, /, **chosen: object) -> None:
    """Run batches of paid image tasks overnight: resumable, audited, never bought twice."""
    ctx.ensure_object(Session).chosen.update({name: value for name, value in chosen.items() if value is not None})


def main() -> None:
    """Run the command line of this process."""
    complete_streams()
    code = run(cli)
    end_stderr()
    sys.exit(code)
