"""Children that judge bytes: what they answer, what they may cost, what they know, and how they end."""

import errno
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from batchgen.core.errors import BadImageError, FileError
from batchgen.core.jobs import Job
from batchgen.files.inspector import Bounds, Inspector, _picture_of, _verdict
from batchgen.files.shelf import ImageShelf
from batchgen.files.sniff import Picture
from tests.support.cli import ROOT, wait_until
from tests.support.pictures import bomb, costly, mp4, picture, webm

PNG = picture("PNG")
MIB = 2**20

Inspect = Callable[..., Picture]


@contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    """Open a file for a while."""
    descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@pytest.fixture
def inspect(tmp_path: Path) -> Inspect:
    """Give a function that has bytes judged by an inspector."""

    def run(inspector: Inspector, data: bytes, *, is_video: bool = False) -> Picture:
        path = tmp_path / f"{id(data)}.part"
        path.write_bytes(data)
        with opened(path) as descriptor:
            return inspector.inspect(descriptor, size_bytes=len(data), max_pixels=64_000_000, is_video=is_video)

    return run


@pytest.fixture
def own() -> Iterator[Inspector]:
    """Give an inspector whose children are no other test's."""
    with closing(Inspector()) as inspector:
        yield inspector


def children(inspector: Inspector) -> list[int]:
    """List the process ids of an inspector's idle children."""
    return [child.process.pid for child in inspector._seats.queue if child is not None]


def child_of(inspector: Inspector) -> int:
    """Give the process id of an inspector's only idle child."""
    [child] = children(inspector)
    return child


def descendants() -> list[int]:
    """List the process ids of this process's children, zombies too."""
    found = Path("/proc/self/task").glob("*/children")
    return [int(word) for path in found for word in path.read_text(encoding="ascii").split()]


def spent_s(process: int) -> float:
    """Give the CPU time that a process has spent."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def limit_of(process: int, name: str) -> int:
    """Give the soft limit of a process under the name that the kernel lists it by."""
    [line] = [line for line in Path(f"/proc/{process}/limits").read_text(encoding="ascii").splitlines() if line.startswith(name)]
    return int(line.removeprefix(name).split()[0])


# --- answers ---


@pytest.mark.parametrize(
    ("data", "is_video", "media_type", "suffix"),
    [
        pytest.param(PNG, False, "image/png", ".png", id="png"),
        pytest.param(picture("JPEG"), False, "image/jpeg", ".jpg", id="jpeg"),
        pytest.param(picture("WEBP"), False, "image/webp", ".webp", id="webp"),
        pytest.param(mp4(40, 30), True, "video/mp4", ".mp4", id="mp4"),
        pytest.param(webm(40, 30), True, "video/webm", ".webm", id="webm"),
    ],
)
def test_child_describes_what_it_was_handed(
    inspector: Inspector, inspect: Inspect, data: bytes, is_video: bool, media_type: str, suffix: str
) -> None:
    """Type, extension and size come back from the child."""
    assert Picture(media_type=media_type, suffix=suffix, width=40, height=30) == inspect(inspector, data, is_video=is_video)


@pytest.mark.parametrize(("data", "is_video"), [(mp4(), False), (PNG, True)], ids=["video for a picture", "picture for a video"])
def test_refusal_keeps_its_words_and_its_child(own: Inspector, inspect: Inspect, data: bytes, is_video: bool) -> None:
    """What the child refuses is refused as if it had been judged here, and the child goes on."""
    inspect(own, PNG)
    first = child_of(own)

    with pytest.raises(BadImageError, match=r"received .* instead of") as caught:
        inspect(own, data, is_video=is_video)

    assert "wrong_type" == caught.value.reason
    assert first == child_of(own)


def test_error_of_the_disk_is_not_the_files_fault(own: Inspector, inspect: Inspect, tmp_path: Path) -> None:
    """A file that cannot be read may be whole: the error comes back with its number."""
    path = tmp_path / "a"
    path.write_bytes(PNG)

    with opened(path, os.O_WRONLY) as descriptor, pytest.raises(OSError, match="Bad file descriptor") as caught:
        own.inspect(descriptor, size_bytes=len(PNG), max_pixels=1200)

    assert errno.EBADF == caught.value.errno
    assert 40 == inspect(own, PNG).width


@pytest.mark.parametrize(
    "told",
    [
        {"picture": {"media_type": "../../etc", "width": 1, "height": 1, "has_alpha": False}},
        {"picture": {"media_type": "image/png", "width": "1", "height": 1, "has_alpha": False}},
        {"picture": {"media_type": "image/png", "width": 2**31, "height": 1, "has_alpha": False}},
        {"refused": "no", "reason": "two words\n"},
        {"errno": "5"},
        {"errno": 10**30},
        {"broke": "RecursionError"},
        [],
        None,
    ],
)
def test_answer_that_is_none_of_ours_is_not_believed(told: object) -> None:
    """Whoever took over a child chooses no file name and nothing else that is kept."""
    with pytest.raises(BadImageError) as caught:
        _verdict(told, Bounds(), _picture_of)

    assert "check_failed" == caught.value.reason


# --- costs ---


@pytest.mark.parametrize(
    ("bounds", "data", "limit"),
    [
        pytest.param(Bounds(memory_bytes=256 * MIB), picture("WEBP", size=(4500, 4500), is_flat=True), "256 MiB of memory", id="memory"),
        pytest.param(Bounds(cpu_s=1), costly(), "CPU time", id="cpu"),
        pytest.param(Bounds(wall_s=1.0), costly(), "1 s", id="wall"),
    ],
)
def test_costly_file_is_given_up_and_the_next_has_a_new_child(inspect: Inspect, bounds: Bounds, data: bytes, limit: str) -> None:
    """One file that takes too much is refused in words; it costs its child, and nobody else."""
    with closing(Inspector(bounds)) as inspector:
        inspect(inspector, PNG)
        first = child_of(inspector)

        with pytest.raises(BadImageError, match=f"takes more than .*{limit}") as caught:
            inspect(inspector, data)

        assert "too_costly" == caught.value.reason
        assert 40 == inspect(inspector, PNG).width
        assert first != child_of(inspector)


def test_largest_picture_passes(inspector: Inspector, inspect: Inspect) -> None:
    """The limits leave room for 64 million pixels in the dearest format."""
    assert 8000 == inspect(inspector, picture("WEBP", size=(8000, 8000), is_flat=True, quality=0, method=0)).width


def test_cpu_time_is_counted_for_each_file_anew(own: Inspector, inspect: Inspect) -> None:
    """A child that has served for long is not ended by what it spent on others."""
    inspect(own, costly(scans=400))
    spent = spent_s(child_of(own))

    inspect(own, PNG)

    assert Bounds().cpu_s <= limit_of(child_of(own), "Max cpu time") - spent


def test_large_pictures_wait_for_their_turn(own: Inspector, inspect: Inspect) -> None:
    """Two of them are never decoded at once, while small ones pass."""
    with ThreadPoolExecutor(1) as pool:
        with own._large_turn:
            large = pool.submit(inspect, own, bomb(5000))

            assert 40 == inspect(own, PNG).width
            with pytest.raises(TimeoutError):
                large.result(timeout=1)

        assert 5000 == large.result(timeout=60).width


# --- what a child knows and may do ---


def test_child_knows_no_key_and_has_limits(own: Inspector, inspect: Inspect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment is a path to imports, its session its own, its descriptors few; it can neither write a file nor dump core."""
    monkeypatch.setenv("JIMMYAI_API_KEY", "sk-canary")
    inspect(own, PNG)
    place = Path("/proc") / str(child_of(own))

    environment = place.joinpath("environ").read_bytes().split(b"\0")
    words = place.joinpath("cmdline").read_bytes()
    limits = {name: limit_of(child_of(own), f"Max {name}") for name in ("address space", "core file size", "file size", "open files")}

    assert [b"PYTHONPATH"] == [entry.partition(b"=")[0] for entry in environment if entry]
    assert b"sk-canary" not in words
    assert os.getsid(child_of(own)) == child_of(own)
    assert 4 == len(list(place.joinpath("fd").iterdir()))
    assert {"address space": 1536 * MIB, "core file size": 0, "file size": 0, "open files": 16} == limits


def test_child_is_deaf_to_the_signals_that_drain_its_parent(own: Inspector, inspect: Inspect) -> None:
    """Ctrl-C, and a stop that goes to every process of a service, leave it at work."""
    inspect(own, PNG)
    first = child_of(own)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(first, number)

    assert 40 == inspect(own, PNG).width
    assert first == child_of(own)


def test_draft_hands_its_file_over_for_reading_only(root: Path, job: Job, own: Inspector, inspect: Inspect) -> None:
    """A child that is taken over cannot change a byte of what it judges; when it is killed, that one file is refused."""
    inspect(own, PNG)
    child = child_of(own)
    shelf = ImageShelf(root, lambda _: "a", sidecar=False, inspector=own)
    draft = shelf.draft(job, 0)
    draft.write(costly())
    with ThreadPoolExecutor(1) as pool:
        finished = pool.submit(draft.finish, length=None)
        wait_until(lambda: held_by(child))
        held = held_by(child)

        os.kill(child, signal.SIGKILL)

        assert [os.O_RDONLY] == [flags & os.O_ACCMODE for flags in held]
        with pytest.raises(BadImageError, match="ended with -9") as caught:
            finished.result(timeout=60)
    assert "check_failed" == caught.value.reason
    assert [] == list(root.iterdir())


def held_by(child: int) -> list[int]:
    """List the flags of a process's descriptors of drafts."""
    place = Path("/proc") / str(child)
    drafts = [path for path in place.joinpath("fd").iterdir() if str(path.readlink()).endswith(".part")]
    return [int(place.joinpath("fdinfo", path.name).read_text(encoding="ascii").split()[3], 8) for path in drafts]


def test_file_put_in_the_place_of_a_draft_is_not_judged(root: Path, job: Job, inspector: Inspector) -> None:
    """What is judged is what was written, not what somebody put under its name."""
    draft = ImageShelf(root, lambda _: "a", sidecar=False, inspector=inspector).draft(job, 0)
    draft.write(PNG)
    [temporary] = root.iterdir()
    temporary.unlink()
    temporary.write_bytes(PNG)

    with pytest.raises(FileError, match="was replaced"):
        draft.finish(length=None)


# --- beginnings and ends ---


def test_lone_caller_has_one_child_and_many_have_no_more_than_two(own: Inspector, inspect: Inspect) -> None:
    """A child is used again; threads share two."""
    inspect(own, PNG)
    first = child_of(own)
    inspect(own, PNG)
    assert [first] == children(own)

    with ThreadPoolExecutor(8) as pool:
        widths = list(pool.map(lambda seed: inspect(own, picture("PNG", size=(200 + seed, 200), seed=seed)).width, range(40)))

    assert list(range(200, 240)) == widths
    assert len(children(own)) <= 2


def test_child_that_died_idle_is_replaced(own: Inspector, inspect: Inspect) -> None:
    """Nobody's file is blamed for it."""
    inspect(own, PNG)
    first = child_of(own)
    with pidfd(first) as ended:
        os.kill(first, signal.SIGKILL)
        assert select.select([ended], [], [], 30)[0]

    assert 40 == inspect(own, PNG).width
    assert first != child_of(own)


def test_closed_inspector_leaves_no_process(inspect: Inspect) -> None:
    """Not even a zombie; it may be closed twice, and used again."""
    inspector = Inspector()
    inspect(inspector, PNG)
    first = child_of(inspector)

    inspector.close()
    inspector.close()

    assert first not in descendants()
    assert not Path(f"/proc/{first}").exists()
    assert 40 == inspect(inspector, PNG).width
    inspector.close()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        pytest.param("executable", "/nowhere/python", "No such file", id="no interpreter"),
        pytest.param("path", [], "No module named 'batchgen'", id="nothing to import"),
    ],
)
def test_child_that_does_not_start_is_no_fault_of_the_file(
    own: Inspector, inspect: Inspect, monkeypatch: pytest.MonkeyPatch, name: str, value: object, words: str
) -> None:
    """The picture is not refused: the run has to stop and say what is wrong here."""
    with monkeypatch.context() as patch:
        patch.setattr(sys, name, value)
        with pytest.raises(FileError, match=words) as caught:
            inspect(own, PNG)

    assert not isinstance(caught.value, BadImageError)
    assert 40 == inspect(own, PNG).width


_PARENT = """
import os, sys
from batchgen.files.inspector import Inspector

def inspect(path):
    descriptor = os.open(path, os.O_RDONLY)
    return inspector.inspect(descriptor, size_bytes=os.path.getsize(path), max_pixels=64_000_000).width

def child():
    return next(seat.process.pid for seat in inspector._seats.queue if seat is not None)

inspector = Inspector()
inspect(sys.argv[1])
print(child(), flush=True)
"""


def parent(tmp_path: Path, program: str, data: bytes) -> subprocess.Popen[str]:
    """Start a process that has one small picture judged, says by whom, and goes on with the program; ``argv[2]`` is another file."""
    small, other = tmp_path / "small", tmp_path / "other"
    small.write_bytes(PNG)
    other.write_bytes(data)
    return subprocess.Popen(
        [sys.executable, "-c", _PARENT + program, str(small), str(other)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )


@contextmanager
def pidfd(process: int) -> Iterator[int]:
    """Open a descriptor that becomes readable when the process has ended."""
    descriptor = os.pidfd_open(process)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("program", ["sys.stdin.read(); input()", "inspect(sys.argv[2])"], ids=["idle", "busy"])
def test_killed_parent_takes_its_child_with_it(tmp_path: Path, program: str) -> None:
    """At once, whether it waits for a question or is in the middle of a picture that takes a minute."""
    with parent(tmp_path, program, costly()) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        with pidfd(child) as ended:
            wait_until(lambda: program.startswith("sys") or spent_s(child) > 1)

            process.kill()

            assert select.select([ended], [], [], 5)[0]


def test_fork_starts_its_own_child(tmp_path: Path) -> None:
    """It leaves its parent's alone, and its parent goes on with it."""
    program = """
if os.fork() == 0:
    inspect(sys.argv[2])
    print(child(), flush=True)
    inspector.close()
    os._exit(0)
os.wait()
inspect(sys.argv[2])
print(child(), flush=True)
inspector.close()
"""
    with parent(tmp_path, program, picture("JPEG")) as process:
        first, forked, last = process.communicate(timeout=60)[0].split()

    assert first == last
    assert forked != first
    assert 0 == process.returncode
