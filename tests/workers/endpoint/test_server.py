"""The server as a hostile client sees it, over raw sockets: bounded, answered clearly, and unmoved."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable

import pytest

from partita_worker.endpoint.answers import Answer
from partita_worker.endpoint.connections import Deadlines
from partita_worker.endpoint.requests import Request
from partita_worker.endpoint.server import MOST_CONNECTIONS, Place, Server
from partita_worker.failures import SettingRefused

QUICK = Deadlines(ask=0.2, take=0.2, linger=0.2)
LARGE = "x" * 20_000_000
PLAIN = b"GET /livez HTTP/1.1\r\n\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def respond(request: Request) -> Answer:
    """A page of each kind."""
    if request.path == "/broken":
        raise ZeroDivisionError("a bug")
    return Answer(200, LARGE if request.path == "/large" else "ok\n")


def serving(scenario: Callable[[Server], Awaitable[None]], deadlines: Deadlines = QUICK) -> Server:
    """Run a scenario against a server, which then answers as ever, and has no connection left at its end."""

    async def main() -> Server:
        async with Server(Place(0), respond, deadlines) as server:
            await scenario(server)
            assert (await ask(server, PLAIN)).startswith(b"HTTP/1.1 200 OK")
        assert not server.open
        return server

    return asyncio.run(asyncio.wait_for(main(), 30))


async def connect(server: Server) -> Streams:
    """A connection to the server."""
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    return await asyncio.open_connection(host, int(port), limit=2**20)


async def everything(reader: asyncio.StreamReader) -> bytes:
    """What comes until the end, however the connection ends."""
    told = bytearray()
    try:
        while piece := await reader.read(2**16):
            told += piece
    except ConnectionError:
        pass
    return bytes(told)


async def ask(server: Server, *pieces: bytes) -> bytes:
    """What is answered to these bytes."""
    reader, writer = await connect(server)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await everything(reader)
    finally:
        writer.transport.abort()


def test_one_connection_has_one_answer() -> None:
    """Pipelined requests are read and dropped, and the answer arrives whole."""

    async def scenario(server: Server) -> None:
        told = await ask(server, PLAIN * 1_000)
        assert told.startswith(b"HTTP/1.1 200 OK\r\n")
        assert told.endswith(b"\r\n\r\nok\n")
        assert told.count(b"HTTP/1.1") == 1
        assert b"Connection: close" in told

    serving(scenario)


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([b"GET /" + b"x" * 2**20 + b" HTTP/1.1\r\n\r\n"], b"414"),
        ([b"GET /livez HTTP/1.1\r\na: " + b"x" * 2**20 + b"\r\n\r\n"], b"431"),
        ([b"POST /livez HTTP/1.1\r\nContent-Length: 1048576\r\n\r\n", b"x" * 2**20], b"405"),
        ([b"GET /livez HTTP/1.1\r\nContent-Length: 1048576\r\n\r\n", b"x" * 2**20], b"413"),
        ([b"\x00" * 2**20], b"414"),
    ],
)
def test_a_request_of_a_megabyte_is_refused_and_hears_it(pieces: list[bytes], status: bytes) -> None:
    """The rest of it is read, so that the answer is not lost with a reset connection."""

    async def scenario(server: Server) -> None:
        assert (await ask(server, *pieces)).split()[1] == status

    serving(scenario)


def test_a_slow_sender_is_told_that_it_is_too_slow() -> None:
    """A byte now and then does not keep a connection."""

    async def scenario(server: Server) -> None:
        reader, writer = await connect(server)
        answer = asyncio.ensure_future(everything(reader))
        for byte in PLAIN[:-1]:
            writer.write(bytes([byte]))
            await asyncio.wait([answer], timeout=0.02)
        assert (await answer).split()[1] == b"408"
        writer.transport.abort()

    serving(scenario)


def test_a_slow_reader_is_left_alone_and_holds_nobody_up() -> None:
    """An answer that is not taken within the deadline is taken back, with its memory."""

    async def scenario(server: Server) -> None:
        reader, writer = await connect(server)
        writer.write(b"GET /large HTTP/1.1\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        assert (await ask(server, PLAIN)).endswith(b"ok\n")
        while server.open:
            await asyncio.sleep(0.01)
        assert len(await everything(reader)) < len(LARGE)
        writer.transport.abort()

    serving(scenario)


def test_a_client_that_only_holds_connections_keeps_nobody_out() -> None:
    """A thousand are open and say nothing: the oldest go, with a word, and a probe is answered at once."""

    async def scenario(server: Server) -> None:
        held = [await connect(server) for _ in range(1_000)]
        assert (await ask(server, PLAIN)).endswith(b"ok\n")
        assert len(server.open) <= MOST_CONNECTIONS
        assert server.refused >= 1_000 - MOST_CONNECTIONS
        assert (await everything(held[0][0])).split()[1] == b"503"
        for _, writer in held:
            writer.transport.abort()

    serving(scenario, Deadlines())


def test_a_thousand_requests_at_once_are_answered_or_turned_away() -> None:
    """Each hears something or is closed; none hangs."""

    async def scenario(server: Server) -> None:
        answers = await asyncio.gather(*[ask(server, PLAIN) for _ in range(1_000)], return_exceptions=True)
        codes = [each.split()[1] if isinstance(each, bytes) and each else b"closed" for each in answers]
        assert set(codes) <= {b"200", b"503", b"closed"}
        assert codes.count(b"200") >= MOST_CONNECTIONS

    serving(scenario)


@pytest.mark.parametrize("sent", [b"", b"GET /li", PLAIN, b"GET /large HTTP/1.1\r\n\r\n"])
def test_a_client_that_breaks_off_is_forgotten(sent: bytes) -> None:
    """At any point, with a reset."""

    async def scenario(server: Server) -> None:
        for _ in range(20):
            _, writer = await connect(server)
            writer.write(sent)
            await writer.drain()
            sock: socket.socket = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            writer.transport.abort()
        while server.open:
            await asyncio.sleep(0.01)

    serving(scenario)


def test_a_page_that_fails_costs_its_own_request(caplog: pytest.LogCaptureFixture) -> None:
    """500 for it, the error in the log, and the next one is answered."""
    caplog.set_level(logging.ERROR)

    async def scenario(server: Server) -> None:
        assert (await ask(server, b"GET /broken HTTP/1.1\r\n\r\n")).split()[1] == b"500"

    serving(scenario)

    assert "ZeroDivisionError: a bug" in caplog.text


def test_the_end_of_the_server_ends_its_connections() -> None:
    """Whatever they are in the middle of."""

    async def scenario() -> list[bytes]:
        async with Server(Place(0), respond) as server:
            idle, half = await connect(server), await connect(server)
            half[1].write(b"GET /livez")
            await ask(server, PLAIN)
        answers = [await everything(reader) for reader, _ in (idle, half)]
        for _, writer in (idle, half):
            writer.transport.abort()
        return answers

    assert asyncio.run(scenario()) == [b"", b""]


def refused_at(place: Place) -> str:
    """What is said of a place that cannot be listened at."""

    async def scenario() -> None:
        async with Server(place, respond):
            """Nobody comes here."""

    with pytest.raises(SettingRefused) as caught:
        asyncio.run(scenario())
    return str(caught.value)


def test_a_port_in_use_is_refused_by_number() -> None:
    """With what to do about it."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        told = refused_at(Place(port))

    assert f"127.0.0.1, port {port} (--health-port): another program listens there" in told


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
def test_an_address_of_another_machine_is_refused_by_name(host: str) -> None:
    """A machine listens at its own addresses only."""
    told = refused_at(Place(0, host))

    assert host in told


def test_a_name_that_means_nothing_is_refused() -> None:
    """In the words of the system."""
    assert "no-such-name.invalid" in refused_at(Place(0, "no-such-name.invalid"))


def test_the_url_says_where_it_is() -> None:
    """Also of an IPv6 address; on loopback unless something else was asked for."""

    async def scenario(host: str) -> str:
        async with Server(Place(0, host), respond) as server:
            return server.url

    assert asyncio.run(scenario(Place(0).host)).startswith("http://127.0.0.1:")
    assert asyncio.run(scenario("0.0.0.0")).startswith("http://0.0.0.0:")
