"""The job database as a thing: open it, upgrade it, copy it, check it."""

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batchgen.app.calling import program
from batchgen.core.errors import InputError, StoreError
from batchgen.core.places import is_address
from batchgen.files.placing import new_file
from batchgen.logs import lines as diary
from batchgen.settings import DEFAULT_DB, Settings, resource_dir
from batchgen.store import backup as copies
from batchgen.store import datasette as described
from batchgen.store import engine as engines
from batchgen.store import migrate, queries
from batchgen.store.engine import damage, file_of, open_engine, parse, place_of
from batchgen.store.writer import DatabaseThread


@contextmanager
def writing(settings: Settings) -> Iterator[DatabaseThread]:
    """Open the database for changes, created or upgraded as needed; every change is durable when the block ends."""
    migrate.upgrade(settings.db_url, resource_dir("migrations"))
    engine = open_engine(settings.db_url)
    thread = DatabaseThread(engine, say=lambda sentence: diary.get("database").warning("database.away", detail=sentence))
    try:
        yield thread
    finally:
        thread.close()
        engine.dispose()


def exists(settings: Settings) -> bool:
    """Say whether there is a job database to read; a file without tables is one yet to be made."""
    return migrate.current(settings.db_url) is not None


def modernize(settings: Settings) -> None:
    """Upgrade a database of an older schema, after a copy; create nothing, and raise SchemaError for a newer one."""
    if exists(settings):
        migrate.upgrade(settings.db_url, resource_dir("migrations"))


def require(settings: Settings) -> str:
    """Give the database's URL; raise StoreError when there is none yet, SchemaError when its schema is not this program's."""
    if not exists(settings):
        raise StoreError(f"there is no job database at {place(settings)}; batchgen run or plan --save creates it, --db names another")
    migrate.require_head(settings.db_url, resource_dir("migrations"))
    return settings.db_url


def place(settings: Settings) -> str:
    """Name the database without a password."""
    return place_of(parse(settings.db_url))


def command(settings: Settings) -> str:
    """Give the words with which a person reaches this database: the program, with ``--db`` where it is not the default."""
    path = file_of(parse(settings.db_url))
    return program() if path == Path(DEFAULT_DB) else f"{program()} --db {shlex.quote(place(settings))}"


def is_shared(settings: Settings) -> bool:
    """Say whether many machines may work on the database at once."""
    return file_of(parse(settings.db_url)) is None


def revisions(settings: Settings) -> tuple[str | None, str]:
    """Give the schema's revision, None without a database, and the one that this program knows."""
    return migrate.current(settings.db_url), migrate.head(resource_dir("migrations"))


def upgrade(settings: Settings) -> str:
    """Create or upgrade the schema and say what was done."""
    before = migrate.current(settings.db_url)
    copy = migrate.upgrade(settings.db_url, resource_dir("migrations"))
    now = migrate.head(resource_dir("migrations"))
    if before == now:
        return f"{place(settings)} is at {now} already"
    kept = f"; the former state is kept in {copy}" if copy else ""
    return f"{place(settings)}: {'created' if before is None else before} -> {now}{kept}"


def backup(settings: Settings, target: Path) -> str:
    """Copy the database into a new file and say so."""
    copies.backup(settings.db_url, target)
    return f"copied {place(settings)} to {target}"


def datasette(settings: Settings, target: Path, *, replaces: bool = False) -> list[str]:
    """Write what Datasette needs to show the database, and give the lines to type then.

    Raises InputError for a server's database and for a file that stands already.
    """
    path = file_of(parse(settings.db_url))
    if path is None:
        raise InputError("Datasette shows SQLite files only")
    engine = open_engine(require(settings), readonly=True)
    try:
        folders = [folder for folder in queries.saved_folders(engine) if not is_address(folder) and Path(folder).is_dir()]
    finally:
        engine.dispose()
    mounts = {folder: "images" if number == 1 else f"images-{number}" for number, folder in enumerate(folders, start=1)}
    with new_file(target, replaces=replaces) as file:
        file.write(json.dumps(described.describe(path.stem, mounts), ensure_ascii=False, indent=2).encode() + b"\n")
    words = ["datasette", path.absolute(), "--metadata", target.absolute()]
    words += [word for folder, name in mounts.items() for word in ("--static", f"{name}:{folder}")]
    newer = f"with Datasette 1.0 add: {shlex.join(['--config', str(target.absolute())])}"
    return ["pip install datasette datasette-json-html", shlex.join(map(str, words)), newer]


def check(settings: Settings) -> list[str]:
    """List what is wrong with the file itself; empty when it is sound."""
    engine = open_engine(require(settings), readonly=True)
    try:
        with engine.connect() as connection:
            return damage(connection)
    finally:
        engine.dispose()


def durability(settings: Settings) -> str:
    """Describe how the database keeps its promises on this machine; raise StoreError when it could not."""
    return engines.durability(settings.db_url)
