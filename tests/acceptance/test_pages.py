"""The pages for users: every example in them is played against the simulator, and says what it says there.

With ``RECORD_PAGES=1`` (``make pages``) what has changed is written into the pages instead; run it alone.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import text

from batchgen.store.engine import open_engine
from batchgen.store.views import VIEWS
from tests.acceptance.conftest import StartVendor
from tests.support.cli import ROOT, CommandLine, study
from tests.support.databases import postgres_url
from tests.support.pages import blocks, replayed, sections

PAGES = ("index.md", "cookbook.md", "auditor.md")
EXAMPLES = [(page, title) for page in PAGES for title, section in sections(page).items() if "```console" in section]
QUESTIONS = {title: body for title, section in sections("sql.md").items() for language, _, body in blocks(section) if language == "sql"}
TERMS: dict[str, dict[str, object]] = {
    "Go on after a crash": {"latency_s": 1.0},  # all is ordered before the first picture comes
    "Order the failures again, and nothing else": {"faults": ("task.failed_unknown@1",)},
}
"""What the vendor must be like for a recipe to be of use."""


@pytest.fixture
def cli() -> Iterator[CommandLine]:
    """Give a command line in a folder whose path is as short as a reader's, since lines are cut at 80 columns."""
    with TemporaryDirectory(dir="/tmp", prefix="") as folder:
        command_line = CommandLine(folder=Path(folder))
        yield command_line
        assert [] == command_line.leaks()


@pytest.mark.slow
@pytest.mark.parametrize(("page", "title"), EXAMPLES, ids=[f"{page}-{title}" for page, title in EXAMPLES])
def test_a_section_says_what_its_commands_say(cli: CommandLine, start_vendor: StartVendor, page: str, title: str) -> None:
    """Whoever types it sees it."""
    section = sections(page)[title]
    vendor = start_vendor(**TERMS.get(title, {}))

    played = replayed(cli, section, JIMMYAI_BASE_URL=vendor.url)

    if os.environ.get("RECORD_PAGES"):
        path = ROOT / "docs" / page
        path.write_text(path.read_text(encoding="utf-8").replace(section, played), encoding="utf-8")
    else:
        assert section == played


@pytest.mark.slow
def test_each_question_in_sql_has_an_answer(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Of a finished batch with a failure that was bought again and an answer that was lost; the bill is the vendor's own."""
    vendor = start_vendor(faults=("task.failed_unknown@1", "post.accept_then_reset@2"))
    cli.write(study(vendor.url, ["an owl", "an owl in fog", "[moderated] an owl", "a gate"], limits={"in_flight": 1}))

    codes = [cli("run", "study.yaml", "-y").code]
    codes += [cli("retry", "--reason-word", "remote", "--reason", "once more", "-y").code, cli("resume").code]
    answers = {title: cli.select(query) for title, query in QUESTIONS.items()}

    assert [3, 0, 3] == codes
    assert 10 == len(answers)
    assert [] == [title for title, rows in answers.items() if not rows]
    assert {view.name for view in VIEWS} == {word for query in QUESTIONS.values() for word in re.findall(r"v_\w+", query)}
    (in_doubt,) = answers["Which orders may have been billed without a picture?"]
    lost = {charge["task_id"] for charge in vendor.charges() if charge["body_sha256"] == in_doubt["body_sha256"]}
    assert {charge["task_id"] for charge in vendor.charges()} - lost == {row["task_id"] for row in answers["Does the vendor's bill agree?"]}


@pytest.mark.postgres
def test_each_question_in_sql_is_one_for_postgresql_too(postgres: str) -> None:
    """The same words, on the views of another engine."""
    engine = open_engine(postgres_url(postgres))

    with engine.connect() as connection:
        answers = [connection.execute(text(query)).all() for query in QUESTIONS.values()]

    engine.dispose()
    assert [[]] * 10 == answers


@pytest.mark.parametrize("page", PAGES)
def test_no_example_stands_apart(page: str) -> None:
    """A block is typed, a file that is typed about, or how to install: nothing else could be wrong unnoticed."""
    written = (ROOT / "docs" / page).read_text(encoding="utf-8")
    before_the_first_heading = written.partition("\n## ")[0]

    loose = [body for language, title, body in blocks(written) if language != "console" and not title]

    assert [] == blocks(before_the_first_heading)
    assert [] == [body for body in loose if "pip install" not in body]
    assert written.count("```") == 2 * len(blocks(written))
