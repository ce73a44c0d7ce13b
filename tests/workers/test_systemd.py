"""What systemd is told, at a socket of the test's own."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from partita import Part, Standing
from partita_worker.systemd import Notifier

GOOD = Part(healthy=True)
READY = Standing(GOOD, GOOD, GOOD)
JOINING = Standing(GOOD, Part(healthy=False, reason="joins\nits group"), GOOD)
DEAD = Standing(Part(healthy=False, reason="gave up"), GOOD, GOOD)


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket where datagrams arrive."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "notify"))
        made.setblocking(False)
        yield made


def taken(inbox: socket.socket) -> list[list[str]]:
    """The lines of each datagram that has come."""
    found: list[list[str]] = []
    while True:
        try:
            found.append(inbox.recv(4096).decode().split("\n"))
        except BlockingIOError:
            return found


def told(inbox: socket.socket, standings: list[Standing], **environ: str) -> list[list[str]]:
    """What is told of each standing in turn."""
    variables = {"NOTIFY_SOCKET": inbox.getsockname(), **environ}
    notifier = Notifier(variables)
    assert variables == {}

    async def scenario() -> None:
        for standing in standings:
            task = asyncio.ensure_future(notifier.run(lambda now=standing: now))  # type: ignore[misc]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()

    asyncio.run(scenario())
    notifier.stopping()
    return taken(inbox)


def test_ready_is_told_once_and_the_status_when_it_changes(inbox: socket.socket) -> None:
    """A status is one line, whatever its reason holds; the end is told too."""
    assert told(inbox, [JOINING, JOINING, READY, JOINING, READY]) == [
        ["STATUS=joins its group"],
        ["READY=1", "STATUS=ready"],
        ["STATUS=joins its group"],
        ["STATUS=ready"],
        ["STOPPING=1", "STATUS=finishing what is in hand"],
    ]


def test_the_watchdog_is_fed_only_while_the_worker_is_alive(inbox: socket.socket) -> None:
    """A worker whose supervisor gave up is to be restarted by systemd."""
    lines = told(inbox, [READY, READY, DEAD], WATCHDOG_USEC="2000000", WATCHDOG_PID=str(os.getpid()))

    assert [("WATCHDOG=1" in each) for each in lines[:-1]] == [True, True]


def test_a_watchdog_of_another_process_is_not_fed(inbox: socket.socket) -> None:
    """The variable says whose it is."""
    lines = told(inbox, [READY], WATCHDOG_USEC="2000000", WATCHDOG_PID="1")

    assert not any("WATCHDOG=1" in each for each in lines)


def test_without_systemd_nothing_is_sent() -> None:
    """And nothing runs."""
    notifier, asked = Notifier({}), list[Standing]()

    asyncio.run(notifier.run(lambda: asked.append(READY) or READY))  # type: ignore[func-returns-value]
    notifier.stopping()

    assert asked == []


def test_a_socket_that_is_gone_harms_nothing(tmp_path: Path) -> None:
    """systemd is being restarted."""
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})

    notifier.stopping()

    assert not (tmp_path / "gone").exists()
