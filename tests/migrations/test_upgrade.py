"""Databases are created, upgraded, backed up and refused as promised."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from batchgen.core import events as e
from batchgen.core.errors import SchemaError, StoreError
from batchgen.core.machine import edges
from batchgen.store import migrate, queries, schema
from batchgen.store.engine import open_engine, parse
from batchgen.store.views import VIEWS
from tests.support.databases import MIGRATIONS, opened, postgres_url, sqlite_url, violated

HEAD = migrate.head(MIGRATIONS)
LATER = f"{int(HEAD) + 1:04}"
NEXT = f'''"""Add a column."""

import sqlalchemy as sa
from alembic import op

revision = "{LATER}"
down_revision = "{HEAD}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column("run", sa.Column("colour", sa.Text()))
'''


FIRST_ROWS = """
INSERT INTO batch(id, name, output_dir, created_at) VALUES (1, 'study', '/out', '2026-01-01T00:00:00.000000Z');
INSERT INTO batch_total(batch_id, state, jobs) SELECT 1, column1, column1 = 'planned' FROM
  (VALUES ('planned'), ('submitting'), ('ambiguous'), ('submitted'), ('rendered'), ('saved'), ('failed'), ('cancelled'));
INSERT INTO plan(id, batch_id, created_at, manifest, manifest_path, manifest_sha256, files, settings, total, tool_version)
  VALUES (1, 1, '2026-01-01T00:00:00.000000Z', x'', 'study.yaml', '', '[]', '{}', 1, '0.1.0');
INSERT INTO job(id, key, sweep, prompt_id, prompt, operation, model, params, labels, refs, cell, sample, ordinal, position, batch_id,
  plan_id, planned_at, updated_at) VALUES (1, '00000000000000000000000000000001', 'study', 'p1', 'a fox', 'image', 'gpt-image-2', '{}',
  '{}', '[]', 'cell', 1, 0, 0, 1, 1, '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z');
"""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Make a fresh database at the head."""
    return sqlite_url(tmp_path) if request.param == "sqlite" else postgres_url(request.getfixturevalue("postgres"))


@pytest.fixture
def next_release(tmp_path: Path) -> Path:
    """Make the migrations of a program one revision newer."""
    folder = tmp_path / "next" / "migrations"
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / f"{LATER}_colour.py").write_text(NEXT)
    return folder


def in_database(url: str, question: str) -> list[tuple[object, ...]]:
    """Ask the database past the program."""
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(question))]
    finally:
        engine.dispose()


def differences(connection: Connection) -> list[object]:
    """Compare the tables with the models, ignoring the two that Alembic and the views own."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, schema.metadata))


def test_the_tables_are_those_of_the_models(url: str) -> None:
    """What the revisions build is what the code expects."""
    engine = open_engine(url)
    with engine.connect() as connection:
        found = differences(connection)
        names = set(inspect(connection).get_table_names())
        views = set(inspect(connection).get_view_names())
    engine.dispose()

    assert [] == found
    assert {*schema.metadata.tables, "alembic_version"} == names
    assert {view.name for view in VIEWS} == views


def test_the_edges_are_those_of_the_transition_table(url: str) -> None:
    """Auditors see the table that the program follows."""
    assert {(before.value, after.value) for before, after in edges()} == set(in_database(url, "SELECT before, after FROM edge"))


def test_every_database_has_its_own_identity(tmp_path: Path) -> None:
    """A copy of one database is told from another."""
    urls = [str(tmp_path / name) for name in ("one.db", "two.db")]
    for url in urls:
        migrate.upgrade(url, MIGRATIONS)

    one, two = (in_database(url, "SELECT value FROM meta WHERE key = 'db_uuid'") for url in urls)

    assert one != two


def test_the_head_is_read_from_file_names() -> None:
    """The cheap reading of the head agrees with Alembic's, and the revisions form one line."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    script = ScriptDirectory.from_config(config)

    assert [migrate.head(MIGRATIONS)] == script.get_heads()
    assert migrate.revisions(MIGRATIONS) == sorted(revision.revision for revision in script.walk_revisions())


def test_upgrading_at_the_head_does_nothing(url: str) -> None:
    """The usual case costs one question."""
    assert migrate.upgrade(url, MIGRATIONS) is None
    assert migrate.head(MIGRATIONS) == migrate.current(url)
    migrate.require_head(url, MIGRATIONS)


def test_an_older_database_is_copied_and_upgraded(tmp_path: Path, next_release: Path) -> None:
    """The new column is there, the rows are still there, and the former state lies beside it."""
    url = sqlite_url(tmp_path)
    with opened(url) as open_table:
        open_table(3).walk(1, e.SubmitStarted, e.SubmitAccepted)

    copy = migrate.upgrade(url, next_release)

    assert copy == Path(f"{parse(url).database}.bak-{HEAD}")
    assert HEAD == migrate.current(str(copy))
    assert LATER == migrate.current(url)
    assert [(None,)] == in_database(url, "SELECT colour FROM run")
    engine = open_engine(url)
    assert [] == violated(engine)
    assert 3 == len(list(queries.jobs(engine, queries.JobFilter())))
    engine.dispose()


def test_the_first_schema_becomes_the_present_one(tmp_path: Path) -> None:
    """A database of the first revision, with a job in it, ends with the tables of the models and all its rows."""
    first = tmp_path / "first" / "migrations"
    shutil.copytree(MIGRATIONS, first, ignore=shutil.ignore_patterns("__pycache__", "0002_*", "0003_*", "0004_*", "0005_*", "0006_*"))
    url = str(tmp_path / "jobs.db")
    migrate.upgrade(url, first)
    driver = sqlite3.connect(url)
    driver.executescript(FIRST_ROWS)
    driver.close()

    migrate.upgrade(url, MIGRATIONS)

    engine = open_engine(url)
    with engine.connect() as connection:
        assert [] == differences(connection)
    assert ["planned"] == [job["state"] for job in queries.jobs(engine, queries.JobFilter())]
    assert "" == queries.latest_plan(engine, 1).prices
    assert [] == violated(engine)
    engine.dispose()


def test_a_second_copy_takes_another_name(tmp_path: Path, next_release: Path) -> None:
    """A copy that exists is not overwritten."""
    url = sqlite_url(tmp_path)
    Path(f"{parse(url).database}.bak-{HEAD}").write_text("precious")

    copy = migrate.upgrade(url, next_release)

    assert copy == Path(f"{parse(url).database}.bak-{HEAD}.1")


@pytest.mark.postgres
def test_a_server_is_upgraded_in_place(postgres: str, next_release: Path) -> None:
    """PostgreSQL goes the same road, without a copy."""
    url = postgres_url(postgres)

    assert migrate.upgrade(url, next_release) is None

    assert [] == in_database(url, "SELECT colour FROM run")
    assert LATER == migrate.current(url)


def test_a_newer_database_is_refused_and_left_alone(url: str, tmp_path: Path, next_release: Path) -> None:
    """Both schemas are named, and nothing is written."""
    migrate.upgrade(url, next_release)

    for refused in (migrate.upgrade, migrate.require_head):
        with pytest.raises(SchemaError, match=f"schema {LATER}, newer than {HEAD}"):
            refused(url, MIGRATIONS)

    assert LATER == migrate.current(url)


def test_an_older_database_is_not_read_as_if_it_were_new(url: str, next_release: Path) -> None:
    """Commands that only look do not upgrade, and say what does."""
    with pytest.raises(SchemaError, match="batchgen db upgrade"):
        migrate.require_head(url, next_release)


def test_a_failing_revision_changes_nothing(url: str, next_release: Path) -> None:
    """If one statement fails the database is as it was, views included."""
    broken = (next_release / "versions" / f"{LATER}_colour.py").read_text() + '    op.drop_table("nowhere")\n'
    (next_release / "versions" / f"{LATER}_colour.py").write_text(broken)

    with pytest.raises(StoreError):
        migrate.upgrade(url, next_release)

    assert HEAD == migrate.current(url)
    assert [] == in_database(url, "SELECT * FROM v_jobs")
    with pytest.raises(Exception, match="colour"):
        in_database(url, "SELECT colour FROM run")


def test_leftover_of_a_dead_upgrade_is_no_obstacle(tmp_path: Path, next_release: Path) -> None:
    """Alembic changes a column by way of a table that must not exist yet; one that is in the way is dropped."""
    copying = NEXT.replace(
        'op.add_column("run", sa.Column("colour", sa.Text()))',
        'with op.batch_alter_table("upload", recreate="always") as table:\n        table.add_column(sa.Column("colour", sa.Text()))',
    )
    (next_release / "versions" / f"{LATER}_colour.py").write_text(copying)
    url = sqlite_url(tmp_path)
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE _alembic_tmp_upload(vendor TEXT)")
    engine.dispose()

    migrate.upgrade(url, next_release)

    assert LATER == migrate.current(url)
    assert [] == in_database(url, "SELECT colour FROM upload")
    assert [] == in_database(url, "SELECT name FROM sqlite_master WHERE name LIKE '_alembic_tmp_%'")


@pytest.mark.parametrize("name", ["jobs.db", "my jobs 100%.db", "nächtliche läufe.db"])
def test_names_with_spaces_percent_and_accents_work(tmp_path: Path, name: str) -> None:
    """Neither the database's nor the migrations' path has to be plain."""
    folder = tmp_path / name / "migrations"
    shutil.copytree(MIGRATIONS, folder)

    migrate.upgrade(str(tmp_path / name / name), folder)

    assert HEAD == migrate.current(str(tmp_path / name / name))


def test_nothing_is_created_by_asking(tmp_path: Path) -> None:
    """A database that does not exist has no revision, and still does not exist."""
    assert migrate.current(str(tmp_path / "jobs.db")) is None
    assert [] == list(tmp_path.iterdir())


def test_an_empty_file_has_no_tables(tmp_path: Path) -> None:
    """A run killed while it created the database is begun anew."""
    path = tmp_path / "jobs.db"
    path.touch()

    with pytest.raises(SchemaError, match="no batchgen tables"):
        migrate.require_head(str(path), MIGRATIONS)
    migrate.upgrade(str(path), MIGRATIONS)

    assert HEAD == migrate.current(str(path))


def test_a_foreign_file_is_never_upgraded(tmp_path: Path) -> None:
    """Somebody else's tables do not get ours beside them."""
    path = tmp_path / "theirs.db"
    driver = sqlite3.connect(path)
    driver.execute("CREATE TABLE contacts(name)")
    driver.commit()
    driver.close()

    with pytest.raises(SchemaError, match="another program"):
        migrate.upgrade(str(path), MIGRATIONS)
