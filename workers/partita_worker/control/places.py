"""Where the sockets of a user's workers are, and that nobody else can have put them there."""

import os
import stat
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

SUFFIX = ".sock"
# Of a socket's path, in bytes; Linux takes 107, other systems less.
LONGEST = 100


def folder_of(environ: Mapping[str, str]) -> Path:
    """This user's folder for sockets: in that of the session, or in that for temporary files."""
    given = environ.get("XDG_RUNTIME_DIR", "")
    return Path(given) / "partita" if given else Path(tempfile.gettempdir()) / f"partita-{os.getuid()}"


def make_private(folder: Path) -> None:
    """
    Make a folder that this user alone can enter.

    Raises:
        PermissionError: it is another user's, others may enter it, or it is a link.
        OSError: it cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not this user's alone")


def socket_of(folder: Path, pid: int, number: int | None) -> Path:
    """The socket of a worker, or of one process of a host: both are named after the one that was started."""
    return folder / (f"{pid}{SUFFIX}" if number is None else f"{pid}-{number}{SUFFIX}")


def numbered(path: Path, number: int | None) -> Path:
    """The socket of one process of a host that was told *path*."""
    return path if number is None else path.with_name(f"{path.name}-{number}")


def sockets_at(path: Path) -> Sequence[Path]:
    """The sockets of a worker that was told *path*: its own, or those of a host's processes."""
    if path.exists():
        return [path]
    return sorted(path.parent.glob(f"{path.name}-*"))


def workers_in(folder: Path) -> Mapping[int, Sequence[Path]]:
    """The sockets in a folder by the process that was started; some may be of workers that are gone."""
    found: dict[int, list[Path]] = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        pid = path.stem.partition("-")[0]
        if pid.isdigit():
            found.setdefault(int(pid), []).append(path)
    return found
