"""What the surroundings say: the only reader of environment variables and of ``--env-file``.

Nothing is read from the working directory unasked. One frozen object is built, and everybody else receives what it needs from it.
"""

import hashlib
import os
import pwd
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal
from urllib.parse import unquote

from dotenv.parser import parse_stream

from batchgen import __version__
from batchgen.core.errors import FileError, InputError
from batchgen.core.places import is_address

Color = Literal["auto", "always", "never"]

DEFAULT_DB: Final = "batchgen.db"
_PACKAGE: Final = Path(__file__).parent
_SECRET_NAME: Final = re.compile(r"(?i)key|token|secret|passw|credential|auth")
_PASSWORD: Final = re.compile(r"[^:/]+://[^:/@]*:(.*)@")
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]+")
_SPOOL_NAME_CHARS: Final = 60
_SQLITE: Final = "sqlite:///"
_POSTGRES: Final = ("postgresql", "postgres", "postgresql+psycopg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The surroundings of one command.

    ``color`` is None when the terminal decides. ``env`` holds the variables that a manifest's ``${VAR}`` may name; the real environment
    wins over an env file. ``login`` is the operator's name for decisions. Neither ``env`` nor the database's password is in the repr.
    """

    db_url: str = field(repr=False)
    color: bool | None
    log_file: Path
    env: Mapping[str, str] = field(repr=False)
    login: str
    user_agent: str

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str],
        *,
        db: str | None = None,
        color: Color = "auto",
        log_file: Path | None = None,
        env_file: Path | None = None,
    ) -> "Settings":
        """Weigh options against variables: an option wins over a variable, a variable over the default.

        Without ``log_file`` the log stands beside a SQLite database, else in the working directory. Raises InputError for a database or
        an env file that cannot be meant.
        """
        env = {**(_read_env_file(env_file) if env_file else {}), **environ}
        db_url = _db_url(db or env.get("BATCHGEN_DB") or DEFAULT_DB)
        return cls(
            db_url=db_url,
            color=_color(color, env),
            log_file=log_file or _log_beside(db_url),
            env=MappingProxyType(env),
            login=_login(),
            user_agent=f"batchgen/{__version__}",
        )

    def local_folder(self, output_dir: str) -> Path:
        """Give the folder on this machine where a batch keeps its journal, its lock and what is on its way.

        That is the output folder itself; for an object storage one in the spool, named after the address: ``BATCHGEN_SPOOL``, or
        ``batchgen-spool`` beside the log.
        """
        if not is_address(output_dir):
            return Path(output_dir)
        spool = Path(self.env.get("BATCHGEN_SPOOL") or self.log_file.parent / "batchgen-spool").absolute()
        readable = _NOT_IN_NAMES.sub("-", output_dir.partition("://")[2])[:_SPOOL_NAME_CHARS]
        return spool / f"{readable}-{hashlib.sha256(output_dir.encode()).hexdigest()[:12]}"

    def secret(self, name: str) -> str | None:
        """Give the secret that a variable holds, without surrounding white space; None if it is unset or blank.

        Raises InputError, which never quotes the value, when it holds what no key holds: white space, quotes, non-ASCII characters.
        """
        value = self.env.get(name, "").strip()
        for position, character in enumerate(value, start=1):
            if not "!" <= character <= "~" or character in "\"'`":
                raise InputError(f"the value of {name} cannot be a key: its character {position} of {len(value)} is {_kind(character)}")
        return value or None

    def secrets(self) -> frozenset[str]:
        """Give every value that must not be shown: those of variables named like secrets, and the database's password."""
        named = {value.strip() for name, value in self.env.items() if _SECRET_NAME.search(name) and not name.upper().endswith("_ENV")}
        password = _PASSWORD.match(self.db_url)
        return frozenset(named | ({password[1], unquote(password[1])} if password else set()) - {""})


def resource_dir(name: str) -> Path:
    """Find ``migrations`` or ``manifests``: inside the installed package, or beside it in a checkout.

    Raises FileError when the installation is incomplete.
    """
    for place in (_PACKAGE / "_bundled" / name, _PACKAGE.parent / name):
        if place.is_dir():
            return place
    raise FileError(f"this installation of batchgen lacks its {name!r} folder: install it again")


def _read_env_file(path: Path) -> dict[str, str]:
    """Read ``NAME=value`` lines; ``$`` is literal, since expanding would read the environment a second way."""
    try:
        with path.open(encoding="utf-8-sig") as stream:
            bindings = list(parse_stream(stream))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise InputError(f"cannot read the env file {path}: {reason}") from error
    for binding in bindings:
        if binding.error:  # the line may hold a key, so it is named and not quoted
            raise InputError(f"{path}:{binding.original.line}: not of the form NAME=value")
    return {binding.key: binding.value for binding in bindings if binding.key and binding.value is not None}


def _db_url(text: str) -> str:
    scheme, mark, rest = text.partition("://")
    if not mark:
        return _sqlite_url(text)
    if scheme in _POSTGRES:
        return f"postgresql+psycopg://{rest}"
    if scheme == "sqlite":
        return _sqlite_url(rest.removeprefix("/"))
    raise InputError(f"the job database cannot be {scheme}://…: batchgen knows sqlite:///PATH and postgresql://…, or a bare path")


def _sqlite_url(path: str) -> str:
    if path in ("", ":memory:"):
        raise InputError("the job database must be a file: in memory it would not survive the run that it protects")
    if "?" in path or "\0" in path:
        raise InputError(f"the path of the job database may not hold '?' or NUL: {path!r}")
    return _SQLITE + path


def _log_beside(db_url: str) -> Path:
    return Path(db_url.removeprefix(_SQLITE)).with_suffix(".log") if db_url.startswith(_SQLITE) else Path("batchgen.log")


def _color(option: Color, env: Mapping[str, str]) -> bool | None:
    """Weigh ``--color`` over NO_COLOR over FORCE_COLOR (no-color.org: any value but the empty one counts)."""
    match option:
        case "always":
            return True
        case "never":
            return False
        case "auto":
            if env.get("NO_COLOR"):
                return False
            return True if env.get("FORCE_COLOR", "0") not in ("", "0") else None


def _login() -> str:
    """Name the operator by the account that runs the program; variables can be set to anything."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # containers run under numbers without a name
        return f"uid-{os.getuid()}"


def _kind(character: str) -> str:
    if character.isspace():
        return "white space"
    if character in "\"'`":
        return "a quotation mark"
    return "a control character" if character < " " or character == "\x7f" else "not ASCII"
