"""The report as files: what is written where, and what is refused."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from tests.acceptance.conftest import StartVendor
from tests.support.cli import CommandLine, Vendor, study
from tests.support.databases import postgres_url

GRID = {"quality": ["low", "medium"]}


def facts(page: Path) -> dict[str, object]:
    """Read what a page holds."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return json.loads(found[1])  # type: ignore[no-any-return]


def test_report_holds_every_job_with_its_picture_or_its_cause(cli: CommandLine, vendor: Vendor) -> None:
    """In a folder beside the database; pictures stay where they are and are linked, thumbnails lie beside the page."""
    cli.write(study(vendor.url, ["report: a fox", "[moderated] report: a heron"], grid=GRID))
    assert 3 == cli("run", "study.yaml", "-y").code
    before = cli.images()

    done = cli("report")

    assert 0 == done.code, done.err
    assert "report: report-study/index.html" in done.out
    folder = cli.folder / "report-study"
    told = {job["key"]: job for job in facts(folder / "index.html")["jobs"]}  # type: ignore[attr-defined, index]
    assert {job["key"] for job in cli.jobs()} == set(told)
    for job in cli.jobs():
        shown = told[job["key"]]
        if job["state"] == "saved":
            assert (cli.folder / "out" / job["path"]).read_bytes() == (folder / shown["source"]).read_bytes()
            with Image.open(folder / shown["thumb"]) as thumb:
                assert "WEBP" == thumb.format
        else:
            assert (None, None) == (shown["source"], shown["thumb"])
            assert "moderated" in shown["reason"]
            assert shown["detail"]
    assert before == cli.images()


def test_report_again_replaces_the_page_and_nothing_else(cli: CommandLine, vendor: Vendor) -> None:
    """What somebody put beside it stays; a page that is not ours is never written over."""
    cli.write(study(vendor.url, ["report again: a fox"]))
    cli("run", "study.yaml", "-y")
    cli("report", "--output", "morning")
    cli.write_text("mine", "morning/notes.txt")

    assert 0 == cli("report", "--output", "morning").code
    assert b"mine" == (cli.folder / "morning/notes.txt").read_bytes()
    cli.write_text("<html>my own page", "other/index.html")
    refused = cli("report", "--output", "other")
    assert (2, "") == (refused.code, refused.out)
    assert "other/index.html is no report of batchgen" in refused.err
    assert b"<html>my own page" == (cli.folder / "other/index.html").read_bytes()


def test_a_single_file_needs_nothing_beside_it(cli: CommandLine, vendor: Vendor) -> None:
    """Its pictures are in it."""
    cli.write(study(vendor.url, ["single: a fox", "single: a heron"]))
    cli("run", "study.yaml", "-y")

    done = cli("report", "--single-file", "--prompt-id", "p1")

    assert 0 == done.code, done.err
    (job,) = facts(cli.folder / "report-study.html")["jobs"]  # type: ignore[misc] # a list
    assert job["source"] is None
    assert job["thumb"].startswith("data:image/webp;base64,")


def test_a_contact_sheet_is_a_picture(cli: CommandLine, vendor: Vendor) -> None:
    """It is not written over unless told to."""
    cli.write(study(vendor.url, ["sheet: a fox", "[moderated] sheet: 一只狐狸"], grid=GRID))
    cli("run", "study.yaml", "-y")

    assert 0 == cli("report", "--sheet", "sheet.png").code
    with Image.open(cli.folder / "sheet.png") as sheet:
        assert "PNG" == sheet.format
        assert sheet.width > 2 * 160
    assert 2 == cli("report", "--sheet", "sheet.png").code
    assert 0 == cli("report", "--sheet", "sheet.png", "--force").code


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--single-file", "--live"), "name one"),
        (("--live", "--state", "saved"), "shows every state"),
        (("nobody",), "there is no batch nobody"),
    ],
)
def test_what_cannot_be_reported_is_said_in_a_line(cli: CommandLine, vendor: Vendor, words: tuple[str, ...], complaint: str) -> None:
    """And nothing is written."""
    cli.write(study(vendor.url, ["refused report: a fox"]))
    cli("plan", "study.yaml", "--save")
    before = set(cli.files())

    refused = cli("report", *words)

    assert (2, "") == (refused.code, refused.out)
    assert complaint in refused.err
    assert before == set(cli.files())


def test_pictures_that_are_not_what_was_recorded_are_claims(cli: CommandLine, vendor: Vendor) -> None:
    """One is gone, one was changed: the page says so, and shows neither."""
    cli.write(study(vendor.url, ["claims: a fox", "claims: a heron", "claims: an owl"]))
    cli("run", "study.yaml", "-y")
    paths = [cli.folder / "out" / job["path"] for job in cli.jobs()]
    paths[0].unlink()
    paths[1].write_bytes(paths[1].read_bytes()[:-1] + b"x")

    done = cli("report")

    assert 0 == done.code, done.err
    told = facts(cli.folder / "report-study/index.html")["jobs"]
    assert [["missing"], ["changed"]] == [job["claims"] for job in told[:2]]  # type: ignore[index] # a list
    assert [None, None] == [job["source"] for job in told[:2]]  # type: ignore[index]


def test_a_report_of_a_plan_shows_what_will_be_ordered(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Before the first order there is no night, and no picture."""
    cli.write(study(start_vendor().url, ["planned: a fox"]))
    cli("plan", "study.yaml", "--save")

    assert 0 == cli("report").code
    page = cli.folder / "report-study/index.html"
    assert "Nothing was ordered yet." in page.read_text(encoding="utf-8")
    assert ["planned"] == [job["state"] for job in facts(page)["jobs"]]  # type: ignore[attr-defined] # a list


@pytest.mark.postgres
def test_a_batch_on_a_server_has_a_report_too(cli: CommandLine, vendor: Vendor, postgres: str) -> None:
    """With its night and its claims."""
    cli.write(study(vendor.url, ["server: a fox", "[moderated] server: a heron"]))
    url = postgres_url(postgres)
    assert 3 == cli("--db", url, "run", "study.yaml", "-y").code

    done = cli("--db", url, "report")

    assert 0 == done.code, done.err
    page = (cli.folder / "report-study/index.html").read_text(encoding="utf-8")
    assert "Latency by model" in page
    assert "Failures by cause" in page


def test_a_report_is_its_owners_alone(cli: CommandLine, vendor: Vendor) -> None:
    """It holds prompts, as the database does."""
    cli.write(study(vendor.url, ["private report: a fox"]))
    cli("run", "study.yaml", "-y")

    assert 0 == cli("report").code
    folder = cli.folder / "report-study"
    assert {0o700} == {path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*")) if path.is_dir()}
    assert {0o600} == {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}
