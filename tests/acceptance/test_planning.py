"""Looking before buying: plan, validate, and what an edited manifest adds and takes away."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import CANARY, CommandLine, Vendor, open_host, study

NOWHERE = "http://127.0.0.1:9"
PROMPTS = ("a gate, planned", "a door, planned", "a bridge, planned")


def _counts(cli: CommandLine, name: str = "study.yaml") -> dict[str, int]:
    document = cli("plan", name, "--json").document
    return {word: document[word] for word in ("new", "done", "retired")}


def _sets(**values: int) -> dict[str, int]:
    return {"new": 0, "done": 0, "retired": 0} | values


def test_plan_reads_only_and_needs_neither_key_nor_network(cli: CommandLine) -> None:
    """Without a key and with a vendor that does not exist a plan is shown, and the folder is as it was."""
    cli.write(study(NOWHERE, PROMPTS))
    before = cli.files()

    shown = cli("plan", "study.yaml", JIMMYAI_API_KEY=None)

    assert 0 == shown.code
    assert "3" in shown.out
    assert before == cli.files()


def test_plan_does_not_call_a_vendor_that_answers(cli: CommandLine, vendor: Vendor) -> None:
    """Planning asks no price, no balance and sends no order."""
    cli.write(study(vendor.url, PROMPTS))
    before = vendor.stats()

    cli("plan", "study.yaml")
    after = vendor.stats()

    assert (before["posts"], before["polls"]) == (after["posts"], after["polls"])


def test_plan_document_counts_new_rows(cli: CommandLine) -> None:
    """``plan --json`` is one document of schema ``batchgen.plan/1`` with the counts."""
    cli.write(study(NOWHERE, PROMPTS, grid={"ratio": ["1:1", "16:9"]}, samples=2))

    document = cli("plan", "study.yaml", "--json").document

    assert "batchgen.plan/1" == document["schema"]
    assert 12 == document["rows"] == document["new"]


def test_plan_shows_an_unknown_price_as_unknown(cli: CommandLine) -> None:
    """Nobody publishes the price of the model: the plan says so, and never 0."""
    cli.write(study(NOWHERE, PROMPTS))

    shown = cli("plan", "study.yaml")

    assert "unknown" in shown.out


def test_plan_counts_one_as_one(cli: CommandLine) -> None:
    """One row, prompt, cell and sample have no plural."""
    cli.write(study(NOWHERE, PROMPTS[:1]))

    shown = cli("plan", "study.yaml", "--offline").out

    assert "study: 1 row from" in shown
    assert "1 prompt x 1 cell x 1 sample = 1 row\n" in shown
    assert "study.yaml: 1 job\n" in cli("validate", "study.yaml").out


def test_plan_names_what_it_knows_of_a_cost(cli: CommandLine) -> None:
    """Where some rows have a price the cost is at least theirs; a cost budget cannot be kept then, whoever sets it."""
    prices = {"provider": {"base_url": NOWHERE, "prices": {"gpt-image-2": 0.05}}, "grid": {"model": ["gpt-image-2", "nano-banana-2"]}}
    cli.write(study(NOWHERE, PROMPTS[:1], **prices))
    cli.write(study(NOWHERE, PROMPTS[:1], **prices, limits={"budget": {"cost": 5}}), "capped.yaml")
    warning = (
        "warning: rows without a known price are not ordered under a cost limit; name it under provider.prices, or say --allow-unpriced"
    )

    plan, capped = cli("plan", "study.yaml", "--offline"), cli("plan", "capped.yaml", "--offline")
    run = cli("run", "study.yaml", "-y", "--budget", "0")

    assert "cost at least 0.05 coin (1 row without a known price)\n" in plan.out
    assert (0, 1, 1) == tuple(answer.out.count(warning) for answer in (plan, capped, run))
    assert warning.removeprefix("warning: ") in cli("plan", "capped.yaml", "--offline", "--json").document["warnings"]


def test_plan_says_that_the_catalogue_did_not_answer(cli: CommandLine) -> None:
    """A vendor that was asked in vain is named in one line; ``--offline`` asks nobody and says nothing of it."""
    cli.write(study(NOWHERE, PROMPTS))
    with open_host(lambda _: (503, {}, b"")) as host:
        cli.write(study(host.url, PROMPTS), "told-none.yaml")
        told_none = cli("plan", "told-none.yaml").out

    shown = cli("plan", "study.yaml").out

    assert 1 == shown.count("warning: 127.0.0.1:9 could not be asked for prices: Connection refused\n")
    assert "was asked for prices and told none (HTTP 503)" in told_none
    assert "could not be asked" not in cli("plan", "study.yaml", "--offline").out


def test_rows_done_by_another_provider_are_told(cli: CommandLine, vendor: Vendor) -> None:
    """Whoever tried with the simulator and then turns to a vendor learns that the rows count as done."""
    simulated = {"provider": {"use": "sim", "sim": {"latency": "0.05", "image-scale": "0.1"}}}
    cli.write(study("", PROMPTS, **simulated))
    cli("run", "study.yaml", "-y")
    same = cli("plan", "study.yaml")
    cli.write(study(vendor.url, PROMPTS))

    warned, other = cli("plan", "study.yaml"), cli("plan", "study.yaml", "--save")
    cli.write(study(NOWHERE, PROMPTS))
    moved = cli("plan", "study.yaml", "--offline")

    warning = "3 of the done rows came from sim; a new name orders them again"
    assert (0, 1, 1) == tuple(answer.out.count(warning) for answer in (same, warned, other))
    assert f"3 of the done rows came from {vendor.url.removeprefix('http://')};" in moved.out


@pytest.mark.parametrize("command", [("plan", "study.yaml"), ("run", "study.yaml", "-y")])
def test_warnings_are_not_counted_as_errors(cli: CommandLine, command: tuple[str, ...]) -> None:
    """One error beside one warning is one error."""
    prompts = [{"file": "p.csv", "prompt": "text", "params": {"ratio": "nowhere"}}]
    cli.write(study(NOWHERE, prompts, defaults={"model": "gpt-image-2", "rato": "1:1"}))
    cli.write_text("text\na fox\n", "p.csv")

    refused = cli(*command)

    assert 2 == refused.code
    assert "warning[" in refused.err
    assert "1 error; nothing was changed" == refused.err.splitlines()[-1]


def test_plan_exit_code_says_whether_there_is_work(cli: CommandLine, vendor: Vendor) -> None:
    """9 while rows wait, 0 once they are saved; without the option always 0."""
    cli.write(study(vendor.url, ["a gate, exit nine"]))

    before = cli("plan", "study.yaml", "--exit-code").code
    plain = cli("plan", "study.yaml").code
    cli("run", "study.yaml", "-y")
    after = cli("plan", "study.yaml", "--exit-code").code

    assert (9, 0, 0) == (before, plain, after)


def test_plan_save_stores_rows_that_resume_works_on(cli: CommandLine, vendor: Vendor) -> None:
    """Saved rows are planned; ``resume`` orders them though the manifest is gone."""
    manifest = cli.write(study(vendor.url, ["a gate, saved first"]))

    saved = cli("plan", "study.yaml", "--save", JIMMYAI_API_KEY=None)
    states = cli.states()
    manifest.unlink()
    resumed = cli("resume", "study", "-y")

    assert (0, 0) == (saved.code, resumed.code)
    assert {"planned": 1} == states
    assert {"saved": 1} == cli.states()


def test_explain_says_who_set_each_parameter(cli: CommandLine) -> None:
    """``--explain KEY`` names the layer of every value: defaults, the grid, or the command line."""
    cli.write(study(NOWHERE, PROMPTS[:1], grid={"ratio": ["16:9"]}))
    cli("plan", "study.yaml", "--set", "resolution=2k", "--save")
    key = cli.jobs()[0]["key"]

    told = cli("plan", "study.yaml", "--set", "resolution=2k", "--explain", key, "--json").document

    layers = {entry["name"]: (entry["value"], entry["layer"]) for entry in told["parameters"]}
    assert ("gpt-image-2", "defaults") == layers["model"]
    assert "16:9" == layers["ratio"][0]
    assert "grid" in layers["ratio"][1]
    assert "2k" == layers["resolution"][0]
    assert "set" in layers["resolution"][1]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, vendor: Vendor) -> Iterator[CommandLine]:
    """Give a folder in which three prompts at one ratio are saved; tests plan edited manifests beside it."""
    command_line = CommandLine(folder=tmp_path_factory.mktemp("edits"))
    command_line.write(study(vendor.url, PROMPTS, grid={"ratio": ["1:1"]}))
    assert 0 == command_line("run", "study.yaml", "-y").code
    yield command_line
    assert [] == command_line.leaks()


EDITS: dict[str, dict[str, Any]] = {
    "other tags and metadata": {"tags": ["nightly", "second"], "metadata": {"owner": "ana"}},
    "other output names": {"output": {"dir": "elsewhere", "name": "{{ key8 }}"}},
    "other limits and order": {"limits": {"in_flight": 2, "submit_rate": "30/min"}, "order": "shuffle"},
    "a value moved from grid to defaults": {
        "grid": {"model": ["gpt-image-2"]},
        "defaults": {"ratio": "1:1", "quality": "low", "model": "gpt-image-2"},
    },
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_edits_that_change_no_request_plan_no_row(finished: CommandLine, vendor: Vendor, edit: dict[str, Any], tmp_path: Path) -> None:
    """What does not go over the wire is no part of a job's identity."""
    finished.write(study(vendor.url, PROMPTS, **{"grid": {"ratio": ["1:1"]}, **edit}), f"{tmp_path.name}.yaml")

    counts = _counts(finished, f"{tmp_path.name}.yaml")

    assert _sets(done=3) == counts


def test_reordered_and_reformatted_manifest_plans_no_row(finished: CommandLine, vendor: Vendor) -> None:
    """The same manifest written by hand, prompts and keys in another order, asks for the same pictures."""
    lines = [
        "prompts:",
        *(f"  - {{text: '{prompt}', id: p{index}}}  # a name is a label" for index, prompt in enumerate(reversed(PROMPTS))),
        "grid:",
        "  quality: [low]",
        "  ratio:",
        "    - 1:1",
        "name: study",
        f"provider: {{base_url: '{vendor.url}'}}",
        "defaults: {model: gpt-image-2}",
        "version: 1",
    ]
    finished.write_text("\n".join(lines), "by-hand.yaml")

    assert _sets(done=3) == _counts(finished, "by-hand.yaml")


def test_one_more_ratio_plans_exactly_its_rows(finished: CommandLine, vendor: Vendor) -> None:
    """A second value on an axis of three prompts adds three rows."""
    finished.write(study(vendor.url, PROMPTS, grid={"ratio": ["1:1", "16:9"]}), "wider.yaml")

    assert _sets(new=3, done=3) == _counts(finished, "wider.yaml")


def test_one_more_sample_plans_exactly_its_rows(finished: CommandLine, vendor: Vendor) -> None:
    """A second sample of three saved rows adds three rows."""
    finished.write(study(vendor.url, PROMPTS, grid={"ratio": ["1:1"]}, samples=2), "more.yaml")

    assert _sets(new=3, done=3) == _counts(finished, "more.yaml")


def test_removed_rows_are_retired_and_their_files_kept(cli: CommandLine, vendor: Vendor) -> None:
    """A prompt taken out of the manifest retires its row; the picture stays, and so does the row's history."""
    cli.write(study(vendor.url, ["a gate, kept", "a door, removed"]))
    cli("run", "study.yaml", "-y")
    pictures = cli.images()
    cli.write(study(vendor.url, ["a gate, kept"]))

    counts = _counts(cli)
    again = cli("run", "study.yaml", "-y")

    assert _sets(done=1, retired=1) == counts
    assert 0 == again.code
    assert pictures == cli.images()
    assert {"saved": 2} == cli.states()
    assert 0 == cli("verify").code


def test_rows_removed_before_they_were_ordered_are_dropped(cli: CommandLine) -> None:
    """A planned row that the manifest no longer asks for is cancelled, and comes back when it is asked for again."""
    cli.write(study(NOWHERE, PROMPTS))
    cli("plan", "study.yaml", "--save")
    cli.write(study(NOWHERE, PROMPTS[:1]))
    cli("plan", "study.yaml", "--save")
    without = cli.states()
    cli.write(study(NOWHERE, PROMPTS))
    cli("plan", "study.yaml", "--save")

    assert {"planned": 1, "cancelled": 2} == without
    assert {"planned": 3} == cli.states()


def test_set_overrides_every_row(cli: CommandLine) -> None:
    """``--set`` wins over the manifest and makes other rows of it."""
    cli.write(study(NOWHERE, PROMPTS))

    cli("plan", "study.yaml", "--set", "quality=high", "--set", "ratio=9:16", "--save")

    assert {("high", "9:16")} == {(job["params"]["quality"], job["params"]["ratio"]) for job in cli.jobs()}


@pytest.mark.slow
def test_only_narrows_the_rows_and_retires_nothing(cli: CommandLine, vendor: Vendor) -> None:
    """``--only`` runs a part of the manifest; the rest is neither ordered nor retired."""
    cli.write(study(vendor.url, ["a gate, only"], grid={"ratio": ["1:1", "16:9", "9:16"]}))

    first = cli("run", "study.yaml", "-y", "--only", "ratio=16:9")
    states = cli.states()
    second = cli("run", "study.yaml", "-y", "--only", "ratio=9:16")

    assert (0, 0) == (first.code, second.code)
    assert 1 == states["saved"]
    assert {"16:9", "9:16"} == {job["params"]["ratio"] for job in cli.jobs("--state", "saved")}
    assert 2 == len(vendor.charges(", only"))


def test_only_that_fits_nothing_is_an_error(cli: CommandLine) -> None:
    """A typing mistake in ``--only`` must not look like finished work."""
    cli.write(study(NOWHERE, PROMPTS))

    assert 2 == cli("plan", "study.yaml", "--only", "ratio=16:9").code


def test_plans_above_max_jobs_are_refused_by_arithmetic(cli: CommandLine) -> None:
    """A grid of a million rows is refused at once with its axes named; a higher limit lets a smaller one pass."""
    cli.write(study(NOWHERE, [f"prompt {number}" for number in range(100)], samples=10_000), "huge.yaml")
    cli.write(study(NOWHERE, PROMPTS, samples=2))

    refused = cli("plan", "huge.yaml")

    assert 2 == refused.code
    assert "1000000" in refused.err.replace(",", "").replace("_", "")
    assert "samples" in refused.err
    assert 2 == cli("plan", "study.yaml", "--max-jobs", "5").code
    assert 0 == cli("plan", "study.yaml", "--max-jobs", "6").code


def test_database_option_stands_before_or_after_the_command(cli: CommandLine) -> None:
    """``--db`` is global, wins over BATCHGEN_DB, and takes a bare path or a URL."""
    cli.write(study(NOWHERE, PROMPTS[:1]))

    cli("--db", "before.db", "plan", "study.yaml", "--save", BATCHGEN_DB="variable.db")
    cli("plan", "study.yaml", "--save", "--db", "sqlite:///after.db")
    cli("plan", "study.yaml", "--save", BATCHGEN_DB="variable.db")

    assert {"before.db", "after.db", "variable.db"} == {path.name for path in cli.folder.glob("*.db")}
    assert 1 == len(cli("jobs", "--json", "--db", "before.db").document["jobs"])
    assert 1 == len(cli("jobs", "--json", BATCHGEN_DB="variable.db").document["jobs"])


def test_key_from_an_env_file_is_used(cli: CommandLine, vendor: Vendor) -> None:
    """``--env-file`` brings the key where the environment has none."""
    cli.write(study(vendor.url, ["a gate, env file"]))
    (cli.folder / "keys").write_text("JIMMYAI_API_KEY=sk-from-a-file\n")

    run = cli("run", "study.yaml", "-y", "--env-file", "keys", JIMMYAI_API_KEY=None)

    assert 0 == run.code
    assert ["keys"] == cli.leaks("sk-from-a-file")
    assert CANARY not in run.out


def test_two_batches_in_one_database_are_told_apart(cli: CommandLine) -> None:
    """Reading commands take the batch's name; ``resume`` without one refuses to guess."""
    for name in ("first", "second"):
        cli.write(study(NOWHERE, PROMPTS[:1], name=name))
        cli("plan", "study.yaml", "--save")

    assert {"first"} == {job["batch"] for job in cli.jobs("first")}
    assert ["first", "second"] == sorted(batch["batch"] for batch in cli("status", "--json").document["batches"])
    assert 2 == cli("resume", "-y").code
