"""A small disk is full when it is told to be, and only then."""

import errno

import pytest
from tests.faults.disks import MEBIBYTE, NotPermitted, SmallDisk, small_disk


def what_happens() -> list[object]:
    """Write to a disk that has room, is full, and has room again; or why there is no such disk."""
    try:
        with small_disk(4 * MEBIBYTE) as disk:
            seen = [write(disk)]
            disk.fill()
            seen.append(write(disk))
            disk.free()
            return [*seen, write(disk), disk.path.exists()]
    except NotPermitted as refusal:
        return [bool(str(refusal))]


def write(disk: SmallDisk) -> int | None:
    """Bytes that could be written, or the number of the system's error."""
    file = disk.path / "file"
    try:
        file.write_bytes(b"x" * 100_000)
        return file.stat().st_size
    except OSError as error:
        return error.errno
    finally:
        file.unlink()


def test_a_small_disk_is_full_after_fill_and_has_room_after_free() -> None:
    """Or the system permits no such disk, and says so; tests that need one then end with its words."""
    seen = what_happens()

    assert seen in ([100_000, errno.ENOSPC, 100_000, True], [True])


def test_a_disk_that_cannot_be_mounted_is_refused_with_the_systems_words() -> None:
    """Nobody takes a plain folder for a small disk."""
    with pytest.raises(NotPermitted, match="mount"), small_disk(-1):
        pass
