"""Settings: everything a run needs, out of the manifest and back out of the database."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from batchgen.core.limits import Limits, Pace
from batchgen.core.money import to_micros
from batchgen.core.retry import Backoff
from batchgen.planning.settings import RunSettings, UnsetVariableError, deadline_after, expanded
from tests.support.manifests import Desk

NOW = datetime(2026, 11, 22, 22, 15, tzinfo=UTC)
FULL = """
tags: nightly
metadata: {owner: ana}
provider: {base_url: "https://api.example.org//", sync_base_url: "http://127.0.0.1:8080/api/open-api/v1"}
prompts: [a]
output: {dir: "renders/{{ batch }}", sidecar: none}
limits:
  in_flight: 8
  submit_rate: 60/min
  per_model: {nano-banana-2: {in_flight: 3, submit_rate: 2/s}}
  timeout: {submit: 500ms, task: 2h, download: 1.5m}
  budget: {cost: 40.5, jobs: 2000}
  deadline: 2026-11-23T07:30:00+01:00
  halt: {consecutive_failures: 25}
order: {shuffle: 9}
on_ambiguous: reconcile
retry: {attempts: 3, backoff: {initial: 1s, max: 1d}}
notify: [{events: [finished], command: [tell, "${TOKEN}", "{{ summary }}"]}]
"""


def test_every_limit_arrives(desk: Desk) -> None:
    """Units become seconds, rates a second, money micros, and the instant is aware."""
    settings = desk.plan(FULL, environ={"TOKEN": "secret"}).settings

    assert settings.limits(now=NOW) == Limits(
        pace=Pace(in_flight=8, submits_per_s=1.0),
        per_model={"nano-banana-2": Pace(in_flight=3, submits_per_s=2.0)},
        submit_timeout_s=0.5,
        task_timeout_s=7200.0,
        download_timeout_s=90.0,
        budget_cost=to_micros(Decimal("40.5")),
        budget_jobs=2000,
        deadline=datetime(2026, 11, 23, 6, 30, tzinfo=UTC),
        halt_after_failures=25,
        attempts=3,
        backoff=Backoff(initial_s=1.0, max_s=86400.0),
        on_ambiguous="reconcile",
    )


def test_settings_survive_the_database(desk: Desk) -> None:
    """JSON and back is the same, and no value of an environment variable of a command is in it."""
    settings = desk.plan(FULL, environ={"TOKEN": "secret"}).settings

    text = settings.to_json()

    assert settings == RunSettings.from_json(text)
    assert "secret" not in text
    assert settings.notify[0].command == ("tell", "${TOKEN}", "{{ summary }}")


def test_addresses_and_paths_are_normalised(desk: Desk) -> None:
    """Trailing slashes go, loopback may be http, the folder is absolute and beside the manifest."""
    settings = desk.plan(FULL, environ={"TOKEN": "x"}).settings

    assert settings.provider.base_url == "https://api.example.org"
    assert settings.provider.sync_base_url == "http://127.0.0.1:8080/api/open-api/v1"
    assert settings.output.dir == (desk.folder / "renders/study").as_posix()
    assert (settings.output.sidecar, settings.order, settings.shuffle_seed) == (False, "shuffle", 9)


def test_the_smallest_manifest_has_good_defaults(desk: Desk) -> None:
    """Only version, name, one prompt and a model are needed."""
    settings = desk.plan("prompts: [a]\n").settings

    assert (settings.provider.use, settings.provider.api_key_env) == ("jimmyai", "JIMMYAI_API_KEY")
    assert settings.provider.base_url == "https://api.viraltok.ai"
    assert (settings.output.sidecar, settings.order, settings.on_ambiguous) == (True, "by_sample", "hold")
    assert settings.limits(now=NOW) == Limits(pace=Pace())


@pytest.mark.parametrize(("word", "in_flight"), [("auto", None), ("7", 7)])
def test_the_number_in_flight_is_fixed_or_found(desk: Desk, word: str, in_flight: int | None) -> None:
    """``auto`` is the default in words."""
    settings = desk.plan(f"prompts: [a]\nlimits: {{in_flight: {word}}}\n").settings

    assert Pace(in_flight=in_flight) == settings.limits(now=NOW).pace


def test_settings_stored_before_the_pace_was_found_keep_their_number(desk: Desk) -> None:
    """A plan of an older version always had a number, and keeps it."""
    stored = desk.plan("prompts: [a]\nlimits: {in_flight: 4}\n").settings.to_json()

    assert '"in_flight":4' in stored
    assert 4 == RunSettings.from_json(stored).in_flight


def test_the_address_can_come_from_the_environment(desk: Desk) -> None:
    """A variable that is set replaces the default, an empty one does not."""
    given = desk.plan("prompts: [a]\n", environ={"JIMMYAI_BASE_URL": "http://localhost:9"}).settings
    empty = desk.plan("prompts: [a]\n", environ={"JIMMYAI_BASE_URL": ""}).settings

    assert (given.provider.base_url, empty.provider.base_url) == ("http://localhost:9", "https://api.viraltok.ai")


def test_a_time_of_day_is_the_next_one() -> None:
    """Today if it is still to come, else tomorrow, by the local clock."""
    local = NOW.astimezone()
    later, earlier = local + timedelta(minutes=5), local - timedelta(minutes=5)

    soon = deadline_after(f"{later:%H:%M}", NOW)
    tomorrow = deadline_after(f"{earlier:%H:%M}", NOW)

    assert NOW < soon <= NOW + timedelta(minutes=5)
    assert NOW + timedelta(hours=22) < tomorrow < NOW + timedelta(hours=26)


def test_variables_have_defaults() -> None:
    """A default may be empty, and other dollars are left alone."""
    assert expanded("${A}-${B:-x}-${C:-}-$D-${E F}", {"A": "a"}) == "a-x--$D-${E F}"
    with pytest.raises(UnsetVariableError, match="'Z'"):
        expanded("${Z}", {})


def test_a_plan_that_was_stored_before_there_were_webhooks_is_read(desk: Desk) -> None:
    """A notice of then was a command; the keys of now have their defaults."""
    stored = json.loads(desk.plan(FULL, environ={"TOKEN": "x"}).settings.to_json())
    stored["notify"] = [{"events": ["finished"], "command": ["tell"]}]

    (notice,) = RunSettings.from_json(json.dumps(stored)).notify

    assert (("tell",), None, 900.0) == (notice.command, notice.webhook, notice.stalled_after_s)


def test_a_webhook_is_stored_as_it_is_written(desk: Desk) -> None:
    """What its variable holds is not in the plan; a stall has its time."""
    body = 'prompts: [a]\nnotify: [{events: [stalled], webhook: "https://example.com/${PLACE}", stalled_after: 40m}]\n'

    settings = desk.plan(body, environ={"PLACE": "hush"}).settings

    assert ("https://example.com/${PLACE}", 2400.0) == (settings.notify[0].webhook, settings.notify[0].stalled_after_s)
    assert "hush" not in settings.to_json()


@pytest.mark.parametrize(
    ("provider", "is_local"),
    [
        ("{use: sim}", True),
        ("{base_url: 'http://127.0.0.1:1'}", True),
        ("{base_url: 'http://127.0.0.1:1', sync_base_url: 'https://example.org'}", False),
        ("{}", False),
    ],
)
def test_a_vendor_on_this_machine_is_known(desk: Desk, provider: str, *, is_local: bool) -> None:
    """The simulator is, and whoever has all its addresses on loopback."""
    assert is_local is desk.plan(f"prompts: [a]\nprovider: {provider}\n").settings.provider.is_on_loopback
