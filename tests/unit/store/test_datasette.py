"""What Datasette is told about a job database."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from batchgen.core import events as e
from batchgen.store.datasette import describe
from batchgen.store.engine import parse
from batchgen.store.views import VIEWS
from tests.support.databases import OpenTable, image, spec

STEPS = (e.SubmitStarted, e.SubmitAccepted, e.RenderFinished)
ANYTHING = {"batch": "", "model": "", "words": ""}


@pytest.fixture
def described() -> dict[str, Any]:
    """Describe a database whose pictures are served from one folder."""
    return describe("jobs", {"/images/night": "images"})["databases"]["jobs"]


@pytest.fixture
def database(open_table: OpenTable) -> Iterator[sqlite3.Connection]:
    """Give a database with three saved jobs, opened as Datasette opens it."""
    table = open_table(rows=[spec(1, prompt="A Fox"), spec(2), spec(3)])
    for number, path in ((1, "a/100% #1?.png"), (2, "b.mp4"), (3, "c.png")):
        table.walk(number, *STEPS)
        table.record(number, e.ImagesSaved, images=(image(path),))
    with closing(sqlite3.connect(f"file:{parse(table.url).database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


def test_every_view_is_described_by_columns_that_it_has(described: dict[str, Any]) -> None:
    """Each with its meaning, and facets, units and orders of nothing else."""
    for view in VIEWS:
        told = described["tables"][view.name]
        named = {*told.get("facets", ()), *told.get("units", ()), *(told[word] for word in ("sort", "sort_desc") if word in told)}

        assert (view.title, dict(view.columns)) == (told["description"], told["columns"])
        assert named <= set(view.columns)
    assert ["batch", "state", "model", "sweep", "reason"] == described["tables"]["v_jobs"]["facets"]


def test_signed_addresses_are_for_the_owner_alone(described: dict[str, Any], database: sqlite3.Connection) -> None:
    """Every table is out of the way; those with addresses, and queries of one's own, are closed to everyone else."""
    tables = {row["name"] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")}

    assert tables == {name for name, told in described["tables"].items() if told.get("hidden")}
    assert {"attempt", "upload"} == {name for name, told in described["tables"].items() if told.get("allow") == {"id": "root"}}
    assert {"id": "root"} == described["allow_sql"]


def test_pictures_are_found_under_their_addresses(described: dict[str, Any], database: sqlite3.Connection) -> None:
    """A cell is what the plugin reads; what means something in an address is escaped, and a video is a link."""
    cells = [json.loads(row["picture"]) for row in database.execute(described["queries"]["pictures"]["sql"], ANYTHING)]

    first = "/images/a/100%25 %231%3F.png"
    assert {"img_src": first, "href": first, "width": 240, "alt": "p1"} == cells[0]
    assert {"href": "/images/b.mp4", "label": "b.mp4"} == cells[1]
    assert 3 == len(cells)


@pytest.mark.parametrize(
    ("chosen", "found"),
    [({"words": "fOX"}, 1), ({"words": "wolf"}, 0), ({"batch": "night"}, 3), ({"batch": "day"}, 0), ({"model": "painter"}, 3)],
    ids=str,
)
def test_pictures_are_chosen(described: dict[str, Any], database: sqlite3.Connection, chosen: dict[str, str], found: int) -> None:
    """By batch, by model, and by words of the prompt."""
    rows = database.execute(described["queries"]["pictures"]["sql"], ANYTHING | chosen).fetchall()

    assert found == len(rows)


def test_a_story_is_told_in_order(described: dict[str, Any], database: sqlite3.Connection) -> None:
    """All events of one job, from its planning on."""
    rows = database.execute(described["queries"]["story"]["sql"], {"key": f"{1:032x}"}).fetchall()

    assert [0, 1, 2, 3, 4] == [row["seq"] for row in rows]


@pytest.mark.parametrize("folders", [{}, {"/it's/here": "images", "/images/night": "images-2"}], ids=["none", "two"])
def test_folders_are_told_apart(database: sqlite3.Connection, folders: dict[str, str]) -> None:
    """Each is served under its own name; where none is served there is no address."""
    sql = describe("jobs", folders)["databases"]["jobs"]["queries"]["pictures"]["sql"]

    addresses = [json.loads(row["picture"])["href"] for row in database.execute(sql, ANYTHING)]

    assert {bool(folders)} == {bool(address) and address.startswith("/images-2/") for address in addresses}
