"""One batch of every kind of order: limits, choices and edits count rows of all kinds, and a storm loses and doubles none."""

import shutil
import signal
import subprocess

import pytest

from tests.acceptance.conftest import StartVendor
from tests.crash.audit import audit
from tests.support.cli import ROOT, CommandLine, Finished, Vendor, study

GRID = {"operation": ["image", "generate"], "quality": ["low", "high"]}
OVERRIDES = [
    {"when": {"operation": "image"}, "set": {"ratio": "1:1", "resolution": "1k"}},
    {"when": {"operation": "generate"}, "set": {"size": "1024x1024"}},
]
ROUNDS = 8
PATIENCE_S = 6.0


def _mixed(url: str, prompts: list[str], **changes: object) -> dict[str, object]:
    """Give the shape of ``manifests/operations.yaml``: each prompt as a task and as a call that is answered at once."""
    return study(url, prompts, **{"defaults": {"model": "gpt-image-2"}, "grid": GRID, "overrides": OVERRIDES, **changes})


def _orders(vendor: Vendor, *, before: int = 0) -> int:
    return len([line for line in vendor.bill() if line["event"] == "charge"]) - before


def test_budget_counts_money_of_all_kinds(cli: CommandLine, start_vendor: StartVendor) -> None:
    """A budget stops the batch before the order that would pass it, whichever kind that is; raising it finishes the rest."""
    vendor = start_vendor()
    cli.write(_mixed(vendor.url, ["a gate", "a door"], limits={"in_flight": 1, "budget": {"cost": 0.2}}))

    run = cli("run", "study.yaml", "-y")
    spent = sum(float(line["cost"]) for line in vendor.bill())
    raised = cli("resume", "-y", "--budget", "5")

    assert (5, 0) == (run.code, raised.code)
    assert 0 < spent <= 0.2
    assert {"saved": 8} == cli.states()
    assert 8 == _orders(vendor)


def test_budget_of_jobs_counts_orders_of_all_kinds(cli: CommandLine, start_vendor: StartVendor) -> None:
    """With a budget of three jobs exactly three orders go out, and the run says that its own limit stopped it."""
    vendor = start_vendor()
    cli.write(_mixed(vendor.url, ["a gate", "a door"], limits={"in_flight": 2, "budget": {"jobs": 3}}))

    run = cli("run", "study.yaml", "-y")

    assert 5 == run.code
    assert {"saved": 3, "planned": 5} == cli.states()
    assert 3 == vendor.posts


def test_only_chooses_by_operation(cli: CommandLine, start_vendor: StartVendor) -> None:
    """``--only operation=generate`` orders those rows alone and leaves the others planned or unplanned, never retired."""
    vendor = start_vendor()
    cli.write(_mixed(vendor.url, ["a gate"]))

    run = cli("run", "study.yaml", "-y", "--only", "operation=generate")
    chosen = [line["call"] for line in vendor.bill()]
    rest = cli("run", "study.yaml", "-y")

    assert (0, 0) == (run.code, rest.code)
    assert ["generation", "generation"] == chosen
    assert {"saved": 4} == cli.states()
    assert 4 == vendor.posts


def test_new_operation_adds_exactly_its_rows(cli: CommandLine, vendor: Vendor) -> None:
    """An axis value more is its rows more: what was there keeps its key and is not ordered again; taking it back retires them."""
    before = _orders(vendor)
    cli.write(_mixed(vendor.url, ["a mill"], grid={**GRID, "operation": ["image"]}, overrides=OVERRIDES[:1]))
    cli("run", "study.yaml", "-y")
    cli.write(_mixed(vendor.url, ["a mill"]))

    plan = cli("plan", "study.yaml", "--json").document
    run = cli("run", "study.yaml", "-y")
    cli.write(_mixed(vendor.url, ["a mill"], grid={**GRID, "operation": ["image"]}, overrides=OVERRIDES[:1]))
    back = cli("plan", "study.yaml", "--json").document

    assert (2, 2, 0) == (plan["new"], plan["done"], plan["retired"])
    assert 0 == run.code
    assert {"saved": 4} == cli.states()
    assert 4 == _orders(vendor, before=before)
    assert (0, 2, 2) == (back["new"], back["done"], back["retired"])


@pytest.mark.slow
@pytest.mark.parametrize(("profile", "seed"), [("rough", 11), ("storm", 7)])
def test_no_order_of_any_kind_is_lost_or_bought_twice(cli: CommandLine, start_vendor: StartVendor, profile: str, seed: int) -> None:
    """Forty orders of five kinds in rough weather and in a storm: the bill is the books, nothing is doubled and nothing lost."""
    vendor = start_vendor(profile=profile, seed=seed, latency_s=0.02)
    _write_forty(cli, vendor.url)

    ended = _run_to_the_end(cli)

    bill = vendor.bill()
    refunded = {line["task_id"] for line in bill if line["event"] == "refund"}
    charges = [line for line in bill if line["event"] == "charge"]
    whole = audit(cli.folder / "batchgen.db", charges)
    net = audit(cli.folder / "batchgen.db", [line for line in charges if line["task_id"] not in refunded])
    assert ended.code in {0, 3}, ended.out + ended.err
    assert [] == [*whole.violations, *net.duplicates, *net.lost]
    assert 40 == sum(cli.states().values())
    assert set(cli.states()) <= {"saved", "failed", "ambiguous"}
    assert 0 == cli("verify").code


def _run_to_the_end(cli: CommandLine) -> Finished:
    """Run and resume until all is decided; a run that pauses because answers get lost is interrupted, as its pause ends with it."""
    words = ("run", "study.yaml", "-y")
    for _ in range(12):
        with cli.background(*words) as process:
            try:
                return_code = process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
                return_code = None
            ended = cli.finish(process)
        if return_code is not None:
            return ended
        words = ("resume", "-y")
    return ended


def _write_forty(cli: CommandLine, url: str) -> None:
    """Write eight rows each of tasks, tasks with an upload, pictures by URL and in base64, and edits."""
    shutil.copy(ROOT / "manifests" / "refs" / "shoe.png", cli.folder / "shoe.png")
    prompts = {name: [f"{name} {number}" for number in range(ROUNDS)] for name in ("task", "reference", "by url", "in base64", "edit")}
    answers = {"operation": "generate"}
    sweeps = [
        {"name": "tasks", "prompts": prompts["task"]},
        {"name": "references", "prompts": prompts["reference"], "params": {"images": "shoe"}},
        {"name": "urls", **answers, "prompts": prompts["by url"], "params": {"size": "1024x1024", "response_format": "url"}},
        {"name": "texts", **answers, "prompts": prompts["in base64"], "params": {"size": "1024x1024", "response_format": "b64_json"}},
        {"name": "edits", "operation": "edit", "prompts": prompts["edit"], "params": {"size": "1024x1024", "images": "shoe"}},
    ]
    references = {"shoe": {"path": "shoe.png", "send": "upload"}}
    limits = {"in_flight": 8, "timeout": {"submit": "2s", "download": "10s"}}
    manifest = study(url, [], references=references, sweeps=sweeps, limits=limits)
    del manifest["prompts"]
    cli.write(manifest)
