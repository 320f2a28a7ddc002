"""Bundles are put together whole, and looked into with distrust."""

import os
import stat
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest

from batchgen.core.errors import FileError, InputError
from batchgen.files.bundles.packing import new_bundle
from batchgen.files.bundles.unpacking import Entry, opened, take_out
from batchgen.files.folders import Root

BOTH = pytest.mark.parametrize("target", ["bundle", "bundle.zip"])
CONTENT = b"a picture" * 1000


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """Give a folder with a picture, and a link to it."""
    folder = tmp_path / "out" / "main"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(CONTENT)
    (folder / "link.png").symlink_to("a.png")
    (tmp_path / "out" / "linked").symlink_to("main")
    return Root(tmp_path / "out")


@pytest.fixture
def archive(tmp_path: Path) -> Callable[..., Path]:
    """Give a function that makes a stranger's archive: entries by name, each with its content and its peculiarities."""

    def make(**entries: object) -> Path:
        path = tmp_path / "stranger.zip"
        with ZipFile(path, "w") as made:
            made.writestr("good", b"good")
            for entry, kind in entries["entries"]:  # type: ignore[attr-defined] # pairs
                made.writestr(entry, CONTENT, compress_type=kind)
        return path

    return make


def entries_of(path: Path) -> list[Entry]:
    """Look at everything in a bundle."""
    with opened(path) as bundle:
        return list(bundle.entries())


@BOTH
def test_a_bundle_holds_what_was_put_into_it(tmp_path: Path, root: Root, target: str) -> None:
    """Folder and archive alike: staged files, copies, and the list of hashes at the end."""
    with new_bundle(tmp_path / target) as packing:
        (packing.staging / "note").write_bytes(b"made for it")
        packing.add_staged()
        copied = packing.add("images/main/a.png", root, "main/a.png")
        seal = packing.seal()

    hashes = {"note": sha256(b"made for it").hexdigest(), "images/main/a.png": sha256(CONTENT).hexdigest()}
    listed = "".join(f"{digest}  {name}\n" for name, digest in hashes.items()).encode()
    found = {entry.name: entry.content for entry in entries_of(tmp_path / target)}
    assert {"note", "images/main/a.png", "SHA256SUMS"} == found.keys()
    assert (hashes["images/main/a.png"], len(CONTENT)) == found["images/main/a.png"] == copied
    assert seal == sha256(listed).hexdigest() == found["SHA256SUMS"].sha256
    assert (2, len(CONTENT) + 11) == (packing.files, packing.bytes)
    assert [target, "out"] == sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize("path", ["main/b.png", "other/a.png", "main/link.png", "linked/a.png"])
def test_what_is_no_file_is_not_added(tmp_path: Path, root: Root, path: str) -> None:
    """Links are not followed, in the name or on the way to it."""
    with new_bundle(tmp_path / "bundle") as packing:
        added = packing.add("images/a.png", root, path)
        packing.seal()

    assert added is None
    assert b"" == (tmp_path / "bundle" / "SHA256SUMS").read_bytes()


@BOTH
def test_half_a_bundle_is_none(tmp_path: Path, root: Root, target: str) -> None:
    """An error in the middle leaves nothing."""

    def put_together() -> None:
        with new_bundle(tmp_path / target) as packing:
            packing.add("images/a.png", root, "main/a.png")
            packing.add("images/b.png", root, "../b.png")

    with pytest.raises(FileError, match="not a path inside"):
        put_together()

    assert [tmp_path / "out"] == list(tmp_path.iterdir())


def test_an_archive_is_stored_and_the_same_each_time(tmp_path: Path, root: Root) -> None:
    """Pictures are not compressed; no time gets into the archive; a part may be larger than 4 GiB."""
    for name in ("a.zip", "b.zip"):
        with new_bundle(tmp_path / name) as packing:
            packing.add("images/a.png", root, "main/a.png")
            packing.seal()

    with ZipFile(tmp_path / "a.zip") as made:
        first = made.infolist()[0]
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert (zipfile.ZIP_STORED, len(CONTENT), 45) == (first.compress_type, first.file_size, first.extract_version)


def linked(name: str) -> ZipInfo:
    """Name an entry that would become a link."""
    entry = ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    ("entry", "kind", "trouble"),
    [
        ("../up", 0, "is no name inside the bundle"),
        ("a/../../up", 0, "is no name inside the bundle"),
        ("/etc/passwd", 0, "is no name inside the bundle"),
        ("folder/", 0, "is no name inside the bundle"),
        (linked("link"), 0, "is a link or a device, no file"),
        ("bomb", ZIP_DEFLATED, "is compressed or locked, which nothing in a bundle is"),
    ],
    ids=str,
)
def test_a_strangers_entry_is_told_and_not_read(archive: Callable[..., Path], entry: str | ZipInfo, kind: int, trouble: str) -> None:
    """Neither its hash is taken nor its content; what else is in the archive is read."""
    path = archive(entries=[(entry, kind)])
    name = entry if isinstance(entry, str) else entry.filename

    found = {told.name: told for told in entries_of(path)}

    assert Entry(name, None, trouble) == found[name]
    assert found["good"].content is not None
    with opened(path) as bundle:
        assert bundle.open(name) is None
        assert not take_out(bundle, name, path.with_name("taken"))
    assert [path] == list(path.parent.iterdir())


def test_two_files_of_one_name_are_told(archive: Callable[..., Path]) -> None:
    """One reader would take the first, another the last."""
    with pytest.warns(UserWarning, match="Duplicate"):
        path = archive(entries=[("good", 0)])

    assert ["", "stands there twice"] == [told.trouble for told in entries_of(path)]


def test_parts_that_overlap_are_not_read(archive: Callable[..., Path]) -> None:
    """A small archive whose parts share their bytes could be read for days."""
    path = archive(entries=[("a", 0), ("b", 0)])
    content = path.read_bytes()
    at = content.rindex(b"PK\1\2", 0, content.rindex(b"PK\1\2"))
    grown = content[: at + 20] + (10**9).to_bytes(4, "little") * 2 + content[at + 28 :]
    path.write_bytes(grown)

    assert {"shares its bytes with other files"} == {told.trouble for told in entries_of(path)}


def test_a_changed_byte_in_an_archive_is_told(tmp_path: Path, root: Root) -> None:
    """The archive's own sum does not fit; nothing is raised, whether it is hashed or taken out."""
    path = tmp_path / "bundle.zip"
    with new_bundle(path) as packing:
        packing.add("a", root, "main/a.png")
        packing.seal()
    content = path.read_bytes()
    at = content.index(CONTENT)
    path.write_bytes(content[:at] + b"X" + content[at + 1 :])

    told = {entry.name: entry.trouble for entry in entries_of(path)}

    assert {"a": "is damaged", "SHA256SUMS": ""} == told
    with opened(path) as bundle:
        assert not take_out(bundle, "a", tmp_path / "taken")


def test_a_link_in_a_folder_is_told_and_not_followed(root: Root) -> None:
    """Wherever it leads; a folder that is a link is one entry."""
    told = {entry.name: entry.trouble for entry in entries_of(root.path)}

    assert {"main/a.png": "", "main/link.png": "is a link or a device, no file", "linked": "is a link or a device, no file"} == told
    with opened(root.path) as bundle:
        assert bundle.open("main/link.png") is None


@pytest.mark.parametrize("content", [b"", b"PK\5\6", b"no archive", b"PK\3\4" + bytes(100)], ids=ascii)
def test_what_is_no_bundle_is_refused(tmp_path: Path, content: bytes) -> None:
    """One sentence, whatever it is."""
    path = tmp_path / "x.zip"
    path.write_bytes(content)

    with pytest.raises(InputError, match="is no bundle"), opened(path):
        pytest.fail("opened")


def test_a_pipe_is_no_bundle(tmp_path: Path) -> None:
    """Nobody waits for what will never come."""
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(InputError, match="there is no bundle"), opened(tmp_path / "pipe"):
        pytest.fail("opened")


@BOTH
def test_a_disk_that_takes_no_copy_is_told(tmp_path: Path, root: Root, target: str) -> None:
    """It is no fault of the bundle."""
    with new_bundle(tmp_path / target) as packing:
        packing.add("a", root, "main/a.png")
        packing.seal()

    with opened(tmp_path / target) as bundle, pytest.raises(FileError, match="cannot be looked into: No such file"):
        take_out(bundle, "a", tmp_path / "nowhere" / "a")


def test_an_archive_cut_or_changed_anywhere_raises_nothing_of_its_own(tmp_path: Path, root: Root) -> None:
    """Every byte of its directory changed, every length: it is refused, or its entries say what is wrong."""
    path = tmp_path / "bundle.zip"
    with new_bundle(path) as packing:
        packing.add("a/b", root, "main/a.png")
        packing.seal()
    content = path.read_bytes()
    directory = content.index(b"PK\1\2")
    damaged = [content[:cut] for cut in range(directory, len(content))]
    damaged += [content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :] for at in [*range(40), *range(directory, len(content))]]

    for bad in damaged:
        path.write_bytes(bad)
        try:
            with opened(path) as bundle:
                list(bundle.entries())
                bundle.open("a/b")
        except InputError:
            continue
