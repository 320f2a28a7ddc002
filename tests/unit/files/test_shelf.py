"""Drafts, names, modes, links and crashes of the real shelf on a real disk."""

import errno
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from mmap import mmap
from pathlib import Path

import pytest

from batchgen.core.errors import BadImageError, FileError, PathTakenError
from batchgen.core.events import Image
from batchgen.core.jobs import Job
from batchgen.files.inspector import Inspector
from batchgen.files.shelf import ImageShelf
from tests.support.pictures import picture

Stage = Callable[..., Image]
PNG = picture("PNG")
OTHER = picture("PNG", seed=2)


def names(root: Path) -> list[str]:
    """List every file below the folder, hidden ones too."""
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir())


# --- drafts ---


def test_draft_is_a_private_file_beside_its_final_place(shelf: ImageShelf, root: Path, job: Job) -> None:
    """The temporary file is 0600 in folders of 0700 and names job, attempt and index."""
    draft = shelf.draft(job, 0)

    found = root / "lettering/.01234567-a7-0.part"
    assert found.stat().st_mode & 0o777 == 0o600
    assert (root / "lettering").stat().st_mode & 0o777 == 0o700
    assert root.stat().st_mode & 0o777 == 0o700
    draft.discard()


def test_leftover_of_a_crash_is_replaced(shelf: ImageShelf, root: Path, job: Job, stage: Stage) -> None:
    """A temporary file of the same attempt can only be a leftover."""
    shelf.draft(job, 0).write(b"half an image")

    image = stage(PNG)

    assert (root / image.temp).read_bytes() == PNG


def test_leftover_that_is_a_link_is_removed_and_not_followed(root: Path, tmp_path: Path, stage: Stage) -> None:
    """A link planted under the temporary name does not lead the bytes elsewhere."""
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (root / "lettering").mkdir(parents=True)
    (root / "lettering/.01234567-a7-0.part").symlink_to(victim)

    stage(PNG)

    assert victim.read_text() == "untouched"


def test_linked_component_below_the_root_is_refused(shelf: ImageShelf, root: Path, tmp_path: Path, job: Job) -> None:
    """A folder swapped for a symbolic link leads nowhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    root.mkdir()
    (root / "lettering").symlink_to(elsewhere)

    with pytest.raises(FileError, match="lettering") as caught:
        shelf.draft(job, 0)

    assert isinstance(caught.value.__cause__, NotADirectoryError)
    assert list(elsewhere.iterdir()) == []


def test_root_may_be_a_link_of_its_owner(tmp_path: Path, job: Job, inspector: Inspector) -> None:
    """Whoever names the output folder may keep it on another disk."""
    disk = tmp_path / "disk"
    disk.mkdir()
    (tmp_path / "out").symlink_to(disk)

    ImageShelf(tmp_path / "out", lambda _: "a", sidecar=False, inspector=inspector).draft(job, 0).discard()

    assert list(disk.iterdir()) == []


def test_root_replaced_in_mid_run_is_refused(shelf: ImageShelf, root: Path, job: Job) -> None:
    """Another folder under the same name means that the disk was unmounted or swapped."""
    shelf.draft(job, 0).discard()
    root.rename(root.with_name("moved"))
    root.mkdir()

    with pytest.raises(FileError, match="was replaced"):
        shelf.draft(job, 0)


def test_root_gone_in_mid_run_is_not_made_again(shelf: ImageShelf, root: Path, job: Job) -> None:
    """An unmounted disk must not be replaced by a folder on the disk beneath."""
    shelf.draft(job, 0).discard()
    root.rename(root.with_name("moved"))

    with pytest.raises(FileError):
        shelf.draft(job, 0)
    assert not root.exists()


@pytest.mark.parametrize("stem", ["../x", "/etc/x", "a/../../x", "a//x", "", "a/", "./x", "a\0b"])
def test_stem_that_could_leave_the_root_is_refused(root: Path, job: Job, stem: str, inspector: Inspector) -> None:
    """The shelf does not rely on the planner for confinement."""
    with pytest.raises(FileError, match="inside the output folder"):
        ImageShelf(root, lambda _: stem, sidecar=False, inspector=inspector).draft(job, 0)


def test_many_threads_may_make_the_same_folder(root: Path, job: Job, inspector: Inspector) -> None:
    """Losing the race for a new folder is not an error."""
    shelf = ImageShelf(root, lambda job: f"a/b/c/{job.attempt_id}", sidecar=False, inspector=inspector)
    jobs = [replace(job, attempt_id=number) for number in range(40)]

    with ThreadPoolExecutor(16) as pool:
        drafts = list(pool.map(lambda job: shelf.draft(job, 0), jobs))

    assert len(names(root)) == 40
    for draft in drafts:
        draft.discard()


def test_too_many_bytes_are_refused_as_they_come(root: Path, job: Job, inspector: Inspector) -> None:
    """The cap holds before the disk is full."""
    draft = ImageShelf(root, lambda _: "a", sidecar=False, inspector=inspector, max_bytes=10).draft(job, 0)
    draft.write(b"0123456789")

    with pytest.raises(BadImageError) as caught:
        draft.write(b"0")

    assert caught.value.reason == "too_big"
    draft.discard()


@pytest.mark.parametrize(("operation", "cap"), [("image", 64 * 1024**2), ("video", 2 * 1024**3)])
def test_without_a_cap_of_its_own_a_shelf_takes_so_many_bytes(shelf: ImageShelf, job: Job, operation: str, cap: int) -> None:
    """64 MiB for an image, 2 GiB for a video; what is larger is refused before a byte of it is written."""
    draft = shelf.draft(replace(job, operation=operation), 0)
    draft.write(bytes(2 * 1024**2))

    with closing(mmap(-1, cap - 2 * 1024**2 + 1)) as rest, pytest.raises(BadImageError, match=f"larger than the {cap} bytes"):
        draft.write(rest)

    draft.discard()


@pytest.mark.parametrize(
    ("received", "length", "reason"),
    [(b"", None, "empty"), (b"", 5, "empty"), (PNG, len(PNG) + 1, "truncated"), (b"<html>", None, "wrong_type")],
)
def test_bad_bytes_leave_nothing_behind(shelf: ImageShelf, root: Path, job: Job, received: bytes, length: int | None, reason: str) -> None:
    """A refused draft has removed its temporary file."""
    draft = shelf.draft(job, 0)
    draft.write(received)

    with pytest.raises(BadImageError) as caught:
        draft.finish(length=length)

    assert caught.value.reason == reason
    assert names(root) == []


def test_discard_may_come_twice_and_after_finish(shelf: ImageShelf, root: Path, job: Job) -> None:
    """Whoever is unsure may discard."""
    draft = shelf.draft(job, 0)
    draft.write(PNG)
    draft.finish(length=None)

    draft.discard()
    draft.discard()

    assert names(root) == []


def test_closed_draft_takes_no_more_bytes(shelf: ImageShelf, job: Job) -> None:
    """Writing after the end is an error and not another file's corruption."""
    draft = shelf.draft(job, 0)
    draft.discard()

    with pytest.raises(FileError, match="already closed"):
        draft.write(b"x")


# --- names ---


def test_extension_comes_from_the_bytes(stage: Stage) -> None:
    """The name says what the file is."""
    assert stage(picture("JPEG")).path == "lettering/logo.jpg"
    assert stage(picture("WEBP")).path == "lettering/logo.webp"


def test_dots_in_a_stem_are_not_an_extension(root: Path, job: Job, inspector: Inspector) -> None:
    """``v1.5`` stays whole."""
    draft = ImageShelf(root, lambda _: "v1.5", sidecar=False, inspector=inspector).draft(job, 0)
    draft.write(PNG)

    assert draft.finish(length=None).path == "v1.5.png"


def test_further_images_are_numbered(stage: Stage) -> None:
    """The second image of a task stands beside the first."""
    assert stage(PNG, index=1).path == "lettering/logo~2.png"


def test_taken_name_gets_the_attempt(root: Path, stage: Stage) -> None:
    """A file with other bytes is left alone and the image goes beside it."""
    (root / "lettering").mkdir(parents=True)
    (root / "lettering/logo.png").write_bytes(b"somebody else's")
    (root / "lettering/logo~a7.png").write_bytes(b"and another's")

    assert stage(PNG).path == "lettering/logo~a7.2.png"


@pytest.mark.parametrize("plant", [lambda at: at.symlink_to("/etc/passwd"), lambda at: at.mkdir(), os.mkfifo])
def test_name_taken_by_no_file_is_avoided(root: Path, stage: Stage, plant: Callable[[Path], None]) -> None:
    """Links, folders and pipes at the final name are neither followed nor waited for."""
    (root / "lettering").mkdir(parents=True)
    plant(root / "lettering/logo.png")

    assert stage(PNG).path == "lettering/logo~a7.png"


def test_name_with_the_same_bytes_is_taken_again(shelf: ImageShelf, root: Path, stage: Stage) -> None:
    """Fetching an image again does not multiply it."""
    shelf.publish(stage(PNG))

    shelf.publish(stage(PNG))

    assert names(root) == ["lettering/logo.png"]


def test_name_whose_sidecar_is_somebody_elses_is_avoided(root: Path, stage: Stage) -> None:
    """Image and sidecar find their place together."""
    (root / "lettering").mkdir(parents=True)
    (root / "lettering/logo.png.json").write_text('{"key": "another"}')

    assert stage(PNG).path == "lettering/logo~a7.png"


# --- preparing ---


def test_prepare_makes_the_folder_and_leaves_nothing_in_it(shelf: ImageShelf, root: Path) -> None:
    """Before the first order it is known that images can be kept."""
    shelf.prepare()

    assert [] == list(root.iterdir())


def test_prepare_refuses_a_folder_that_is_a_file(shelf: ImageShelf, root: Path) -> None:
    """Nothing is ordered for a folder that cannot take it."""
    root.write_text("a note")

    with pytest.raises(FileError):
        shelf.prepare()

    assert "a note" == root.read_text()


# --- publishing ---


def test_published_bytes_are_the_received_bytes(shelf: ImageShelf, root: Path, stage: Stage) -> None:
    """Nothing is rewritten: credentials inside the file stay valid."""
    image = stage(PNG)

    shelf.publish(image)

    assert names(root) == ["lettering/logo.png"]
    assert (root / image.path).read_bytes() == PNG
    assert (root / image.path).stat().st_nlink == 1


def test_publish_finishes_after_a_crash_between_link_and_unlink(shelf: ImageShelf, root: Path, stage: Stage) -> None:
    """Both names standing means that only the cleaning is left."""
    image = stage(PNG)
    os.link(root / image.temp, root / image.path)

    shelf.publish(image)

    assert names(root) == ["lettering/logo.png"]


def test_a_staged_file_is_synced_again_before_it_is_linked(
    shelf: ImageShelf, root: Path, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes may be those of a later draft that was cut down before its own fsync: the hash alone does not say that they last."""
    image = stage(PNG)
    synced: list[tuple[int, bool]] = []
    sync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_ino, (root / image.path).exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)

    assert shelf.publish(image)
    assert ((root / image.path).stat().st_ino, False) in synced


def test_a_staged_file_that_cannot_be_synced_is_fetched_again(
    shelf: ImageShelf, root: Path, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second fsync would report success for pages that are gone, so the file goes, and the next try finds nothing."""
    image = stage(PNG)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))

        with pytest.raises(FileError, match="Input/output error"):
            shelf.publish(image)

    assert not shelf.publish(image)
    assert [] == names(root)


def test_publish_never_clobbers(shelf: ImageShelf, root: Path, stage: Stage) -> None:
    """A file that appeared after the name was chosen is left alone."""
    image = stage(PNG)
    (root / image.path).write_bytes(b"precious")

    with pytest.raises(PathTakenError):
        shelf.publish(image)

    assert (root / image.path).read_bytes() == b"precious"


def test_publish_does_not_follow_a_link_at_the_final_name(shelf: ImageShelf, root: Path, tmp_path: Path, stage: Stage) -> None:
    """A link planted at the last moment is somebody else's file."""
    image = stage(PNG)
    (tmp_path / "victim").write_bytes(PNG)
    (root / image.path).symlink_to(tmp_path / "victim")

    with pytest.raises(PathTakenError):
        shelf.publish(image)


@pytest.mark.parametrize("content", [None, b"other bytes"])
def test_publish_refuses_a_temporary_file_that_is_not_the_image(shelf: ImageShelf, root: Path, stage: Stage, content: bytes | None) -> None:
    """A name proves nothing: without those bytes there is nothing to link."""
    image = stage(PNG)
    (root / image.temp).unlink()
    if content:
        (root / image.temp).write_bytes(content)

    assert not shelf.publish(image)
    assert not (root / image.path).exists()


def test_publish_without_its_folder_finds_nothing(shelf: ImageShelf, root: Path, stage: Stage) -> None:
    """A folder that vanished took the image with it."""
    image = stage(PNG)
    (root / image.temp).unlink()
    (root / "lettering").rmdir()

    assert not shelf.publish(image)


# --- sidecars ---


def test_sidecar_tells_what_was_ordered_and_what_came(shelf: ImageShelf, root: Path, job: Job, stage: Stage) -> None:
    """The file beside the image is enough to know it by."""
    image = stage(PNG)
    shelf.publish(image)

    shelf.describe(job, [image])

    text = (root / "lettering/logo.png.json").read_text("utf-8")
    found = json.loads(text)
    assert (root / "lettering/logo.png.json").stat().st_mode & 0o777 == 0o600
    assert text.endswith("}\n")
    assert "狐" in text
    assert list(found) == sorted(found)
    assert found["prompt"] == job.prompt
    assert {"ratio": "16:9"} == found["params"]
    assert (found["key"], found["task_id"]) == (job.key, "task_1")
    assert (found["sha256"], found["bytes"]) == (image.sha256, len(PNG))
    assert (found["width"], found["height"], found["media_type"]) == (40, 30, "image/png")


def test_describing_twice_writes_the_same(shelf: ImageShelf, root: Path, job: Job, stage: Stage) -> None:
    """The sidecar knows no clock, so a resumed run repeats it byte for byte."""
    image = stage(PNG)
    shelf.describe(job, [image])
    first = (root / "lettering/logo.png.json").read_bytes()

    shelf.describe(job, [image])

    assert first == (root / "lettering/logo.png.json").read_bytes()


@pytest.mark.parametrize("content", ["{}", "[]", "not JSON", '{"key": "x"}', "[" * 100_000])
def test_sidecar_of_somebody_else_is_left_alone(shelf: ImageShelf, root: Path, job: Job, stage: Stage, content: str) -> None:
    """Only the job's own description is overwritten."""
    image = stage(PNG)
    (root / "lettering/logo.png.json").write_text(content)

    with pytest.raises(PathTakenError):
        shelf.describe(job, [image])

    assert (root / "lettering/logo.png.json").read_text() == content


def test_link_at_the_sidecars_name_is_left_alone(shelf: ImageShelf, root: Path, job: Job, stage: Stage) -> None:
    """A planted link is neither read nor replaced."""
    image = stage(PNG)
    (root / "lettering/logo.png.json").symlink_to("/etc/passwd")

    with pytest.raises(PathTakenError):
        shelf.describe(job, [image])


def test_no_sidecar_is_written_where_none_is_wanted(root: Path, job: Job, stage: Stage, inspector: Inspector) -> None:
    """The batch decides."""
    ImageShelf(root, lambda _: "a", sidecar=False, inspector=inspector).describe(job, [stage(PNG)])

    assert names(root) == ["lettering/.01234567-a7-0.part"]


# --- room ---


def test_free_bytes_are_known_before_the_folder_exists(shelf: ImageShelf, tmp_path: Path) -> None:
    """A plan asks for room before the first image."""
    room = os.statvfs(tmp_path)

    assert shelf.free_bytes() == pytest.approx(room.f_bavail * room.f_frsize, rel=0.2)


def test_full_disk_names_need_and_room(small_disk: Path, job: Job, inspector: Inspector) -> None:
    """ENOSPC while writing is a FileError with both figures and the errno in its cause."""
    draft = ImageShelf(small_disk, lambda _: "a", sidecar=False, inspector=inspector).draft(job, 0)

    with pytest.raises(FileError, match=r"needs 400000 bytes, 0 free") as caught:
        draft.write(b"x" * 400_000)

    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC
    draft.discard()
    assert list(small_disk.iterdir()) == []


def test_room_that_comes_back_is_used(small_disk: Path, job: Job, inspector: Inspector) -> None:
    """After space was freed the same job is fetched and published."""
    shelf = ImageShelf(small_disk, lambda _: "a", sidecar=True, inspector=inspector)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 250_000)
    received = picture("PNG", size=(100, 100))
    draft = shelf.draft(job, 0)
    with pytest.raises(FileError):
        draft.write(received)
    draft.discard()
    ballast.unlink()

    draft = shelf.draft(job, 0)
    draft.write(received)
    image = draft.finish(length=len(received))
    shelf.publish(image)
    shelf.describe(job, [image])

    assert names(small_disk) == ["a.png", "a.png.json"]
