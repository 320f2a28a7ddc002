"""Exit codes are a contract: each test brings one about and checks what it promises."""

import signal
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.conftest import StartVendor
from tests.support.cli import CommandLine, Vendor, study, wait_until
from tests.support.recording_vendor import open_recording_vendor

NOWHERE = "http://127.0.0.1:9"


def _prompts(count: int, marker: str) -> list[str]:
    return [f"study {number}, {marker}" for number in range(1, count + 1)]


def _once_each(vendor: Vendor) -> bool:
    bodies = [charge["body_sha256"] for charge in vendor.charges()]
    return len(bodies) == len(set(bodies))


def test_moderated_prompt_ends_with_three_and_is_not_tried_again(cli: CommandLine, vendor: Vendor) -> None:
    """A refusal by moderation fails its own row only, is refunded and never bought again."""
    cli.write(study(vendor.url, ["a fox, three", "[moderated] a fox, three"]))

    run = cli("run", "study.yaml", "-y")
    again = cli("run", "study.yaml", "-y")

    assert (3, 3) == (run.code, again.code)
    refused = cli.job("[moderated] a fox, three")
    assert ("failed", "moderated", 1) == (refused["state"], refused["reason"], refused["attempts"])
    assert {"saved": 1, "failed": 1} == cli.states()
    assert 2 == len(vendor.charges(", three"))


def test_lost_answer_ends_with_three_and_is_held(cli: CommandLine, start_vendor: StartVendor) -> None:
    """An order whose answer got lost is ambiguous; neither run nor resume sends it again, and verify has no objection."""
    vendor = start_vendor(faults=("post.accept_then_reset@1",))
    cli.write(study(vendor.url, _prompts(3, "lost")))

    run = cli("run", "study.yaml", "-y")
    resumed = cli("resume", "-y")

    assert (3, 3) == (run.code, resumed.code)
    assert {"saved": 2, "ambiguous": 1} == cli.states()
    assert 3 == vendor.posts == len(vendor.charges())
    assert 0 == cli("verify").code


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("models", "--use", "opnai"), "'opnai' is unknown; did you mean 'openai'? known are jimmyai, sim, jimmyai-video, openai, http"),
        (("models", "--use", "http"), "batchgen account MANIFEST"),
        (("account", "--use", "nosuch"), "'nosuch' is unknown; known are jimmyai,"),
        (("account", "--use", "http"), "batchgen account MANIFEST"),
    ],
)
def test_vendors_that_cannot_be_meant_end_with_two(cli: CommandLine, words: tuple[str, ...], said: str) -> None:
    """A word that no vendor goes by, and the one that needs a description, are one sentence that says what would do."""
    answer = cli(*words)

    assert (2, "", 1) == (answer.code, answer.out, len(answer.err.splitlines()))
    assert said in answer.err


def test_account_of_a_silent_vendor_ends_with_two(cli: CommandLine) -> None:
    """The sentence has the system's words and no library's."""
    cli.write(study(NOWHERE, ["a fox"]))

    answer = cli("account", "study.yaml")

    assert 2 == answer.code
    assert "error: 127.0.0.1:9 could not be asked: Connection refused; look at provider.base_url and the network\n" == answer.err


def test_missing_key_ends_with_four_before_anything_is_ordered(cli: CommandLine, vendor: Vendor) -> None:
    """Without the variable the run names it and stops."""
    cli.write(study(vendor.url, ["a fox, no key"]))

    run = cli("run", "study.yaml", "-y", JIMMYAI_API_KEY=None)

    assert 4 == run.code
    assert "JIMMYAI_API_KEY" in run.err
    assert [] == vendor.charges(", no key")


def test_value_that_cannot_be_a_key_is_refused_unquoted(cli: CommandLine, vendor: Vendor) -> None:
    """A key with a blank inside is a mistake of pasting; the sentence does not repeat it."""
    cli.write(study(vendor.url, ["a fox, odd key"]))

    run = cli("run", "study.yaml", "-y", JIMMYAI_API_KEY="sk-two words")

    assert run.code in {2, 4}
    assert "two words" not in run.out + run.err
    assert [] == vendor.charges(", odd key")


@pytest.mark.slow
def test_revoked_key_ends_with_four_and_rows_stay_planned(cli: CommandLine, start_vendor: StartVendor, tmp_path: Path) -> None:
    """After a rejection nothing more is ordered; with a valid key the batch goes on where it stopped, nothing bought twice."""
    bill = tmp_path.parent / f"{tmp_path.name}.bill"
    revoked = start_vendor(revoke_after=3, ledger=bill)
    cli.write(study(revoked.url, _prompts(8, "revoked"), limits={"in_flight": 2}))

    run = cli("run", "study.yaml", "-y")
    states = cli.states()
    revoked.process.stop()
    valid = start_vendor(ledger=bill, port=revoked.port)
    resumed = cli("resume", "-y")

    assert (4, 0) == (run.code, resumed.code)
    assert states["planned"] >= 4
    assert 0 == states.get("failed", 0) == states.get("ambiguous", 0)
    assert {"saved": 8} == cli.states()
    assert 8 == len(valid.charges())
    assert _once_each(valid)


def test_rejected_key_leaves_every_row_planned(cli: CommandLine, vendor: Vendor) -> None:
    """A key that was never valid costs nothing and fails nothing."""
    cli.write(study(vendor.url, _prompts(3, "wrong key")))

    run = cli("run", "study.yaml", "-y", JIMMYAI_API_KEY="not-a-key-of-this-vendor")

    assert 4 == run.code
    assert {"planned": 3} == cli.states()


def test_rendered_picture_is_downloaded_though_the_key_is_revoked(cli: CommandLine, start_vendor: StartVendor) -> None:
    """A signed URL needs no key: what is paid and rendered is fetched, broken download and all, before the run ends with 4."""
    vendor = start_vendor(revoke_after=2, latency_s=0.0, faults=("download.truncated@1",))
    patient = {"attempts": 5, "backoff": {"initial": "2s", "max": "2s"}}
    cli.write(study(vendor.url, _prompts(4, "fetched"), limits={"in_flight": 1}, retry=patient))

    run = cli("run", "study.yaml", "-y")

    assert 4 == run.code
    assert {"saved": 1, "submitted": 1, "planned": 2} == cli.states()
    assert "saved" == cli.job("study 1, fetched")["state"]


@pytest.mark.parametrize("limit", [{"budget": {"jobs": 3}}, {"budget": {"cost": 0.09}}], ids=["jobs", "cost"])
def test_budget_of_the_manifest_is_a_hard_stop(cli: CommandLine, start_vendor: StartVendor, limit: dict[str, object]) -> None:
    """At 0.03 a picture both limits allow three orders: exit 5, the rest stays planned, resuming orders nothing more."""
    vendor = start_vendor()
    cli.write(study(vendor.url, _prompts(6, "budget"), limits={"in_flight": 1, **limit}))

    run = cli("run", "study.yaml", "-y")
    resumed = cli("resume", "-y")

    assert (5, 5) == (run.code, resumed.code)
    assert {"saved": 3, "planned": 3} == cli.states()
    assert 3 == len(vendor.charges())


@pytest.mark.slow
def test_budget_option_raises_the_limit_of_a_later_run(cli: CommandLine, start_vendor: StartVendor) -> None:
    """``--budget`` caps the whole batch, earlier runs included; a higher one lets the rest through."""
    vendor = start_vendor()
    cli.write(study(vendor.url, _prompts(4, "option"), limits={"in_flight": 1}))

    first = cli("run", "study.yaml", "-y", "--budget", "0.06")
    states = cli.states()
    second = cli("resume", "-y", "--budget", "0.12")

    assert (5, 0) == (first.code, second.code)
    assert {"saved": 2, "planned": 2} == states
    assert {"saved": 4} == cli.states()


@pytest.mark.parametrize("words", [["--until", "2020-01-01T00:00:00+00:00"]])
def test_passed_deadline_orders_nothing(cli: CommandLine, vendor: Vendor, words: list[str]) -> None:
    """An instant in the past is exit 5 with every row planned."""
    cli.write(study(vendor.url, _prompts(2, "deadline")))

    run = cli("run", "study.yaml", "-y", *words)

    assert 5 == run.code
    assert {"planned": 2} == cli.states()
    assert [] == vendor.charges(", deadline")


def test_failures_in_a_row_halt_the_run(cli: CommandLine, start_vendor: StartVendor) -> None:
    """A vendor that fails every task is left alone after two failures: exit 5, the rest stays planned."""
    vendor = start_vendor(faults=("task.failed_unknown",))
    cli.write(study(vendor.url, _prompts(6, "halt"), limits={"in_flight": 1, "halt": {"consecutive_failures": 2}}))

    run = cli("run", "study.yaml", "-y")

    assert 5 == run.code
    assert {"failed": 2, "planned": 4} == cli.states()
    assert 2 == len(vendor.charges())


@pytest.mark.slow
def test_empty_balance_ends_with_six_and_more_balance_goes_on(cli: CommandLine, start_vendor: StartVendor, tmp_path: Path) -> None:
    """Orders stop, paid pictures are fetched, rows stay planned; after a top-up ``resume`` finishes."""
    bill = tmp_path.parent / f"{tmp_path.name}.bill"
    poor = start_vendor(balance="0.10", ledger=bill)
    cli.write(study(poor.url, _prompts(6, "balance")))

    run = cli("run", "study.yaml", "-y")
    states = cli.states()
    poor.process.stop()
    rich = start_vendor(balance="10", ledger=bill, port=poor.port)
    resumed = cli("resume", "-y")

    assert (6, 0) == (run.code, resumed.code)
    assert {"saved": 3, "planned": 3} == states
    assert {"saved": 6} == cli.states()
    assert _once_each(rich)
    assert 0 == cli("verify").code


@pytest.mark.parametrize("place", ["/sys/batchgen.db", "study.yaml/batchgen.db"], ids=["read-only", "not a folder"])
def test_place_that_takes_no_database_ends_with_seven(cli: CommandLine, vendor: Vendor, place: str) -> None:
    """Where the job table cannot be written nothing is ordered."""
    cli.write(study(vendor.url, ["a fox, seven"]))

    run = cli("run", "study.yaml", "-y", "--db", place)

    assert 7 == run.code
    assert "Traceback" not in run.err
    assert [] == vendor.charges(", seven")


def test_file_that_is_no_database_ends_with_seven_and_is_kept(cli: CommandLine, vendor: Vendor) -> None:
    """Somebody else's file under that name is left alone."""
    cli.write(study(vendor.url, ["a fox, not a database"]))
    foreign = cli.write_text("holiday photos, do not delete\n" * 100, "batchgen.db")
    before = foreign.read_bytes()

    run, status = cli("run", "study.yaml", "-y"), cli("status")

    assert (7, 7) == (run.code, status.code)
    assert before == foreign.read_bytes()
    assert "Traceback" not in run.err + status.err


def test_database_of_a_newer_version_is_refused(cli: CommandLine) -> None:
    """A schema revision that this program does not know is exit 7 for run and status, and the file stays as it is."""
    cli.write(study(NOWHERE, ["a fox, newer"]))
    cli("plan", "study.yaml", "--save")
    with closing(sqlite3.connect(cli.folder / "batchgen.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from_the_future'")

    run, status = cli("run", "study.yaml", "-y"), cli("status")

    assert (7, 7) == (run.code, status.code)
    assert "newer" in run.err


@pytest.mark.parametrize("command", ["status", "jobs", "resume", "verify"])
def test_reading_without_a_database_says_so_and_makes_none(cli: CommandLine, command: str) -> None:
    """Nothing has been planned here: exit 7, a sentence, no file."""
    answer = cli(command)

    assert 7 == answer.code
    assert answer.err
    assert {} == cli.files()


def test_second_runner_is_refused_with_eight(cli: CommandLine, start_vendor: StartVendor) -> None:
    """While one process works on a database another one may read it, but not run."""
    vendor = start_vendor(latency_s=30)
    cli.write(study(vendor.url, _prompts(2, "eight")))

    with cli.background("run", "study.yaml", "-y") as first:
        wait_until(lambda: vendor.posts == 2)
        second, status = cli("resume", "-y"), cli("status", "--json")
        first.send_signal(signal.SIGTERM)
        ended = cli.finish(first)

    assert (8, 0, 143) == (second.code, status.code, ended.code)
    assert 2 == vendor.posts


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signal_drains_the_run_and_resume_finishes(cli: CommandLine, start_vendor: StartVendor, number: int, code: int) -> None:
    """A first signal stops ordering, saves the state and names the command that goes on; that command buys nothing twice."""
    vendor = start_vendor(latency_s=0.3)
    cli.write(study(vendor.url, _prompts(8, "signal"), limits={"in_flight": 2}))

    with cli.background("run", "study.yaml", "-y") as running:
        wait_until(lambda: vendor.posts >= 3)
        running.send_signal(number)
        ended = cli.finish(running)
    states = cli.states()
    resumed = cli("resume", "-y")

    assert (code, 0) == (ended.code, resumed.code)
    assert "resume study" in ended.out + ended.err
    assert 0 == states.get("submitting", 0) == states.get("ambiguous", 0)
    assert states["planned"] > 0
    assert {"saved": 8} == cli.states()
    assert 8 == vendor.posts == len(vendor.charges())


@pytest.mark.slow
def test_a_run_under_nohup_outlives_its_terminal(cli: CommandLine, start_vendor: StartVendor) -> None:
    """A hangup that whoever started the run wants ignored stops nothing."""
    vendor = start_vendor(latency_s=0.3)
    cli.write(study(vendor.url, _prompts(4, "nohup"), limits={"in_flight": 2}))

    with cli.background("run", "study.yaml", "-y", ignores="HUP") as running:
        wait_until(lambda: vendor.posts >= 1)
        running.send_signal(signal.SIGHUP)
        ended = cli.finish(running)

    assert (0, {"saved": 4}) == (ended.code, cli.states())


def test_signal_waits_for_the_answer_of_an_open_order(cli: CommandLine, start_vendor: StartVendor) -> None:
    """Two signals while an answer is out: the order is ambiguous, held, and never repeated."""
    vendor = start_vendor(faults=("post.accept_then_hang@1",))
    cli.write(study(vendor.url, _prompts(1, "open")))

    with cli.background("run", "study.yaml", "-y") as running:
        wait_until(vendor.charges)
        running.send_signal(signal.SIGINT)
        running.send_signal(signal.SIGTERM)
        ended = cli.finish(running, timeout_s=30)
    resumed = cli("resume", "-y")

    assert ended.code in {130, 143}
    assert 3 == resumed.code
    assert {"ambiguous": 1} == cli.states()
    assert 1 == vendor.posts


def test_a_models_own_budget_leaves_the_other_models_to_go_on(cli: CommandLine, start_vendor: StartVendor) -> None:
    """One of the one model, all of the other; exit 5 names the model, and a higher limit orders the rest."""
    vendor = start_vendor(latency_s=0.0)
    limits = {"in_flight": 2, "per_model": {"nano-banana-2": {"budget": {"jobs": 1}}}}
    manifest = study(vendor.url, _prompts(3, "budget"), grid={"model": ["gpt-image-2", "nano-banana-2"]}, limits=limits, defaults={})
    cli.write(manifest)

    first = cli("run", "study.yaml", "-y")
    saved = Counter(job["params"]["model"] for job in cli.jobs() if job["state"] == "saved")
    limits["per_model"]["nano-banana-2"]["budget"]["jobs"] = 9
    cli.write(manifest)
    second = cli("run", "study.yaml", "-y")

    assert 5 == first.code, first.err
    assert "what is left does not fit under the limits of nano-banana-2 (limits.per_model)" in first.out
    assert {"gpt-image-2": 3, "nano-banana-2": 1} == saved
    assert 0 == second.code, second.err
    assert {"saved": 6} == cli.states()


def test_a_days_budget_is_a_hard_stop(cli: CommandLine, start_vendor: StartVendor) -> None:
    """The sentence has the figures; another day, or a higher limit, goes on."""
    vendor = start_vendor(latency_s=0.0)
    cli.write(study(vendor.url, _prompts(5, "budget"), limits={"in_flight": 1, "budget": {"per_day": {"cost": 0.07}}}))

    run = cli("run", "study.yaml", "-y")

    assert 5 == run.code, run.err
    assert "(UTC): 0.06 of 0.07 taken, 0.03 more wanted" in run.out
    assert {"saved": 2, "planned": 3} == cli.states()


def test_without_prices_nothing_is_ordered_under_a_cost_limit(cli: CommandLine) -> None:
    """The vendor tells no price before the order: exit 5 names the model, the rows and the ways on; with leave they go out one by one."""
    with open_recording_vendor() as vendor:
        cli.write(study(vendor.url, _prompts(4, "budget"), limits={"in_flight": 4, "budget": {"cost": 0.1}}))
        blocked = cli("run", "study.yaml", "-y")
        ordered = len(vendor.orders)
        allowed = cli("resume", "-y", "--allow-unpriced")

    assert (5, 0) == (blocked.code, ordered), blocked.err
    assert "no cost limit can be kept while a price is unknown (4 rows of gpt-image-2)" in blocked.out
    assert "--allow-unpriced" in blocked.out
    assert 5 == allowed.code, allowed.err
    assert {"saved": 3, "planned": 1} == cli.states()
