"""A job to fetch images for, a shelf to put them on, one call for the whole way, and a disk that is soon full."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from batchgen.core.events import Image
from batchgen.core.jobs import Job, JobId, JobKey
from batchgen.core.states import State
from batchgen.files.inspector import Inspector
from batchgen.files.shelf import ImageShelf

_JOB = Job(
    id=JobId(1),
    key=JobKey("0123456789abcdef0123456789abcdef"),
    batch_id=1,
    sweep="lettering",
    prompt_id="logo",
    prompt='Logo for "Die Füchse" 狐 ',
    operation="image",
    model="gpt-image-2",
    params={"ratio": "16:9"},
    labels={"category": "Arts"},
    references=(),
    cell="c1",
    sample=1,
    position=0,
    state=State.RENDERED,
    version=5,
    attempt_id=7,
    task_id="task_1",
)

Stage = Callable[..., Image]


@pytest.fixture
def job() -> Job:
    """Give a rendered job whose file is to be ``lettering/logo``."""
    return _JOB


@pytest.fixture
def other_job() -> Job:
    """Give another job of the same name, as a second database in one folder would have it."""
    return replace(_JOB, id=JobId(2), key=JobKey("f" * 32), attempt_id=8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Name an output folder that does not exist yet."""
    return tmp_path / "out"


@pytest.fixture(scope="session")
def inspector() -> Iterator[Inspector]:
    """Give one inspector to all tests, so that its children are started once."""
    with closing(Inspector()) as inspector:
        yield inspector


@pytest.fixture
def shelf(root: Path, inspector: Inspector) -> ImageShelf:
    """Give a shelf with sidecars that names files after sweep and prompt."""
    return ImageShelf(root, lambda job: f"{job.sweep}/{job.prompt_id}", sidecar=True, inspector=inspector)


@pytest.fixture
def stage(shelf: ImageShelf, job: Job) -> Stage:
    """Give a function that takes received bytes as far as ``finish``."""

    def run(received: bytes, *, index: int = 0, of: Job = job) -> Image:
        draft = shelf.draft(of, index)
        draft.write(received)
        return draft.finish(length=len(received))

    return run


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 256 KiB, where this is allowed."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)
