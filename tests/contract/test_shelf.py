"""What every shelf promises to the worker, whatever it is made of."""

from collections.abc import Callable
from pathlib import Path

import pytest

from batchgen.core.errors import BadImageError
from batchgen.core.events import Image
from batchgen.core.jobs import Job, JobId, JobKey
from batchgen.core.ports import Shelf
from batchgen.core.states import State
from batchgen.files.shelf import ImageShelf
from tests.support.pictures import picture

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


def _image_shelf(place: Path) -> Shelf:
    return ImageShelf(place, lambda job: f"{job.sweep}/{job.prompt_id}", sidecar=True)


def _image_shelf_without_sidecars(place: Path) -> Shelf:
    return ImageShelf(place, lambda job: job.key, sidecar=False)


@pytest.fixture(params=[_image_shelf, _image_shelf_without_sidecars])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    """Give each kind of shelf in turn."""
    build: Callable[[Path], Shelf] = request.param
    return build(tmp_path / "out")


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
