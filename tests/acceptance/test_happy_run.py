"""A batch that meets no trouble: what the run leaves, and what every reading command then says of it."""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from batchgen.core.machine import EVENTS, fold
from tests.support.cli import CommandLine, Finished, Vendor, open_vendor, study

PROMPTS = ("a fox in the snow, happy", "a heron on one leg, happy")
RATIOS = ("1:1", "16:9")
CONTRACT = """
    key batch sweep prompt_id prompt params sample state reason attempts task_id cost path sha256 bytes width height
    planned_at submitted_at saved_at output_dir
"""


@pytest.fixture(scope="module")
def vendor() -> Iterator[Vendor]:
    """Start a vendor that takes orders from this batch alone, however often the batch is set up."""
    with open_vendor() as own:
        yield own


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory, vendor: Vendor) -> Iterator[CommandLine]:
    """Give a folder in which one batch of four pictures has been run to its end."""
    command_line = CommandLine(folder=tmp_path_factory.mktemp("happy"))
    manifest = study(vendor.url, PROMPTS, name="happy", grid={"ratio": list(RATIOS)}, output={"dir": "out/{{ batch }}", "sidecar": "json"})
    command_line.write(manifest, "happy.yaml")
    command_line.write_text(_ended(command_line("run", "happy.yaml", "-y")), "first-run.txt")
    yield command_line
    assert [] == command_line.leaks()


def _ended(run: Finished) -> str:
    assert 0 == run.code, run.err
    return run.out + run.err


def test_run_leaves_one_picture_per_row(cli: CommandLine) -> None:
    """Two prompts times two ratios are four PNG files below the output folder."""
    pictures = cli.images()

    assert 4 == len(pictures)
    assert all(name.startswith("out/happy/") for name in pictures)
    assert all(content.startswith(b"\x89PNG\r\n\x1a\n") for content in pictures.values())


def test_run_reports_what_it_did_on_stdout(cli: CommandLine) -> None:
    """The summary names the batch and its four saved pictures."""
    said = (cli.folder / "first-run.txt").read_text()

    assert re.search(r"happy.*\b4\b.*saved", said)
    assert "Traceback" not in said


def test_vendor_was_paid_once_per_row(cli: CommandLine, vendor: Vendor) -> None:
    """Every row has one charge, and every charge another task."""
    charges = vendor.charges(", happy")

    assert 4 == len(charges)
    assert {charge["task_id"] for charge in charges} == {job["task_id"] for job in cli.jobs()}


def test_each_picture_has_a_sidecar(cli: CommandLine) -> None:
    """The JSON beside a picture tells its prompt, its parameters and its hash."""
    for job in cli.jobs():
        picture = Path(job["output_dir"]) / job["path"]
        (sidecar,) = (path for path in picture.parent.glob("*.json") if path.name.startswith(picture.stem))

        told = json.loads(sidecar.read_text(encoding="utf-8"))

        assert (job["prompt"], job["sha256"], job["key"]) == (told["prompt"], told["sha256"], told["key"])
        assert job["params"] == told["params"]


def test_job_object_has_every_promised_field(cli: CommandLine) -> None:
    """``jobs --json`` is one document of schema ``batchgen.jobs/1`` whose rows have at least the contract's fields."""
    document = cli("jobs", "--json").document

    assert "batchgen.jobs/1" == document["schema"]
    assert 4 == len(document["jobs"])
    for job in document["jobs"]:
        assert set() == set(CONTRACT.split()) - set(job)


def test_job_object_tells_the_truth_about_its_file(cli: CommandLine) -> None:
    """The path is relative to ``output_dir``; hash and size are those of the file that stands there."""
    for job in cli.jobs():
        path = Path(job["path"])

        content = (Path(job["output_dir"]) / path).read_bytes()

        assert not path.is_absolute()
        assert cli.folder / "out/happy" == Path(job["output_dir"])
        assert hashlib.sha256(content).hexdigest() == job["sha256"]
        assert len(content) == job["bytes"]
        assert (int.from_bytes(content[16:20]), int.from_bytes(content[20:24])) == (job["width"], job["height"])


def test_job_object_says_what_was_ordered(cli: CommandLine) -> None:
    """Batch, prompt, parameters, sample, state and attempts are those of the plan and its run."""
    jobs = cli.jobs()

    assert {(prompt, ratio) for prompt in PROMPTS for ratio in RATIOS} == {(job["prompt"], job["params"]["ratio"]) for job in jobs}
    assert all(job["params"]["model"] == "gpt-image-2" and job["params"]["quality"] == "low" for job in jobs)
    assert all(("happy", 1, "saved", 1) == (job["batch"], job["sample"], job["state"], job["attempts"]) for job in jobs)
    assert 4 == len({job["key"] for job in jobs})
    assert all(job["sweep"] and job["prompt_id"] and not job["reason"] for job in jobs)


def test_money_is_a_decimal_string(cli: CommandLine, vendor: Vendor) -> None:
    """The cost of a job is the vendor's charge to the last digit, as text; its unit stands beside it."""
    charged = {charge["task_id"]: Decimal(charge["cost"]) for charge in vendor.charges(", happy")}

    for job in cli.jobs():
        amount = re.match(r"\d+(\.\d+)?", job["cost"])

        assert amount
        assert charged[job["task_id"]] == Decimal(amount[0])


def test_times_are_utc_and_in_order(cli: CommandLine) -> None:
    """A job was planned, then submitted, then saved; each instant is ISO-8601 in UTC."""
    for job in cli.jobs():
        instants = [datetime.fromisoformat(job[name]) for name in ("planned_at", "submitted_at", "saved_at")]

        assert sorted(instants) == instants
        assert all(instant.utcoffset() == timedelta(0) for instant in instants)


def test_jobs_jsonl_gives_the_same_rows_one_a_line(cli: CommandLine) -> None:
    """The streamed form holds the objects of the document."""
    streamed = cli("jobs", "happy", "--jsonl").lines

    assert cli.jobs() == streamed


def test_jobs_can_be_asked_for_by_state(cli: CommandLine) -> None:
    """A state that no job is in gives an empty list, the other one all."""
    assert [] == cli.jobs("--state", "failed")
    assert 4 == len(cli.jobs("--state", "saved"))


def test_jobs_table_fits_eighty_columns(cli: CommandLine) -> None:
    """The table for people is at most 80 columns wide and names every job."""
    table = cli("jobs").out.splitlines()

    assert max(map(len, table)) <= 80
    assert all(any(line.startswith(job["key"][:8]) for line in table) for job in cli.jobs())


def test_status_counts_jobs_and_money(cli: CommandLine, vendor: Vendor) -> None:
    """``status --json`` tells the states and the money spent, and it is the vendor's sum."""
    spent = sum(Decimal(charge["cost"]) for charge in vendor.charges(", happy"))

    document = cli("status", "--json").document
    (batch,) = document["batches"]

    assert "batchgen.status/1" == document["schema"]
    assert "happy" == batch["batch"]
    assert 4 == batch["states"]["saved"]
    assert spent == Decimal(batch["money"]["spent"])


def test_status_for_people_is_short_and_narrow(cli: CommandLine) -> None:
    """Without ``--json`` the answer fits a small terminal."""
    lines = cli("status", "happy").out.splitlines()

    assert 0 < len(lines) <= 24
    assert max(map(len, lines)) <= 80


def test_events_fold_to_the_stored_state(cli: CommandLine) -> None:
    """Replaying a job's events through the transition table gives the state that ``jobs`` shows, without a gap."""
    told: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in cli("events", "--jsonl").lines:
        told[event["key"]].append(event)

    for job in cli.jobs():
        events = told[job["key"]]
        recorded = [event for event in events if event["event"] in EVENTS]

        assert job["state"] == fold(event["event"] for event in recorded)
        assert list(range(len(events))) == [event["seq"] - events[0]["seq"] for event in events]
        assert [event["after"] for event in recorded[:-1]] == [event["before"] for event in recorded[1:]]
        assert job["state"] == recorded[-1]["after"]


def test_events_json_is_one_document_that_a_key_narrows(cli: CommandLine) -> None:
    """``events --key`` shows the transitions of the one job whose key begins so."""
    key = cli.jobs()[0]["key"]

    document = cli("events", "happy", "--key", key[:12], "--json").document

    assert "batchgen.events/1" == document["schema"]
    assert {key} == {event["key"] for event in document["events"]}
    assert all(event["actor"] for event in document["events"])


def test_show_tells_the_whole_story_of_one_job(cli: CommandLine) -> None:
    """``show`` knows the prompt, the task, the attempt, the transitions and the file."""
    job = cli.jobs()[0]

    told = cli("show", job["key"][:10], "--json")

    assert 0 == told.code
    assert "batchgen.job/1" == told.document["schema"]
    for fact in (job["prompt"], job["task_id"], job["sha256"], job["path"], "submit_accepted", "images_saved"):
        assert fact in told.out
    assert job["task_id"] in cli("show", job["key"]).out


def test_run_and_status_say_the_same_of_money(cli: CommandLine) -> None:
    """Both say what is spent, and nothing of doubts where there are none."""
    said = (cli.folder / "first-run.txt").read_text()

    assert "4 saved now; spent 0.12 coin\n" in said
    assert "  4 orders; spent 0.12 coin\n" in cli("status").out
    assert 0 == cli("status", "--json").document["batches"][0]["money"]["unpriced"]


def test_show_tells_amounts_with_their_unit(cli: CommandLine) -> None:
    """The operation has its line, and an order its price."""
    told = cli("show", cli.jobs()[0]["key"]).out

    assert "  operation  image\n" in told
    assert "accepted, 0.03 coin, task" in told


def test_show_of_an_unknown_key_is_a_usage_error(cli: CommandLine) -> None:
    """No job begins with these digits: exit 2, one sentence, no traceback."""
    answer = cli("show", "ffffffffffffffffffffffffffffffff")

    assert 2 == answer.code
    assert 1 == len(answer.err.splitlines())


def test_verify_finds_nothing_wrong(cli: CommandLine) -> None:
    """Every invariant holds and every file has its hash: exit 0."""
    audit = cli("verify", "--json")

    assert 0 == audit.code
    assert "batchgen.verify/1" == audit.document["schema"]
    assert [] == audit.document["violations"]


def test_database_file_is_sound(cli: CommandLine) -> None:
    """``db check`` finds no damage, ``db path`` names the file, ``db current`` its revision."""
    assert 0 == cli("db", "check").code
    assert (cli.folder / "batchgen.db").samefile(cli.folder / cli("db", "path").out.strip())
    assert cli("db", "current", "--json").document["revision"]


def test_running_again_does_nothing(cli: CommandLine, vendor: Vendor) -> None:
    """The second run of a finished manifest exits 0, sends no order and touches no picture."""
    posts, pictures = vendor.posts, cli.images()

    again = cli("run", "happy.yaml", "-y")

    assert 0 == again.code
    assert posts == vendor.posts
    assert pictures == cli.images()


def test_resuming_a_finished_batch_does_nothing(cli: CommandLine, vendor: Vendor) -> None:
    """``resume`` without a name finds the only batch and has nothing to do."""
    posts = vendor.posts

    again = cli("resume", "-y")

    assert 0 == again.code
    assert posts == vendor.posts


def test_backup_is_a_database_that_answers(cli: CommandLine, tmp_path: Path) -> None:
    """The copy made by ``db backup`` tells the same jobs."""
    copy = tmp_path / "copy.db"

    made = cli("db", "backup", copy)

    assert 0 == made.code
    assert cli.jobs() == cli.jobs("--db", copy)


def test_only_the_owner_may_read_database_and_log(cli: CommandLine) -> None:
    """Prompts, task ids and signed URLs are nobody else's business."""
    modes = {path.name: path.stat().st_mode & 0o077 for path in cli.folder.glob("batchgen*") if path.is_file()}

    assert modes
    assert {0} == set(modes.values())
