"""Kept answers on a real disk: names, modes, heads, crashes, planted names and refusing disks."""

import base64
import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchgen.core.errors import BadImageError, FileError
from batchgen.core.jobs import Job
from batchgen.files import answers
from batchgen.files.answers import KeptAnswer
from batchgen.files.folders import Root
from batchgen.files.inspector import Inspector
from batchgen.files.shelf import ImageShelf

KEPT = ".01234567-a7.answer"
TEMP = KEPT + ".part"
CONTENT = bytes(range(256)) * 200
BODY = json.dumps({"data": [{"b64_json": base64.b64encode(CONTENT).decode()}]}).encode()


def names(folder: Path) -> list[str]:
    """List everything in a folder, hidden things too."""
    return sorted(path.name for path in folder.iterdir())


def begun(shelf: ImageShelf, job: Job, body: bytes = BODY) -> KeptAnswer:
    """Write an answer without its end."""
    answer = shelf.answer(job)
    answer.begin(200, {"Content-Type": "application/json"})
    answer.write(body)
    return answer


def test_answer_is_a_private_message_in_the_root(shelf: ImageShelf, root: Path, job: Job) -> None:
    """The file is 0600, hidden, named after job and attempt, and a person can read it."""
    answer = begun(shelf, job)
    assert [TEMP] == names(root)
    assert 0o600 == (root / TEMP).stat().st_mode & 0o777

    answer.finish()

    assert [KEPT] == names(root)
    assert 0o600 == (root / KEPT).stat().st_mode & 0o777
    assert b"HTTP/1.1 200\r\ncontent-type: application/json\r\n\r\n" + BODY == (root / KEPT).read_bytes()


def test_places_count_from_the_start_of_the_file(shelf: ImageShelf, root: Path, job: Job) -> None:
    """A part can be cut out of the file with ordinary tools."""
    ((start, end),) = begun(shelf, job).finish().parts

    assert base64.b64encode(CONTENT) == (root / KEPT).read_bytes()[start:end]


# --- heads ---


def test_secrets_and_line_breaks_stay_out_of_the_head(shelf: ImageShelf, root: Path, job: Job) -> None:
    """Cookies are not stored, and a header cannot end the head or forge another one."""
    answer = shelf.answer(job)
    answer.begin(
        429,
        {
            "Set-Cookie": "s=1",
            "AUTHORIZATION": "Bearer k",
            "X-Odd": "a\r\n\r\nb\x1b[2J\x85\ud800",
            "bad name": "x",
            "x\r\ny": "z",
            "": "e",
            "Retry-After": " 5 ",
        },
    )
    reply = answer.finish()

    assert {"x-odd": "ab[2J?", "retry-after": "5"} == reply.headers
    assert reply == shelf.kept_answer(job)
    assert b"HTTP/1.1 429\r\nx-odd: ab[2J?\r\nretry-after: 5\r\n\r\n" == (root / KEPT).read_bytes()


def test_endless_head_is_cut(shelf: ImageShelf, job: Job) -> None:
    """Headers beyond 64 KiB are left out, and what remains is read again."""
    answer = shelf.answer(job)
    answer.begin(200, {f"x-{number}": "v" * 1000 for number in range(200)})
    reply = answer.finish()

    assert 60 < len(reply.headers) < 66
    assert reply == shelf.kept_answer(job)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=4), st.binary(max_size=100), st.integers(100, 999))
def test_any_head_and_body_are_read_again(shelf: ImageShelf, job: Job, headers: dict[str, str], body: bytes, status: int) -> None:
    """Whatever arrives, the file gives the same Reply as the first look did."""
    answer = shelf.answer(job)
    answer.begin(status, headers)
    answer.write(body)

    assert answer.finish() == shelf.kept_answer(job)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"HTTP/1.1 200\r\n", b"HTTP/1.1 20\r\n\r\n{}", b"HTTP/1.1 200\nA: b\n\n{}", b"HTTP/1.1 200\r\nno colon\r\n\r\n{}"],
)
def test_file_without_a_whole_head_is_no_answer(shelf: ImageShelf, root: Path, job: Job, content: bytes) -> None:
    """Somebody else's file under the name is not believed."""
    root.mkdir()
    (root / KEPT).write_bytes(content)

    assert shelf.kept_answer(job) is None


# --- crashes ---


def opened_only(shelf: ImageShelf, job: Job) -> None:
    """Crash before the order went out, or before its answer came."""
    shelf.answer(job)


def head_only(shelf: ImageShelf, job: Job) -> None:
    """Crash after the head."""
    shelf.answer(job).begin(200, {})


def half_written(shelf: ImageShelf, job: Job) -> None:
    """Crash in the middle of the body."""
    begun(shelf, job, BODY[:1000])


def all_written(shelf: ImageShelf, job: Job) -> None:
    """Crash before the end was declared."""
    begun(shelf, job)


@pytest.mark.parametrize("crash", [opened_only, head_only, half_written, all_written])
def test_answer_that_was_not_finished_is_never_adopted(
    root: Path, job: Job, crash: Callable[[ImageShelf, Job], None], inspector: Inspector
) -> None:
    """A new process finds no answer, and a new order finds its place free."""
    crash(ImageShelf(root, lambda _: "a", sidecar=False, inspector=inspector), job)
    resumed = ImageShelf(root, lambda _: "a", sidecar=False, inspector=inspector)

    assert resumed.kept_answer(job) is None
    assert begun(resumed, job).finish() == resumed.kept_answer(job)
    assert [KEPT] == names(root)


def test_finished_answer_survives_the_process(root: Path, job: Job, inspector: Inspector) -> None:
    """A new process reads the same Reply and unpacks the same image."""
    reply = begun(ImageShelf(root, lambda _: "a", sidecar=False, inspector=inspector), job).finish()
    resumed = ImageShelf(root, lambda _: "a", sidecar=False, inspector=inspector)
    received: list[bytes] = []

    resumed.unpack(job, reply.parts[0], Collector(received))

    assert reply == resumed.kept_answer(job)
    assert CONTENT == b"".join(received)
    assert 49_152 >= max(map(len, received))


class Collector:
    """A sink that keeps what it gets."""

    def __init__(self, received: list[bytes]) -> None:
        self._received = received

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._received.append(chunk)


def test_file_cut_while_it_is_read_is_an_error_of_the_disk(shelf: ImageShelf, root: Path, job: Job) -> None:
    """The image is not shortened in silence."""
    reply = begun(shelf, job, b'{"b64_json": "' + b"A" * 200_000 + b'"}').finish()

    class Cutting(Collector):
        def write(self, chunk: bytes) -> None:
            super().write(chunk)
            os.truncate(root / KEPT, 70_000)

    with pytest.raises(FileError, match="ended while"):
        shelf.unpack(job, reply.parts[0], Cutting([]))


# --- planted names ---

PLANTS: list[Callable[[Path], None]] = [lambda at: at.symlink_to("/etc/passwd"), os.mkfifo]


@pytest.mark.parametrize("plant", [*PLANTS, lambda at: at.mkdir()], ids=["link", "pipe", "folder"])
def test_planted_name_is_not_followed(shelf: ImageShelf, root: Path, job: Job, plant: Callable[[Path], None]) -> None:
    """What is no regular file is no answer, and nobody waits for it."""
    root.mkdir()
    plant(root / KEPT)

    assert shelf.kept_answer(job) is None
    with pytest.raises(FileError):
        shelf.unpack(job, (0, 4), Collector([]))


@pytest.mark.parametrize("name", [KEPT, TEMP])
@pytest.mark.parametrize("plant", PLANTS, ids=["link", "pipe"])
def test_planted_name_is_replaced(shelf: ImageShelf, root: Path, job: Job, plant: Callable[[Path], None], name: str) -> None:
    """A link under either name is removed, not its target."""
    before = Path("/etc/passwd").stat().st_mtime_ns
    root.mkdir()
    plant(root / name)

    reply = begun(shelf, job).finish()

    assert reply == shelf.kept_answer(job)
    assert [KEPT] == names(root)
    assert before == Path("/etc/passwd").stat().st_mtime_ns


@pytest.mark.parametrize("name", [KEPT, TEMP])
def test_folder_in_the_way_is_found_before_anything_is_ordered(shelf: ImageShelf, root: Path, job: Job, name: str) -> None:
    """Whoever cannot keep the answer must not ask for it."""
    (root / name).mkdir(parents=True)

    with pytest.raises(FileError):
        shelf.answer(job)


def test_folder_planted_before_the_end_is_an_error(shelf: ImageShelf, root: Path, job: Job) -> None:
    """The answer is not moved into a folder of its name; its bytes stay for a person."""
    answer = begun(shelf, job)
    (root / KEPT).mkdir()

    with pytest.raises(FileError):
        answer.finish()
    with pytest.raises(FileError):
        shelf.drop_answer(job)

    answer.discard()


def test_root_replaced_in_mid_run_takes_no_answer(shelf: ImageShelf, root: Path, job: Job) -> None:
    """A disk that was swapped is noticed at the end."""
    answer = begun(shelf, job)
    root.rename(root.with_name("moved"))
    root.mkdir()

    with pytest.raises(FileError, match="was replaced"):
        answer.finish()

    assert [TEMP] == names(root.with_name("moved"))


# --- refusing disks ---


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_failed_fsync_is_not_repeated(shelf: ImageShelf, root: Path, job: Job, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The second call would report success for pages that are gone; the bytes are left for a person, and never adopted."""
    calls: list[int] = []

    def refuse(descriptor: int) -> None:
        calls.append(descriptor)
        raise OSError(number, os.strerror(number))

    answer = begun(shelf, job)
    monkeypatch.setattr(os, "fsync", refuse)

    with pytest.raises(FileError) as caught:
        answer.finish()
    with pytest.raises(FileError, match="already closed"):
        answer.finish()

    assert isinstance(caught.value.__cause__, OSError)
    assert number == caught.value.__cause__.errno
    assert 1 == len(calls)
    assert shelf.kept_answer(job) is None
    assert [TEMP] == names(root)


def test_answer_with_a_gap_never_looks_whole(shelf: ImageShelf, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """After one refused write nothing more is taken."""
    answer = begun(shelf, job)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
        with pytest.raises(FileError, match="Input/output error"):
            answer.write(b"x")

    with pytest.raises(FileError):
        answer.write(b"y")
    with pytest.raises(FileError):
        answer.finish()

    assert shelf.kept_answer(job) is None


def test_full_disk_names_need_and_room(small_disk: Path, job: Job, inspector: Inspector) -> None:
    """ENOSPC while writing is a FileError with both figures, and nothing is left after ``discard``."""
    shelf = ImageShelf(small_disk, lambda _: "a", sidecar=False, inspector=inspector)
    answer = shelf.answer(job)
    answer.begin(200, {})

    with pytest.raises(FileError, match=r"needs 400000 bytes, 0 free"):
        answer.write(b"x" * 400_000)

    assert shelf.kept_answer(job) is None
    answer.discard()
    assert [] == list(small_disk.iterdir())


def test_answer_that_is_too_large_is_refused(root: Path) -> None:
    """The cap counts the body alone, holds before the disk is full, and what was written does not look whole."""
    answer = answers.opened(Root(root), KEPT, max_bytes=10)
    answer.begin(200, {})
    answer.write(b"0123456789")

    with pytest.raises(BadImageError) as caught:
        answer.write(b"0")
    with pytest.raises(FileError):
        answer.finish()

    assert "too_big" == caught.value.reason
