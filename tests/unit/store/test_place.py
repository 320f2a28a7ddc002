"""Where a database may stand."""

from pathlib import Path

import pytest

from batchgen.core.errors import StoreError
from batchgen.store import place

MOUNT = "36 35 98:0 / {point} rw,noatime shared:1 - {kind} server:/export rw\n"


def mounts(folder: Path, *entries: tuple[str, str]) -> Path:
    """Write a list of mounts as the kernel would show it."""
    listing = folder / "mountinfo"
    listing.write_text("".join(MOUNT.format(point=point, kind=kind) for point, kind in entries))
    return listing


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "9p", "fuse.sshfs", "fuse.rclone"])
def test_network_file_systems_are_refused(tmp_path: Path, kind: str) -> None:
    """Where locks cannot be trusted, no database is opened."""
    listing = mounts(tmp_path, ("/", "ext4"), (str(tmp_path.resolve()), kind))

    with pytest.raises(StoreError, match=kind):
        place.check(tmp_path / "jobs.db", mounts=listing)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "fuse.fuse-overlayfs"])
def test_local_file_systems_are_fine(tmp_path: Path, kind: str) -> None:
    """A local disk is accepted, even under a network root."""
    listing = mounts(tmp_path, ("/", "nfs"), (str(tmp_path.resolve()), kind))

    place.check(tmp_path / "jobs.db", mounts=listing)

    assert kind == place.file_system(tmp_path, mounts=listing)


def test_the_deepest_mount_counts(tmp_path: Path) -> None:
    """A mount point with a space in its name is found, and the last mount over a folder is the one that shows."""
    folder = tmp_path / "my disk"
    folder.mkdir()
    escaped = str(folder.resolve()).replace(" ", "\\040")
    listing = mounts(tmp_path, ("/", "ext4"), (escaped, "nfs"), (escaped, "xfs"))

    assert "xfs" == place.file_system(folder, mounts=listing)


def test_a_system_that_does_not_say_is_trusted(tmp_path: Path) -> None:
    """Without a list of mounts nothing is refused."""
    assert "" == place.file_system(tmp_path, mounts=tmp_path / "absent")


def test_a_folder_cannot_be_a_database(tmp_path: Path) -> None:
    """Only an ordinary file can be one."""
    with pytest.raises(StoreError, match="ordinary file"):
        place.check(tmp_path)


def test_a_file_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    """The operating system's reason is passed on."""
    with pytest.raises(StoreError, match="cannot be created"):
        place.create(tmp_path / ("x" * 300))
