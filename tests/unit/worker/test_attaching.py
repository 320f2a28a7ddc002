"""How references travel with an order, and what an upload that fails means for it."""

from base64 import b64encode
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta

import pytest

from batchgen.core import readings as r
from batchgen.core.dialects import Way
from batchgen.core.errors import NotSentError, OutcomeUnknownError, StopRunError, StoreError
from batchgen.core.limits import Pace
from batchgen.core.ports import ReferenceFile, Upload
from batchgen.core.references import MAX_INLINE_BYTES
from batchgen.core.states import Outcome, State
from tests.support.builders import Rig, job, jobs, limits, rig
from tests.support.fake_client import always, script
from tests.support.fake_clock import START, run_warped
from tests.support.fake_ledger import FakeLedger

_SHA256 = "ab" * 32
_VENDOR = "fake https://api.example"
_SHOE = {"name": "shoe", "sha256": _SHA256}
_SMALL = ReferenceFile(content=b"shoe", filename="shoe.png", media_type="image/png", send="auto")
_LARGE = replace(_SMALL, send="upload")
_INLINE = f"data:image/png;base64,{b64encode(b'shoe').decode()}"
_FIRST_URL = "https://cdn.example/uploads/1/shoe.png"


def _with_shoes(count: int = 1, *, file: ReferenceFile | None = _LARGE, **bounds: object) -> Rig:
    """Put a worker together whose rows all send the same local reference."""
    run = rig(jobs(count, references=(_SHOE,)), limits=limits(**bounds))
    if file is not None:
        run.library.files[_SHA256] = file
    return run


def _known(run: Rig, *, expires_in: timedelta, vendor: str = _VENDOR) -> None:
    """Let an earlier run have uploaded the shoe."""
    upload = Upload(sha256=_SHA256, vendor=vendor, url="https://cdn.example/old.png", expires_at=START + expires_in, created_at=START)
    run.ledger.keep_upload(upload).result()


def _images(run: Rig) -> list[tuple[str, ...]]:
    return [order.images for order in run.client.orders]


# --- ways ---


@pytest.mark.parametrize(
    ("file", "ways", "sent"),
    [
        (_SMALL, {"base64", "upload"}, _INLINE),
        (replace(_SMALL, send="base64"), {"base64", "upload"}, _INLINE),
        (replace(_SMALL, send="upload"), {"base64", "upload"}, _FIRST_URL),
        (_SMALL, {"url", "upload"}, _FIRST_URL),
        (replace(_SMALL, send="upload"), {"file"}, _INLINE),
    ],
)
def test_a_local_file_travels_as_manifest_and_vendor_allow(file: ReferenceFile, ways: set[Way], sent: str) -> None:
    """Inside the request, or uploaded first; a vendor that takes forms gets the content itself."""
    run = _with_shoes(file=file)
    run.engine.steps.dialect.taken = frozenset(ways)

    assert run.run() is None

    assert [(sent,)] == _images(run)
    assert (1 if sent == _FIRST_URL else 0) == len(run.client.uploaded)


def test_a_large_file_is_uploaded_by_itself() -> None:
    """Where the manifest leaves the choice, the size decides."""
    run = _with_shoes(file=replace(_SMALL, content=b"x" * (MAX_INLINE_BYTES + 1)))

    run.run()

    assert [(_FIRST_URL,)] == _images(run)


def test_an_address_travels_as_it_is() -> None:
    """A reference that is an address is neither read nor uploaded."""
    run = rig([job(references=({"name": "web", "url": "https://example.com/a.png"},))])

    run.run()

    assert [("https://example.com/a.png",)] == _images(run)
    assert [] == run.client.uploaded


def test_references_keep_their_order_and_role() -> None:
    """Files and addresses mixed arrive as they stand in the row, the role of each with it."""
    mask = {"name": "m", "url": "https://example.com/m.png", "role": "mask"}
    run = rig([job(references=(_SHOE, mask))])
    run.library.files[_SHA256] = _SMALL

    attached = run_warped(run.clock, run.engine.steps.attacher.attach(run.job()))

    assert isinstance(attached, tuple)
    assert [("images", _INLINE), ("mask", mask["url"])] == [(one.role, one.address) for one in attached]
    assert ("shoe.png", "image/png", b"shoe") == (attached[0].filename, attached[0].media_type, attached[0].content)


def test_a_vendor_that_keeps_no_files_gets_the_content() -> None:
    """A dialect that names uploads as a way but cannot do them still gets the reference."""
    run = _with_shoes()
    whole = run.engine.steps.dialect

    class WithoutUploads:
        ways = whole.ways

    attacher = replace(run.engine.steps.attacher, dialect=WithoutUploads())

    attached = run_warped(run.clock, attacher.attach(run.job()))

    assert isinstance(attached, tuple)
    assert [b"shoe"] == [one.content for one in attached]


# --- what is remembered ---


def test_an_upload_serves_every_later_order_and_run() -> None:
    """One upload for all rows, kept with its expiry, used by the next run too."""
    run = _with_shoes(3, pace=Pace(in_flight=1))
    run.run()
    run.ledger.add([job(9, references=(_SHOE,))])

    run.again().run()

    assert ([(_FIRST_URL,)] * 4, 1) == (_images(run), len(run.client.uploaded))
    kept = run.ledger.uploads[_VENDOR, _SHA256]
    assert (START + timedelta(days=3), START) == (kept.expires_at, kept.created_at)


@pytest.mark.parametrize(("left", "is_used"), [(timedelta(hours=1, seconds=1), True), (timedelta(hours=1), False), (timedelta(0), False)])
def test_an_upload_that_is_about_to_expire_is_not_used(left: timedelta, is_used: bool) -> None:
    """The task may wait before it fetches its reference: an hour must be left; a new upload takes the old one's place."""
    run = _with_shoes()
    _known(run, expires_in=left)

    run.run()

    assert [("https://cdn.example/old.png",) if is_used else (_FIRST_URL,)] == _images(run)
    assert (0 if is_used else 1) == len(run.client.uploaded)


def test_an_upload_to_another_vendor_is_not_used() -> None:
    """An address is good only where the file was sent."""
    run = _with_shoes()
    _known(run, expires_in=timedelta(days=2), vendor="fake https://elsewhere.example")

    run.run()

    assert [(_FIRST_URL,)] == _images(run)


def test_ten_orders_at_once_make_one_upload() -> None:
    """Whoever comes while the upload is under way waits for it."""
    run = _with_shoes(10, pace=Pace(in_flight=10))
    run.engine.posts_at_once = 10
    run.client.ask_s = 3.0

    run.run()

    assert ([(_FIRST_URL,)] * 10, 1) == (_images(run), len(run.client.uploaded))
    assert {3.0} == {order.at for order in run.client.orders}


def test_an_upload_is_durable_before_its_order_is_recorded() -> None:
    """Upload, then intent, then POST: what a crash in between leaves is an upload that the next run uses."""
    run = _with_shoes()

    run.run()

    assert ["uploaded", "recorded submit_started", "ordered"] == run.trace[:3]


# --- failures ---


def test_an_upload_that_fails_twice_is_tried_again_at_once() -> None:
    """Three tries within seconds, and the order goes out as if nothing had been."""
    run = _with_shoes()
    run.client.on_upload = script(NotSentError("refused"), r.Trouble(message="502"))

    assert run.run() is None

    assert (3, ["submit_started", "submit_accepted"]) == (len(run.client.uploaded), run.events()[:2])
    assert run.client.orders[0].at <= 0.3 + 2 + 8


@pytest.mark.parametrize("trouble", [OutcomeUnknownError("reset"), r.Trouble(message="502")])
def test_an_upload_that_never_works_ends_the_job_as_unreachable(trouble: r.UploadReading | BaseException) -> None:
    """Each round backs off and counts like an order that was not sent; after the last the job has failed; nothing was ordered."""
    run = _with_shoes()
    run.client.on_upload = always(trouble)

    assert run.run() is None

    assert (State.FAILED, "unreachable") == (run.job().state, run.job().reason)
    assert [4, 1] == [run.events().count(word) for word in ("submit_not_sent", "submit_unreachable")]
    assert ([], 15, 0) == (run.client.orders, len(run.client.uploaded), run.places.total)
    assert {Outcome.NOT_SENT} == {attempt.outcome for attempt in run.ledger.attempts}
    assert run.ledger.changes[1].event.detail.startswith("upload of a reference: ")


def test_an_upload_that_passes_at_the_second_round_is_followed_by_the_order() -> None:
    """After the back-off the upload is tried anew, and the job is saved."""
    run = _with_shoes()
    run.client.on_upload = script(*[r.Trouble(message="502")] * 3)

    assert run.run() is None

    assert ["submit_started", "submit_not_sent", "submit_started", "submit_accepted"] == run.events()[:4]
    assert [State.SAVED] == run.states()


def test_a_throttled_upload_quiets_all_orders() -> None:
    """The vendor's wish holds for the key: no order goes out before its time, and all are delivered."""
    run = _with_shoes(4, pace=Pace(in_flight=2))
    run.client.on_upload = script(r.Throttled(message="slow", retry_after_s=100.0))

    assert run.run() is None

    assert {State.SAVED} == set(run.states())
    assert (1, True) == (run.progress.throttled, all(order.at >= 100 for order in run.client.orders[1:]))
    assert "submit_refused" in run.events()


@pytest.mark.parametrize(("kind", "code"), [("auth", 4), ("balance", 6), ("config", 2)])
def test_a_vendor_that_takes_no_upload_stops_the_run(kind: r.StopKind, code: int) -> None:
    """A rejected key or an empty account means the same for an upload as for an order: rows stay planned, nothing is ordered."""
    run = _with_shoes(3, pace=Pace(in_flight=1))
    run.client.on_upload = always(r.Stopped(kind=kind, message="no"))

    stop = run.run()

    assert stop is not None
    assert (code, kind, []) == (stop.exit_code, stop.reason, run.client.orders)
    assert {State.PLANNED} == set(run.states())


def test_an_upload_that_the_vendor_refuses_ends_the_job() -> None:
    """A file that is not taken fails its order; no second try."""
    run = _with_shoes()
    run.client.on_upload = always(r.Rejected(reason="refused", message="no such type"))

    assert run.run() is None

    assert (State.FAILED, "refused", 1, []) == (run.job().state, run.job().reason, len(run.client.uploaded), run.client.orders)


def test_the_first_reference_that_fails_ends_the_attaching() -> None:
    """What comes after an obstacle is not uploaded: the order does not go out anyway."""
    boot = {"name": "boot", "sha256": "cd" * 32}
    run = rig([job(references=(_SHOE, boot))])
    run.library.files |= {_SHA256: _LARGE, "cd" * 32: replace(_LARGE, filename="boot.png")}
    run.client.on_upload = always(r.Rejected(reason="refused", message="no"))

    run.run()

    assert ["shoe.png"] == [name for _, name in run.client.uploaded]


def test_an_intent_without_an_order_names_no_body() -> None:
    """Where nothing could be made ready, there are no bytes to hash; the outcome says that nothing was sent."""
    run = _with_shoes()
    run.client.on_upload = always(r.Rejected(reason="refused", message="no"))

    run.run()

    assert "" == run.ledger.changes[0].event.body_sha256


def test_a_reference_that_changed_stops_the_run_before_any_intent() -> None:
    """A file that is not what was planned: exit 2, nothing recorded, nothing sent, no place lost."""
    run = _with_shoes(3, file=None, pace=Pace(in_flight=1))

    stop = run.run()

    assert stop is not None
    assert (2, "reference") == (stop.exit_code, stop.reason)
    assert ([], [], [], 0) == (run.ledger.changes, run.client.orders, run.client.uploaded, run.places.total)
    assert {State.PLANNED} == set(run.states())


def test_a_client_that_refuses_to_upload_stops_the_run_before_any_intent() -> None:
    """A certificate that is not trusted ends the run with 2; nothing is recorded."""
    run = _with_shoes()
    run.client.on_upload = always(StopRunError("certificate", exit_code=2, reason="config"))

    stop = run.run()

    assert stop is not None
    assert (2, "config", []) == (stop.exit_code, stop.reason, run.ledger.changes)


def test_an_upload_that_cannot_be_kept_stops_the_run_before_any_order() -> None:
    """No ledger, no spend holds for the upload's record too."""

    class Full(FakeLedger):
        def keep_upload(self, upload: Upload) -> Future[None]:
            raise StoreError(f"no room for {upload.url}")

    run = rig([job(references=(_SHOE,))], ledger=Full())
    run.library.files[_SHA256] = _LARGE

    stop = run.run()

    assert stop is not None
    assert (7, "storage", []) == (stop.exit_code, stop.reason, run.client.orders)


def test_draining_does_not_wait_for_an_upload() -> None:
    """No order has begun while its reference travels: the first Ctrl-C lets go of it, and nothing is recorded or bought."""
    run = _with_shoes()
    run.client.ask_s = 250.0

    stop = run.run(later={1.0: run.interrupt})

    assert stop is not None
    assert "interrupted" == stop.reason
    assert run.clock.monotonic() < 100
    assert ([], State.PLANNED, 0) == (run.client.orders, run.job().state, run.job().version)
