"""The command class: global options after the command too, examples at the end of ``--help``, errors as one line and an exit code."""

import errno
import os
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from batchgen.cli import output
from batchgen.core.errors import BatchgenError, ManifestError
from batchgen.core.exits import Exit

if TYPE_CHECKING:
    from batchgen.settings import Settings

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""What a full or failing disk says to an answer; files that we know of report their own errors."""
_GLOBAL: Final = ("db", "color", "log_file", "env_file")


def global_options() -> list[click.Option]:
    """Give the options that every command takes, before or after its name."""
    return [
        click.Option(["--db"], metavar="URL", help="Job database: a path, sqlite:///… or postgresql://… [env: BATCHGEN_DB]"),
        click.Option(["--color"], type=click.Choice(["auto", "always", "never"]), help="Colour on the terminal."),
        click.Option(["--log-file"], type=click.Path(path_type=Path), help="Diary of the run, JSON lines [default: beside the database]"),
        click.Option(["--env-file"], type=click.Path(path_type=Path), help="File with KEY=value lines; nothing is read unasked."),
    ]


@dataclass(slots=True)
class Session:
    """What the command line said before the command: the global options, and the settings built from them once."""

    chosen: dict[str, Any]
    _settings: "Settings | None" = None

    @property
    def settings(self) -> "Settings":
        """Give the settings of this process; reads the environment at the first call."""
        if self._settings is None:
            from batchgen.settings import Settings

            self._settings = Settings.from_environment(os.environ, **{name: self.chosen[name] for name in _GLOBAL if name in self.chosen})
        return self._settings

    def secrets(self) -> frozenset[str]:
        """Give what no traceback may show; what has no readable settings has no known secrets."""
        try:
            return self.settings.secrets()
        except BatchgenError:
            return frozenset()


pass_session = click.make_pass_decorator(Session)


class Command(click.Command):
    """A click command that also takes the global options and shows its examples."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples: Final = tuple(examples)
        for option in global_options():
            option.hidden = True
            self.params.append(option)

    def invoke(self, ctx: click.Context) -> Any:
        """Move the global options into the session, then run the command."""
        session = ctx.ensure_object(Session)
        for name in _GLOBAL:
            value = ctx.params.pop(name, None)
            if value is not None:
                session.chosen[name] = value
        return super().invoke(ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, one a line."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"  {example}\n")
        super().format_epilog(ctx, formatter)


def command(name: str, *, examples: Sequence[str], **attributes: Any) -> Callable[[Callable[..., Any]], Command]:
    """Declare a command with its examples."""
    return click.command(name, cls=Command, examples=examples, **attributes)


def run(group: click.Group, arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give the exit code; nothing but our own bugs (exit 1) ever shows a traceback, and none shows a secret."""
    session = Session(chosen={})
    threading.excepthook = lambda thread: _report_bug(thread.exc_value, session)
    try:
        result = group.main(args=arguments, standalone_mode=False, prog_name="batchgen", obj=session)
        return _flushed(result if isinstance(result, int) else 0)
    except SystemExit:  # click leaves so when whoever read our output has gone
        return _flushed(0)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.Abort:
        click.echo("interrupted", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except ManifestError as error:
        for problem in error.problems:
            output.say(str(problem), err=True)
        count = sum(problem.severity == "error" for problem in error.problems)
        output.say(f"{count} {'error' if count == 1 else 'errors'}; nothing was changed", err=True)
        return error.exit_code
    except BatchgenError as error:
        output.say(f"error: {error}", err=True)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the top of the program: what arrives here is a bug of ours, or an answer without a place
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            return _unanswered(error)
        _report_bug(error, session)
        return Exit.BUG


def _flushed(code: int) -> int:
    """Write out the answer. A reader that has gone is no error; an answer that finds no place is one of storage."""
    if sys.stdout is None or sys.stdout.closed:
        return code
    try:
        sys.stdout.flush()
    except OSError as error:
        if error.errno != errno.EPIPE:
            return code or _unanswered(error)
        output.silence("stdout")
    return code


def _unanswered(error: OSError) -> int:
    output.silence("stdout")
    output.say(f"error: the answer could not be written: {error.strerror}", err=True)
    return Exit.STORAGE


def _report_bug(error: BaseException | None, session: Session) -> None:
    from batchgen.logs.redact import Redactor

    text = "".join(traceback.format_exception(error))
    click.echo(Redactor(session.secrets()).text(text), err=True, nl=False)
    click.echo("error: this is a bug of batchgen; every recorded state is safe, and the same command goes on from it", err=True)
