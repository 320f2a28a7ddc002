"""One job, one step: what is durable before what."""

from collections.abc import Sequence

from batchgen.core import events as e
from batchgen.core import readings as r
from batchgen.core.dialects import Attachment, Call
from batchgen.core.errors import DownloadError, FileError, InputError, OutcomeUnknownError, StaleJobError, StopRunError, StoreError
from batchgen.core.jobs import Change, Job
from batchgen.core.limits import Pace
from batchgen.core.money import Micros
from batchgen.core.pricing import kind_of
from batchgen.core.states import Outcome, State
from tests.support.builders import Rig, image, job, limits, rendered, rig
from tests.support.fake_client import script
from tests.support.fake_clock import FakeClock, run_warped
from tests.support.fake_ledger import FakeLedger


def _slow_commits() -> Rig:
    """Put a worker on a table whose commits take 50 ms."""
    return rig([job()], ledger=FakeLedger(commit_s=0.05))


def test_a_delivered_job_is_written_in_the_order_of_the_contract() -> None:
    """Intent, POST, task id, question, URLs, download, staged bytes, publication, saved: each durable before the next."""
    run = _slow_commits()

    assert run.run() is None

    assert [
        "recorded submit_started",
        "ordered",
        "recorded submit_accepted",
        "asked",
        "recorded render_finished",
        "fetched",
        "recorded images_staged",
        "published",
        "recorded images_saved",
    ] == list(dict.fromkeys(run.trace))


def test_the_intent_names_the_body_and_the_reservation() -> None:
    """The hash of what goes out, the last price of such an order and the caps stand in the intent."""
    run = rig([job()], limits=limits(budget_cost=Micros(10**6), budget_jobs=9))
    run.prices.learn_all({kind_of(job()): Micros(50_000)})

    run.run()

    intent = run.ledger.changes[0].event
    assert isinstance(intent, e.SubmitStarted)
    assert (64, 50_000, 10**6, 9) == (len(intent.body_sha256), intent.reserved, intent.cap_cost, intent.cap_orders)


def test_nothing_is_ordered_when_the_intent_is_not_durable() -> None:
    """No ledger, no spend: the POST never leaves, the row stays planned."""
    run = rig([job()])
    run.ledger.fails = lambda change: StoreError("disk full") if isinstance(change.event, e.SubmitStarted) else None

    stop = run.run()

    assert [] == run.client.orders
    assert [State.PLANNED] == run.states()
    assert stop is not None
    assert (7, "storage") == (stop.exit_code, stop.reason)


def test_a_lost_answer_is_never_followed_by_a_second_order() -> None:
    """An order without a trustworthy answer is ambiguous, stays booked, and is held by this run and the next."""
    run = rig([job()])
    run.client.on_order = script(OutcomeUnknownError("reset"))

    assert run.run() is None
    assert run.again().run() is None

    assert 1 == len(run.client.orders)
    assert [State.AMBIGUOUS] == run.states()
    assert Outcome.AMBIGUOUS is run.ledger.attempts[0].outcome
    assert "no_answer" == run.job().reason


def test_prices_are_learned_from_orders_and_results() -> None:
    """The price the result names replaces the one the order named."""
    run = rig([job()])
    run.client.on_ask = script(r.Done(urls=("https://cdn.example/x.png",), cost=Micros(70_000)))

    run.run()

    assert 70_000 == run.prices.of(job())
    assert 70_000 == run.ledger.attempts[0].cost


def test_saved_means_the_file_is_there_with_that_hash() -> None:
    """The folder holds the recorded bytes, the sidecar is written, no temporary file is left."""
    run = rig([job()])

    run.run()

    (staged,) = run.job().staged
    assert b"image of https://cdn.example/task-1.png" == run.shelf.files[staged.path]
    assert [staged.path] == run.shelf.described
    assert {} == run.shelf.temps


def test_every_url_is_fetched() -> None:
    """A task that names more images than one gives them all."""
    run = rig([job()])
    run.client.on_ask = script(r.Done(urls=("https://cdn.example/1.png", "https://cdn.example/2.png")))

    run.run()

    assert [State.SAVED] == run.states()
    assert 2 == len(run.shelf.files)


def test_a_failed_download_leaves_no_temporary_file() -> None:
    """Whatever the network raises, the draft is discarded."""
    run = rig([rendered()])
    run.client.on_fetch = script(DownloadError("cut"))
    seen: list[int] = []

    run.run(later={1.0: lambda: seen.append(len(run.shelf.temps))})

    assert [0] == seen
    assert [State.SAVED] == run.states()


def test_the_second_image_failing_leaves_no_temporary_file_of_the_first() -> None:
    """Of two images the first is whole when the second fails; nothing stays under a temporary name."""
    run = rig([rendered(urls=("https://cdn.example/1.png", "https://cdn.example/2.png"))])
    run.client.on_fetch = script(None, DownloadError("no", forbidden=True))

    run.run()

    assert {} == run.shelf.temps


def test_staged_files_are_published_without_a_download() -> None:
    """After a crash between staging and publishing, the bytes on disk are used."""
    run = rig([job()])
    run.run()
    (found,) = run.job().staged
    run.shelf.temps[found.temp] = run.shelf.files.pop(found.path)
    run.ledger.rows[job().id] = rendered(attempt_id=1, version=run.job().version, staged=(found,))

    after = run.again()
    after.run()

    assert 1 == len(run.client.fetched)
    assert [State.SAVED] == after.states()
    assert found.path in run.shelf.files


def test_staged_files_that_are_gone_are_fetched_again() -> None:
    """A record of staged bytes that neither name holds leads to a download, never to an order."""
    run = rig([rendered(staged=(image("gone.png"),))])

    run.run()

    assert (0, 1) == (len(run.client.orders), len(run.client.fetched))
    assert [State.SAVED] == run.states()


def test_files_that_vanish_while_being_published_are_trouble_with_the_disk() -> None:
    """Fresh bytes that cannot be found again stop the run with 7, and the job stays rendered."""
    run = rig([rendered()])
    run.ledger.fails = lambda change: run.shelf.temps.clear() if isinstance(change.event, e.ImagesStaged) else None

    stop = run.run()

    assert stop is not None
    assert 7 == stop.exit_code
    assert [State.RENDERED] == run.states()


def test_an_order_that_the_client_refuses_to_send_goes_back_to_planned() -> None:
    """A certificate that is not trusted stops the run with 2; provably nothing was sent, so nothing is left in doubt."""
    run = rig([job()])
    run.client.on_order = script(StopRunError("certificate", exit_code=2, reason="config"))

    stop = run.run()

    assert stop is not None
    assert (2, "config") == (stop.exit_code, stop.reason)
    assert [State.PLANNED] == run.states()


def test_an_order_that_cannot_be_built_ends_the_job() -> None:
    """What the dialect cannot say to its vendor is refused before anything is sent: the row has failed, the others go on."""
    run = rig([job(1), job(2)], limits=limits(pace=Pace(in_flight=1)))
    dialect = run.engine.steps.dialect
    usual = dialect.submit

    def submit(row: Job, attachments: Sequence[Attachment] = ()) -> Call:
        if row.id == 1:
            raise InputError("no such field")
        return usual(row, attachments)

    dialect.submit = submit

    assert run.run() is None

    assert ([State.FAILED, State.SAVED], "refused") == (run.states(), run.job().reason)
    assert (["submit_started", "submit_rejected"], 1, 0) == (run.events(), len(run.client.orders), run.places.total)
    assert Outcome.REFUSED is run.ledger.attempts[0].outcome


def test_a_row_that_somebody_else_moved_is_dropped_before_the_order() -> None:
    """A stale intent sends nothing, frees its place, and the run goes on."""
    run = rig([job(1), job(2)], limits=limits())
    moved: list[Change] = []

    def steal(change: Change) -> StaleJobError | None:
        if change.job_id == 1 and not moved:
            moved.append(change)
            run.ledger.rows[job(1).id] = job(1, state=State.CANCELLED, version=1)
            return StaleJobError("moved")
        return None

    run.ledger.fails = steal

    assert run.run() is None
    assert [State.CANCELLED, State.SAVED] == run.states()
    assert 1 == len(run.client.orders)
    assert 0 == run.places.total


def test_nobody_waits_for_file_work_that_fails() -> None:
    """What the disk raises on its thread reaches the run as trouble with the disk."""
    run = rig([rendered()])
    run.shelf.on_draft = script(FileError("read-only"))

    stop = run.run()

    assert stop is not None
    assert (7, "storage", "read-only") == (stop.exit_code, stop.reason, stop.message)


def test_recovery_leaves_other_jobs_as_they_are() -> None:
    """Only an open order becomes ambiguous."""
    run = rig([rendered()])

    after = run_warped(FakeClock(), run.engine.steps.recover(rendered()))

    assert rendered() == after
    assert [] == run.ledger.changes
