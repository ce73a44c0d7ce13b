"""The control socket: its owner's alone, bounded, and told from one that a worker left behind."""

import asyncio
import json
import os
import socket
import stat
from pathlib import Path

import pytest

from partita_worker.control.client import answers, ask, find
from partita_worker.control.places import folder_of, make_private, numbered, socket_of, sockets_at, workers_in
from partita_worker.control.server import MOST_BYTES, MOST_CONNECTIONS, Answer, Control, Request, controlled
from partita_worker.failures import NoWorker, SettingRefused


def echo(request: Request) -> Answer:
    """What was asked; some of it cannot be."""
    if request.get("do") == "fail":
        raise LookupError("not here")
    return {"asked": dict(request)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A path for a socket."""
    return tmp_path / "s.sock"


async def exchange(path: Path, sent: bytes) -> bytes:
    """Send bytes, and read until the end."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(sent)
    got = await reader.read()
    writer.close()
    return got


def test_a_request_is_answered_and_the_socket_is_its_owners_alone(path: Path) -> None:
    """Nobody else may open it, and it is gone after its worker."""

    async def scenario() -> tuple[object, object, int]:
        async with controlled(path, Control(echo)):
            mode = stat.S_IMODE(path.stat().st_mode)
            good = await asyncio.to_thread(ask, path, {"do": "x"})
            bad = await asyncio.to_thread(ask, path, {"do": "fail"})
            return good, bad, mode

    good, bad, mode = asyncio.run(scenario())

    assert good == {"asked": {"do": "x"}}
    assert bad == {"error": "not here"}
    assert mode == 0o600
    assert not path.exists()


@pytest.mark.parametrize(
    ("sent", "told"),
    [(b"[]\n", "a request is a JSON object"), (b"{\n", "Expecting property name"), (b"\xff\n", "utf-8")],
)
def test_what_is_no_request_is_told_so(path: Path, sent: bytes, told: str) -> None:
    """In one line, and the worker goes on."""

    async def scenario() -> bytes:
        async with controlled(path, Control(echo)):
            return await exchange(path, sent)

    assert told in json.loads(asyncio.run(scenario()))["error"]


def test_a_line_without_an_end_is_cut_off(path: Path) -> None:
    """Memory is bounded whatever is sent."""

    async def scenario() -> tuple[bytes, object]:
        async with controlled(path, Control(echo)):
            got = await exchange(path, b"x" * (2 * MOST_BYTES))
            return got, await asyncio.to_thread(ask, path, {"do": "x"})

    got, after = asyncio.run(scenario())

    assert got == b""
    assert after == {"asked": {"do": "x"}}


def test_only_so_many_connections_are_served_at_once(path: Path) -> None:
    """The next one is told so, and those before it are not harmed."""

    async def scenario() -> tuple[bytes, bytes]:
        async with controlled(path, Control(echo)):
            held = [await asyncio.open_unix_connection(str(path)) for _ in range(MOST_CONNECTIONS)]
            refused = await exchange(path, b'{"do": "x"}\n')
            reader, writer = held[0]
            writer.write(b'{"do": "y"}\n')
            served = await reader.read()
            for _, each in held:
                each.close()
            return refused, served

    refused, served = asyncio.run(scenario())

    assert json.loads(refused) == {"error": "too many connections at once"}
    assert json.loads(served) == {"asked": {"do": "y"}}


def test_a_socket_that_was_left_behind_is_replaced_and_a_living_one_is_not(path: Path) -> None:
    """A worker that was killed must not keep the next from starting."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(path))

    async def scenario() -> bool:
        async with controlled(path, Control(echo)):
            with pytest.raises(SettingRefused, match="another worker answers at"):
                async with controlled(path, Control(echo)):
                    pass
            return await asyncio.to_thread(answers, path)

    assert asyncio.run(scenario())


@pytest.mark.parametrize("name", ["x" * 200, "no/such/folder.sock"])
def test_a_path_that_cannot_be_a_socket_is_refused_by_its_flag(tmp_path: Path, name: str) -> None:
    """With what is wrong with it."""

    async def scenario() -> None:
        async with controlled(tmp_path / name, Control(echo)):
            pass

    with pytest.raises(SettingRefused, match="control"):
        asyncio.run(scenario())


def test_the_folder_is_private_or_refused(tmp_path: Path) -> None:
    """One that others may enter, or that is a link, could hold somebody else's socket."""
    made, loose, link = tmp_path / "made", tmp_path / "loose", tmp_path / "link"
    loose.mkdir()
    loose.chmod(0o755)
    link.symlink_to(made)

    make_private(made)

    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    for each in (loose, link):
        with pytest.raises(PermissionError):
            make_private(each)


def test_the_folder_is_that_of_the_session_or_the_users_own() -> None:
    """By user, as temporary files are shared."""
    assert folder_of({"XDG_RUNTIME_DIR": "/run/user/7"}) == Path("/run/user/7/partita")
    assert folder_of({}).name == f"partita-{os.getuid()}"


def test_processes_of_a_host_are_found_under_its_number(tmp_path: Path) -> None:
    """By the process that was started, or by the path that it was given."""
    for path in (socket_of(tmp_path, 7, 0), socket_of(tmp_path, 7, 1), socket_of(tmp_path, 9, None)):
        path.touch()
    (tmp_path / "else.sock").touch()
    given = tmp_path / "given"
    for number in (0, 1):
        numbered(given, number).touch()

    assert {pid: len(paths) for pid, paths in workers_in(tmp_path).items()} == {7: 2, 9: 1}
    assert len(sockets_at(given)) == 2
    assert numbered(given, None) == given


def test_a_worker_that_is_gone_is_told_so(tmp_path: Path) -> None:
    """Whether its socket is there or not."""
    left = tmp_path / "partita" / "123.sock"
    left.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        made.bind(str(left))

    with pytest.raises(NoWorker, match="no worker of this user runs here"):
        find(None, {"XDG_RUNTIME_DIR": str(tmp_path)})
    with pytest.raises(NoWorker, match="does not answer"):
        ask(left, {})
    with pytest.raises(NoWorker, match="no worker is at"):
        find(str(tmp_path / "nowhere"), {})
