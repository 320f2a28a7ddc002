"""What every shelf promises to the worker, whatever it is made of."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from batchgen.core.errors import BadImageError, FileError
from batchgen.core.events import Image
from batchgen.core.jobs import Job, JobId, JobKey
from batchgen.core.places import ObjectPlace
from batchgen.core.ports import Answer, Shelf
from batchgen.core.states import State
from batchgen.files.inspector import Inspector
from batchgen.files.objects.bucket import Bucket, bucket_at
from batchgen.files.objects.shelf import ObjectShelf
from batchgen.files.shelf import ImageShelf
from tests.support.fake_shelf import FakeShelf
from tests.support.pictures import picture
from tests.support.storage import Storage

PNG = picture("PNG")
JOB = Job(
    id=JobId(1),
    key=JobKey("0123456789abcdef0123456789abcdef"),
    batch_id=1,
    sweep="s",
    prompt_id="p",
    prompt="a fox",
    operation="image",
    model="m",
    params={},
    labels={},
    references=(),
    cell="",
    sample=1,
    position=0,
    state=State.RENDERED,
    version=5,
    attempt_id=7,
    task_id="task_1",
)


def _image_shelf(place: Path, inspector: Inspector) -> Shelf:
    return ImageShelf(place, lambda job: f"{job.sweep}/{job.prompt_id}", sidecar=True, inspector=inspector)


def _image_shelf_without_sidecars(place: Path, inspector: Inspector) -> Shelf:
    return ImageShelf(place, lambda job: job.key, sidecar=False, inspector=inspector)


def _object_shelf(place: Path, inspector: Inspector, storage: Storage) -> Shelf:
    bucket = bucket_at(ObjectPlace.parse(f"s3://{storage.new_bucket().name}/füchse/~ 1"), storage.variables)
    return ObjectShelf(bucket, place, lambda job: f"{job.sweep}/{job.prompt_id}", sidecar=True, inspector=inspector)


def _object_shelf_without_tags(place: Path, inspector: Inspector) -> Shelf:
    """Keep objects where the entity tag tells nothing of the bytes, so that they are read back."""
    bucket = Bucket("s3://memory", MemoryStore())
    return ObjectShelf(bucket, place, lambda job: f"{job.sweep}/{job.prompt_id}", sidecar=False, inspector=inspector)


@pytest.fixture(scope="module")
def inspector() -> Iterator[Inspector]:
    """Give one inspector to all shelves, so that its child is started once."""
    with closing(Inspector()) as inspector:
        yield inspector


@pytest.fixture(params=[_image_shelf, _image_shelf_without_sidecars, _object_shelf, _object_shelf_without_tags])
def shelf(request: pytest.FixtureRequest, tmp_path: Path, inspector: Inspector) -> Shelf:
    """Give each kind of shelf in turn."""
    build: Callable[..., Shelf] = request.param
    more = [request.getfixturevalue("storage")] if build is _object_shelf else []
    return build(tmp_path / "out", inspector, *more)


@pytest.fixture(params=[_image_shelf, _object_shelf_without_tags, lambda *_: FakeShelf()], ids=["disk", "objects", "fake"])
def keeper(request: pytest.FixtureRequest, tmp_path: Path, inspector: Inspector) -> Shelf:
    """Give each kind of shelf that keeps answers; the fake checks no pictures, so the suite above is not for it."""
    build: Callable[[Path, Inspector], Shelf] = request.param
    return build(tmp_path / "out", inspector)


def staged(shelf: Shelf, received: bytes = PNG, index: int = 0) -> Image:
    """Take received bytes as far as ``finish``, in small pieces."""
    draft = shelf.draft(JOB, index)
    for start in range(0, len(received), 100):
        draft.write(received[start : start + 100])
    return draft.finish(length=len(received))


def test_staged_image_is_described_before_it_is_published(shelf: Shelf) -> None:
    """Everything that the record needs is known when the bytes are safe."""
    image = staged(shelf)

    assert (image.width, image.height, image.bytes) == (40, 30, len(PNG))
    assert image.media_type == "image/png"
    assert image.path != image.temp


def test_publishing_twice_is_publishing_once(shelf: Shelf) -> None:
    """After a crash the same call is made again."""
    image = staged(shelf)

    shelf.publish(image)
    shelf.publish(image)

    assert image.path == staged(shelf).path


def test_image_that_is_nowhere_cannot_be_published(shelf: Shelf) -> None:
    """Without bytes there is nothing to save."""
    draft = shelf.draft(JOB, 0)
    draft.write(PNG)
    image = draft.finish(length=None)
    draft.discard()

    assert not shelf.publish(image)


@pytest.mark.parametrize("received", [b"", b"<html>", PNG[:-20]])
def test_bytes_that_are_no_image_are_refused_with_a_reason(shelf: Shelf, received: bytes) -> None:
    """The worker records the reason and fetches again."""
    draft = shelf.draft(JOB, 0)
    draft.write(received)

    with pytest.raises(BadImageError) as caught:
        draft.finish(length=None)

    assert caught.value.reason


def test_short_answer_is_refused(shelf: Shelf) -> None:
    """The announced length is part of the check."""
    draft = shelf.draft(JOB, 0)
    draft.write(PNG)

    with pytest.raises(BadImageError):
        draft.finish(length=len(PNG) + 1)


def test_images_of_one_job_stand_at_different_paths(shelf: Shelf) -> None:
    """A task may give more than one image."""
    assert staged(shelf, index=0).path != staged(shelf, index=1).path


def test_taken_place_is_left_alone(shelf: Shelf) -> None:
    """A second, different image of the same job does not replace the first."""
    first = staged(shelf)
    shelf.publish(first)

    second = staged(shelf, picture("PNG", seed=2))
    shelf.publish(second)

    assert first.path != second.path


def test_describing_is_repeatable(shelf: Shelf) -> None:
    """A resumed run may describe again."""
    image = staged(shelf)
    shelf.publish(image)

    shelf.describe(JOB, [image])
    shelf.describe(JOB, [image])


def test_room_is_a_number_of_bytes(shelf: Shelf) -> None:
    """The preflight check reads it before anything is bought."""
    assert shelf.free_bytes() > 0


# --- answers that are results ---

LARGE = picture("PNG", size=(120, 90))
DOCUMENT = {"created": 1, "data": [{"b64_json": base64.b64encode(LARGE).decode(), "revised_prompt": 'a "red" fox'}]}
BODY = json.dumps(DOCUMENT).encode()


def begun(shelf: Shelf, body: bytes = BODY) -> Answer:
    """Write an answer in small pieces, without its end."""
    answer = shelf.answer(JOB)
    answer.begin(200, {"content-type": "application/json", "x-request-id": "r1"})
    for start in range(0, len(body), 1000):
        answer.write(body[start : start + 1000])
    return answer


def test_finished_answer_reads_the_same_after_a_crash(keeper: Shelf) -> None:
    """What was given once is given again from what was kept."""
    reply = begun(keeper).finish()

    assert reply == keeper.kept_answer(JOB)
    assert (200, "r1") == (reply.status, reply.headers["x-request-id"])


def test_image_is_cut_out_of_the_answer_and_the_rest_is_there(keeper: Shelf) -> None:
    """The dialect reads a short document with a mark in the place of the image."""
    reply = begun(keeper).finish()

    assert {"created": 1, "data": [{"b64_json": "\0part:0", "revised_prompt": 'a "red" fox'}]} == json.loads(reply.body)
    assert 1 == len(reply.parts)


def test_image_is_unpacked_into_a_draft(keeper: Shelf) -> None:
    """The image inside the answer becomes a file like a downloaded one."""
    reply = begun(keeper).finish()
    draft = keeper.draft(JOB, 0)

    keeper.unpack(JOB, reply.parts[0], draft)

    assert len(LARGE) == draft.finish(length=None).bytes


def test_short_answer_is_kept_as_it_is(keeper: Shelf) -> None:
    """A refusal has nothing to cut out."""
    reply = begun(keeper, b'{"error": "no"}').finish()

    assert (b'{"error": "no"}', ()) == (reply.body, reply.parts)


def test_answer_without_its_end_is_none(keeper: Shelf) -> None:
    """After a crash in the middle there is no answer."""
    begun(keeper)

    assert keeper.kept_answer(JOB) is None


def test_job_without_an_answer_has_none(keeper: Shelf) -> None:
    """Asking costs nothing, also before the folder exists."""
    assert keeper.kept_answer(JOB) is None


def test_new_order_has_no_answer_of_an_earlier_life(keeper: Shelf) -> None:
    """What lies there before the order goes out cannot be its answer."""
    begun(keeper).finish()

    keeper.answer(JOB)

    assert keeper.kept_answer(JOB) is None


def test_each_attempt_has_its_own_answer(keeper: Shelf) -> None:
    """A second order of the job does not touch what the first one brought."""
    first = begun(keeper).finish()

    keeper.answer(replace(JOB, attempt_id=8)).discard()

    assert first == keeper.kept_answer(JOB)
    assert keeper.kept_answer(replace(JOB, attempt_id=8)) is None


@pytest.mark.parametrize("is_finished", [True, False])
def test_discarded_answer_is_gone(keeper: Shelf, is_finished: bool) -> None:
    """Whoever is unsure may discard twice."""
    answer = begun(keeper)
    if is_finished:
        answer.finish()

    answer.discard()
    answer.discard()

    assert keeper.kept_answer(JOB) is None


def test_dropped_answer_is_gone(keeper: Shelf) -> None:
    """When the image is saved the answer is dropped, and once more after a crash."""
    keeper.drop_answer(JOB)
    begun(keeper).finish()

    keeper.drop_answer(JOB)
    keeper.drop_answer(JOB)

    assert keeper.kept_answer(JOB) is None


def test_answer_without_a_head_is_none(keeper: Shelf) -> None:
    """Bytes before the head, and an end without one, are mistakes of the caller."""
    answer = keeper.answer(JOB)

    with pytest.raises(FileError):
        answer.write(b"x")
    with pytest.raises(FileError):
        answer.finish()


@pytest.mark.parametrize("part", [(0, 10**9), (-1, 5), (9, 5)])
def test_place_outside_the_answer_is_refused(keeper: Shelf, part: tuple[int, int]) -> None:
    """A place that the file does not have gives no bytes of anything else."""
    begun(keeper).finish()

    with pytest.raises(FileError):
        keeper.unpack(JOB, part, keeper.draft(JOB, 0))


def test_nothing_is_unpacked_from_an_answer_that_is_gone(keeper: Shelf) -> None:
    """Without the file there is no image."""
    with pytest.raises(FileError):
        keeper.unpack(JOB, (0, 4), keeper.draft(JOB, 0))


def test_part_that_is_no_base64_is_refused(keeper: Shelf) -> None:
    """A long text is not an image."""
    reply = begun(keeper, b'{"b64_json": "' + b"no image! " * 2000 + b'"}').finish()

    with pytest.raises(BadImageError) as caught:
        keeper.unpack(JOB, reply.parts[0], keeper.draft(JOB, 0))

    assert "not_base64" == caught.value.reason
