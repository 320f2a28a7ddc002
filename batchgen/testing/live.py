"""The half that spends a few seconds: the real engine works through a small batch against a fake server of the author's, twice.

First in calm weather, then through a relay that is shut at first, drops the answer of one order after the server has taken it, and delays,
cuts and garbles the first answer to every question and every download. Nothing leaves loopback.
"""

import socket
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlsplit

from batchgen.app.reports import Report
from batchgen.core.dialects import Accounts, Attachment, Call, Dialect, Priced, Uploads
from batchgen.core.errors import InputError, ManifestError
from batchgen.core.hosts import is_loopback_host
from batchgen.testing.calls import CANARY
from batchgen.testing.examples import Example
from batchgen.testing.findings import Findings
from batchgen.testing.relay import Relay, relayed
from batchgen.testing.trial import Trial

_LOST: Final = 2
"""The order whose answer is dropped."""
_SHORTEST_KEY: Final = 8
_FEW: Final = 4
"""Orders at once while connections are refused: one more, and the engine would pause."""


def check_against(dialect: Dialect, base_url: str, examples: Sequence[Example], *, key: str = CANARY, rows: int = 5) -> None:
    """Order ``rows`` times each example's order through the real engine; raise AssertionError with every broken promise, or return.

    ``base_url`` is a fake server on loopback that takes the key. It names results at its own address and gives images that can be decoded,
    each order one. Wants the main thread and no running event loop, as a run does. Takes some four seconds an example, and more where the
    server lets tasks run long. Raises ValueError for a server that is not on loopback or not there, and for a key that is too short to be
    found again.
    """
    address = urlsplit(base_url)
    if address.scheme != "http" or not is_loopback_host(address.hostname or ""):
        raise ValueError(f"{base_url!r} is not http on loopback: a trial orders, so it must never reach a real vendor")
    if len(key) < _SHORTEST_KEY:
        raise ValueError(f"a key of fewer than {_SHORTEST_KEY} characters cannot be told from ordinary text")
    _require_server(address.hostname or "", address.port or 80)
    if threading.current_thread() is not threading.main_thread():
        raise ValueError("a trial wants the main thread, because a run takes over its signals")
    findings = Findings(dialect.name)
    for number, example in enumerate(examples, start=1):
        for is_rough in (False, True):
            findings.where = f"example {number}, {'rough' if is_rough else 'calm'}"
            origin = f"{address.scheme}://{address.netloc}"
            relay = Relay(origin=origin, free=_free(dialect), lost=_LOST if is_rough else None, is_rough=is_rough, was_shut=is_rough)
            with relayed(relay), TemporaryDirectory(prefix="batchgen-trial-") as folder:
                trial = Trial(
                    dialect=dialect,
                    example=example,
                    folder=Path(folder),
                    base_url=relay.api_url + address.path,
                    key=key,
                    rows=rows,
                    in_flight=_FEW if is_rough else rows,
                )
                _check_trial(trial, relay, findings)
    findings.conclude()


def _require_server(host: str, port: int) -> None:
    """Raise ValueError when nobody listens there: every promise would seem broken."""
    try:
        socket.create_connection((host, port), timeout=5.0).close()
    except OSError as error:
        raise ValueError(f"nothing answers at {host}:{port}: {error.strerror or error}") from error


def _free(dialect: Dialect) -> frozenset[tuple[str, str]]:
    """Name the calls that are neither orders nor questions about tasks."""
    calls: list[Call] = []
    if isinstance(dialect, Uploads):
        calls.append(dialect.upload(Attachment(role="images", filename="a.png", media_type="image/png", content=b"a")))
    if isinstance(dialect, Accounts):
        calls.extend(dialect.account_calls())
    if isinstance(dialect, Priced):
        calls.append(dialect.catalogue_call())
    return frozenset((call.method, call.path) for call in calls)


def _check_trial(trial: Trial, relay: Relay, findings: Findings) -> None:
    report = _run(trial, relay, findings)
    if report is None:
        return
    _check_jobs(trial, relay, report, findings)
    _check_key(trial, relay, findings)
    before = len(relay.orders)
    _run(trial, relay, findings)
    findings.unless(len(relay.orders) == before, "a second run orders nothing", f"{len(relay.orders) - before} POSTs more")
    violations = trial.verify().violations
    findings.unless(not violations, "verify finds no violation", "; ".join(f"{one['name']} {one['detail']}" for one in violations))


def _run(trial: Trial, relay: Relay, findings: Findings) -> Report | None:
    try:
        return trial.run(relay)
    except ManifestError as error:
        findings.note("the example's order can be planned", "; ".join(map(str, error.problems)))
    except InputError as error:
        findings.note("the example's order can be planned", str(error))
    except Exception as error:  # noqa: BLE001 - whatever the dialect brings the engine to is a finding
        findings.note("the engine works to the end", f"{type(error).__name__}: {error}")
    return None


def _check_jobs(trial: Trial, relay: Relay, report: Report, findings: Findings) -> None:
    """Hold the database against what passed through the relay."""
    jobs, orders = trial.jobs(), relay.orders
    states = Counter(str(job["state"]) for job in jobs)
    lost = 1 if relay.lost is not None else 0
    told = f"{dict(states)}; {report.message or report.reason}; {_why(trial)}"
    findings.unless(states["saved"] == trial.rows - lost, "every job is saved once, save the one whose answer was lost", told)
    findings.unless(len(orders) == trial.rows, "exactly one POST for each job reaches the vendor", f"{len(orders)} for {trial.rows} jobs")
    if lost:
        findings.unless(states["ambiguous"] == lost, "an order whose answer was lost is ambiguous, and not sent again", told)
    named = [str(job["task_id"]) for job in jobs if job["task_id"]]
    findings.unless(len(set(named)) == len(named), "every task id is another", f"{sorted(named)}")


def _why(trial: Trial) -> str:
    """Give the latest reasons in the words of the log."""
    lines = trial.settings.log_file.read_text(encoding="utf-8").splitlines() if trial.settings.log_file.exists() else []
    return " | ".join(line for line in lines[-40:] if '"detail"' in line)[-400:]


def _check_key(trial: Trial, relay: Relay, findings: Findings) -> None:
    header, value = trial.dialect.authorization
    shown = [passed.headers.get(header.lower()) for passed in relay.asked]
    findings.unless(all(text == value.replace("{key}", trial.key) for text in shown), "the API is shown the key as authorization says")
    astray = [passed.path for passed in relay.fetched if passed.holds(trial.key) or header.lower() in passed.headers]
    findings.unless(not astray, "the key goes to the API only, never to where results lie", ", ".join(astray))
    findings.unless(not trial.files_with(trial.key), "the key stands in no file", ", ".join(trial.files_with(trial.key)))
