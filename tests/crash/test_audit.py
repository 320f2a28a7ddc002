"""The oracle itself: it finds each fault that is planted, so its silence means something."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.audit import audit, content
from tests.support.cli import CommandLine, open_vendor, study

Charges = list[dict[str, Any]]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CommandLine, Charges]]:
    """Give a folder with three saved pictures, and the vendor's charges for them."""
    cli = CommandLine(folder=tmp_path_factory.mktemp("audit"))
    with open_vendor() as vendor:
        cli.write(study(vendor.url, ["a gate", "a door", "a bridge"]))
        assert 0 == cli("run", "study.yaml", "-y").code
        yield cli, vendor.charges()


def _database(cli: CommandLine) -> Path:
    return cli.folder / "batchgen.db"


def test_clean_run_has_no_findings(finished: tuple[CommandLine, Charges]) -> None:
    """Books, bill and disk agree."""
    cli, charges = finished

    assert [] == audit(_database(cli), charges).sentences()


def test_second_charge_for_one_order_is_a_duplicate(finished: tuple[CommandLine, Charges]) -> None:
    """The same body billed under another task was bought twice, and the second picture is lost."""
    cli, charges = finished

    found = audit(_database(cli), [*charges, {**charges[0], "task_id": "img_second"}])

    assert (1, 1, 1) == (len(found.duplicates), len(found.lost), len(found.violations))


def test_charge_that_nobody_knows_is_lost(finished: tuple[CommandLine, Charges]) -> None:
    """A bill for a body that we never recorded is a paid picture without a trace."""
    cli, charges = finished

    found = audit(_database(cli), [*charges, {**charges[0], "task_id": "img_x", "body_sha256": "0" * 64}])

    assert (0, 1, 1) == (len(found.duplicates), len(found.lost), len(found.violations))


def test_order_that_was_never_charged_is_a_violation(finished: tuple[CommandLine, Charges]) -> None:
    """An accepted attempt that the bill does not have means that the books lie."""
    cli, charges = finished

    found = audit(_database(cli), charges[1:])

    assert ([], [], 1) == (found.duplicates, found.lost, len(found.violations))


def test_stray_file_is_a_violation(finished: tuple[CommandLine, Charges]) -> None:
    """Whatever a crash left in the output folder shows."""
    cli, charges = finished
    stray = cli.write_text("half a picture", "out/.leftover.part")

    found = audit(_database(cli), charges)
    stray.unlink()

    assert [".leftover.part belongs to no saved job"] == found.violations


def test_content_ignores_the_list_of_runs_alone(finished: tuple[CommandLine, Charges]) -> None:
    """A run that does nothing leaves the rest of the database as it was; a decision does not."""
    cli, _ = finished
    before = content(_database(cli))

    cli("resume", "-y")
    after = content(_database(cli))

    assert before == after
    assert any("INSERT INTO" in line and "attempt" in line for line in before)
