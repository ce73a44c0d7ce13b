"""A small disk of a test's own, which can be full: memory, mounted where only its holder sees it."""

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import RawIOBase
from pathlib import Path
from tempfile import TemporaryDirectory

MEBIBYTE = 1_048_576
# A namespace needs no rights beforehand; `cat` holds it for as long as its input is open.
HOLDER = 'mount -t tmpfs -o size="$1" tmpfs "$0" && echo mounted && exec cat'


class NotPermitted(Exception):
    """This system lets nobody mount a disk of their own; the text says what it said."""


class SmallDisk:
    """
    A disk with little room. Whoever may see this process' children uses it by its path.

    Args:
        folder: an empty folder to mount it on.
        size: its size in bytes.

    Raises:
        NotPermitted: the kernel grants no mount in a namespace of one's own.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self._holder = subprocess.Popen(
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", HOLDER, str(folder), str(size)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"mounted\n":
            _, said = self._holder.communicate()
            raise NotPermitted(said.decode().strip() or "unshare said nothing")
        # The way into the holder's view of the file system, for it alone has the mount.
        self.path = Path(f"/proc/{self._holder.pid}/root{folder}")
        self._ballast = self.path / "ballast"

    def fill(self) -> None:
        """Leave no byte free."""
        with self._ballast.open("ab", buffering=0) as file:
            for piece in (MEBIBYTE, 4096, 1):
                while _takes(file, bytes(piece)):
                    pass

    def free(self) -> None:
        """Give back what `fill` took."""
        self._ballast.unlink()

    def close(self) -> None:
        """Unmount it; what is on it is gone."""
        self._holder.communicate()


def _takes(file: RawIOBase, piece: bytes) -> bool:
    """Write a piece; False when there is no room for all of it."""
    try:
        return file.write(piece) == len(piece)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False


@contextmanager
def small_disk(size: int) -> Iterator[SmallDisk]:
    """A disk of *size* bytes for the time of a block. Raises NotPermitted."""
    with TemporaryDirectory() as folder:
        disk = SmallDisk(Path(folder), size)
        try:
            yield disk
        finally:
            disk.close()
