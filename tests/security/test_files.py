"""Rows 8, 9, 15 and 16 of the table of threats: which files are read, and what stands where a file is written."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from batchgen.core.dialects import ImageFacts
from batchgen.core.errors import FileError, PathTakenError
from batchgen.core.events import Image
from batchgen.files.inspector import Inspector
from batchgen.files.shelf import ImageShelf
from batchgen.planning.references import MAX_BYTES
from tests.support.builders import job
from tests.support.cli import CommandLine, Vendor, open_host, study
from tests.support.manifests import Desk
from tests.support.pictures import picture

PNG = b"\x89PNG\r\n\x1a\n"


def measure(content: bytes) -> ImageFacts:
    """Find a picture in any bytes: what is refused here is refused by its place."""
    return ImageFacts(media_type="image/png", bytes=len(content), width=4, height=3, has_alpha=False)


@pytest.mark.parametrize("path", ["/etc/passwd", "~/.ssh/id_rsa", "/proc/self/environ", "../x.png", "../../etc/passwd"])
def test_row_08_a_reference_outside_the_manifests_folder_is_refused(desk: Desk, path: str) -> None:
    """Also one that could be read and decoded."""
    (desk.folder.parent / "x.png").write_bytes(picture())

    problems = desk.problems(f"prompts: [a]\nreferences: {{r: {{path: {path}}}}}\n", measure=measure)

    assert ["E207"] == [problem.code for problem in problems]


def test_row_08_a_file_that_is_no_image_is_never_uploaded(cli: CommandLine) -> None:
    """A private key in the folder of the manifest has a picture's name and beginning: it does not decode, and nothing is sent."""
    (cli.folder / "id_rsa.png").write_bytes(PNG + b"-----BEGIN OPENSSH PRIVATE KEY-----")

    with open_host(lambda _: (200, {}, b"{}")) as host:
        cli.write(study(host.url, ["a gate"], references={"r": {"path": "id_rsa.png"}}, defaults={"model": "gpt-image-2", "images": "r"}))
        ended = cli("run", "study.yaml", "-y")

    assert 2 == ended.code
    assert "error[E207]" in ended.err
    assert [] == host.seen


@pytest.mark.parametrize("root", ["/", "/etc"])
def test_row_08_a_root_of_the_whole_disk_still_gives_images_only(desk: Desk, root: str) -> None:
    """``references_root`` is the manifest's own word; what lies there must be an image all the same."""
    problems = desk.problems(f"prompts: [a]\nreferences_root: {root}\nreferences: {{r: {{path: /etc/passwd}}}}\n")

    assert {"E207"} == {problem.code for problem in problems}


def test_row_09_links_pipes_and_devices_are_no_references(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing is read that a symbolic link leads to, nothing waits for a pipe, and no device is read to its end."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "x.png").write_bytes(picture())
    (desk.folder / "shadow.png").symlink_to("/etc/shadow")
    (desk.folder / "link.png").symlink_to(outside / "x.png")
    (desk.folder / "folder").symlink_to(outside)
    (desk.folder / "zero.png").symlink_to("/dev/zero")
    os.mkfifo(desk.folder / "fifo.png")
    desk.put("big.png", PNG + b"\0" * MAX_BYTES)
    desk.put("text.png", b"no image")
    paths = ["shadow.png", "link.png", "folder/x.png", "zero.png", "/dev/zero", "fifo.png", "big.png", "text.png", ".", "none.png"]
    references = "".join(f"  r{number}: {{path: {path}}}\n" for number, path in enumerate(paths))

    problems = desk.problems(f"prompts: [a]\nreferences_root: /\nreferences:\n{references}", measure=measure)

    assert ["E207"] * len(paths) == [problem.code for problem in problems]
    assert "is not a regular file" in problems[5].message


@pytest.mark.parametrize("content", [PNG, b"\xff\xd8\xff\xe0", b"RIFF\0\0\0\0WEBPVP8 "])
def test_row_09_a_regular_image_below_the_manifest_is_accepted(desk: Desk, content: bytes) -> None:
    """PNG, JPEG or WebP, also when the path takes a turn on its way."""
    desk.put("refs/a.img", content)

    plan = desk.plan("references: {a: {path: refs/../refs/a.img}}\nprompts: [a]\n")

    assert Path(plan.settings.references["a"].path or "").name == "a.img"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Name an output folder."""
    return tmp_path / "out"


def staged(root: Path, inspector: Inspector) -> tuple[ImageShelf, Image]:
    """Take a picture as far as the moment before it gets its final name ``x.png``."""
    shelf = ImageShelf(root, lambda _: "x", sidecar=False, inspector=inspector)
    draft = shelf.draft(job(attempt_id=1), 0)
    draft.write(picture())
    return shelf, draft.finish(length=len(picture()))


@pytest.mark.parametrize("plant", ["link", "hard link"])
def test_row_15_a_link_at_the_final_name_is_neither_followed_nor_clobbered(
    root: Path, tmp_path: Path, plant: str, inspector: Inspector
) -> None:
    """``out/x.png → ~/.bashrc``, soft or hard, planted after the name was chosen: the file behind it stays, the image goes beside it."""
    bashrc = tmp_path / ".bashrc"
    bashrc.write_text("alias ls=ls")
    shelf, image = staged(root, inspector)
    (root / "x.png").symlink_to(bashrc) if plant == "link" else os.link(bashrc, root / "x.png")

    with pytest.raises(PathTakenError):
        shelf.publish(image)
    again, beside = staged(root, inspector)

    assert again.publish(beside)
    assert "x.png" == image.path != beside.path
    assert "alias ls=ls" == bashrc.read_text()
    assert picture() == (root / beside.path).read_bytes()


def test_row_15_a_folder_that_becomes_a_link_leads_nowhere(root: Path, tmp_path: Path, inspector: Inspector) -> None:
    """Below the root no link is entered, and a root that was replaced is noticed."""
    (tmp_path / "elsewhere").mkdir()
    root.mkdir()
    (root / "sub").symlink_to(tmp_path / "elsewhere")
    deep = ImageShelf(root, lambda _: "sub/x", sidecar=False, inspector=inspector)
    with pytest.raises(FileError):
        deep.draft(job(attempt_id=1), 0)
    shelf, image = staged(root, inspector)
    root.rename(tmp_path / "moved")
    root.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(FileError, match="was replaced"):
        shelf.publish(image)

    assert [] == list((tmp_path / "elsewhere").iterdir())


def test_row_15_a_temporary_file_made_beforehand_is_not_written_into(root: Path, tmp_path: Path, inspector: Inspector) -> None:
    """The name of the temporary file is foreseeable: what somebody put there is removed, never opened."""
    (tmp_path / ".bashrc").write_text("alias ls=ls")
    _, image = staged(root, inspector)
    (root / image.temp).unlink()
    (root / image.temp).symlink_to(tmp_path / ".bashrc")

    shelf, again = staged(root, inspector)

    assert shelf.publish(again)
    assert "alias ls=ls" == (tmp_path / ".bashrc").read_text()


@contextmanager
def no_mask() -> Iterator[None]:
    """Let new files have the widest permissions that their maker asks for."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize(("mode", "warns"), [(0o1777, True), (0o770, True), (0o755, False)])
def test_row_16_a_database_in_a_folder_of_others_is_warned_of(cli: CommandLine, vendor: Vendor, mode: int, *, warns: bool) -> None:
    """Whoever may write into its folder could put another database in its place; what we write ourselves is the owner's alone."""
    shared = cli.folder / "shared"
    shared.mkdir()
    shared.chmod(mode)
    if mode == 0o770:
        _give_to_another_group(shared)
    cli.write(study(vendor.url, ["a gate, shared"], output={"dir": "shared/out", "sidecar": "json"}))

    with no_mask():
        run = cli("--db", "shared/jobs.db", "run", "study.yaml", "-y", "--record", "shared/records")

    made = {path: stat.S_IMODE(path.stat().st_mode) for path in shared.rglob("*")}
    assert 0 == run.code, run.err
    assert warns == (f"others may write into the folder of the job database (mode {mode:04o})" in run.err)
    assert 1 >= run.err.count("others may write")
    assert {0o700} == {mode for path, mode in made.items() if path.is_dir()}
    assert {0o600} == {mode for path, mode in made.items() if path.is_file()}


def _give_to_another_group(folder: Path) -> None:
    try:
        os.chown(folder, -1, 65534)
    except PermissionError:
        pytest.skip("giving a folder to another group needs root")


def test_row_16_temporary_files_stand_beside_their_target(root: Path, inspector: Inspector) -> None:
    """Nothing is put into /tmp, where others could wait for it."""
    _, image = staged(root, inspector)

    assert image.temp.startswith(".")
    assert [image.temp] == [path.name for path in root.iterdir()]
    assert 0o600 == stat.S_IMODE((root / image.temp).stat().st_mode)
