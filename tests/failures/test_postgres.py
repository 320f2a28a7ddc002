"""Row B6 of the failure table: a PostgreSQL server that is lost in a transaction, at its COMMIT, for a moment, or for good."""

import re
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

import pytest

from tests.support.books import books
from tests.support.cli import CommandLine, study
from tests.support.databases import postgres_url
from tests.support.pg_relay import Cut, PgRelay, relayed
from tests.support.recording_vendor import RecordingVendor
from tests.support.webhost import Answer, Arrived, serving

pytestmark = pytest.mark.postgres

AWAY_S = 3.0


@pytest.fixture
def relay(postgres: str, tmp_path: Path) -> Iterator[PgRelay]:
    """Give a fresh job database behind a relay that loses connections."""
    with relayed(postgres_url(postgres), tmp_path) as found:
        yield found


def _run(cli: CommandLine, relay: PgRelay, prompts: int, strike: Callable[[], object]) -> tuple[int, str, str, RecordingVendor]:
    """Run a study of so many prompts, one after the other; ``strike`` is called as the first order is answered."""
    vendor, strikes = RecordingVendor(url=""), list[object]()

    def answer(request: Arrived) -> Answer:
        if request.method == "POST" and not strikes:
            strikes.append(strike())
        kind, content = vendor.answer(request)
        return 200, {"Content-Type": kind}, content

    with serving(answer) as vendor.url:
        cli.write(study(vendor.url, [f"picture {number}" for number in range(1, prompts + 1)], limits={"in_flight": 1}))
        ran = cli("--db", relay.url, "run", "study.yaml", "-y", timeout_s=200)
        relay.is_down = False
        if ran.code:
            resumed = cli("--db", relay.url, "resume", "-y")
            assert 0 == resumed.code, resumed.err
    return ran.code, ran.out, ran.err, vendor


def _is_whole(cli: CommandLine, relay: PgRelay, vendor: RecordingVendor, prompts: int) -> bool:
    """Say whether each row was bought once and saved, and the database holds together."""
    assert {"saved": prompts} == Counter(job["state"] for job in cli.jobs("--db", relay.url))
    assert f"{prompts} orders, {prompts * 3 / 100:g} spent, 0 reserved, 0 held" == books(cli, "--db", relay.url)
    assert 0 == cli("--db", relay.url, "verify").code
    return prompts == len(vendor.orders)


def test_b6_lost_at_every_other_commit_nothing_is_bought_twice(cli: CommandLine, relay: PgRelay) -> None:
    """Whether the server had stored what was committed or not, the run goes on by itself: exit 0, one POST a row, no row in doubt."""
    cuts: tuple[Cut, ...] = ("after", "", "before", "", "", "after", "before", "")

    code, _, err, vendor = _run(cli, relay, 6, lambda: relay.cuts.extend(islice(cycle(cuts), 40)))

    assert 0 == code, err
    assert relay.lost >= 10
    assert "whether the last change was stored is unknown" in err
    assert "no order goes out meanwhile" in err
    assert _is_whole(cli, relay, vendor, 6)


def test_b6_away_for_a_moment_the_run_waits(cli: CommandLine, relay: PgRelay) -> None:
    """The server is gone for some seconds while an order is out: no POST meanwhile, then the run goes on: exit 0."""
    came_back = threading.Timer(AWAY_S, lambda: setattr(relay, "is_down", False))

    def strike() -> None:
        relay.go_down()
        came_back.start()

    code, _, err, vendor = _run(cli, relay, 3, strike)

    came_back.join()
    assert 0 == code, err
    assert _is_whole(cli, relay, vendor, 3)


@pytest.mark.slow
def test_b6_away_for_good_the_id_is_kept_in_the_journal(cli: CommandLine, relay: PgRelay) -> None:
    """After a minute the run ends with 7 and names the task; no other POST went out, and the next start takes the id from the journal."""
    code, out, err, vendor = _run(cli, relay, 2, relay.go_down)

    assert 7 == code, err
    assert "fact=submit_accepted task_id=img_1 kept=in the journal; the next start records it" in err
    assert re.search(r"accepted and paid, not in the database: [0-9a-f]{8} is task img_1, kept in the journal", out)
    assert _is_whole(cli, relay, vendor, 2)


def test_b6_lost_before_the_intent_is_stored_nothing_is_sent_unrecorded(cli: CommandLine, relay: PgRelay) -> None:
    """Each intent's COMMIT is lost once, stored or not; every POST still has exactly one attempt, and no job a second."""
    relay.cuts = deque()
    code, _, err, vendor = _run(cli, relay, 4, lambda: relay.cuts.extend(["", "after", "before"] * 12))

    assert 0 == code, err
    assert {1} == {job["attempts"] for job in cli.jobs("--db", relay.url)}
    assert _is_whole(cli, relay, vendor, 4)
