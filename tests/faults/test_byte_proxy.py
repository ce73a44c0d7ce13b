"""The byte proxy does what its verbs say, seen from plain sockets on both sides."""

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest
from tests.faults.byte_proxy import ByteProxy, byte_proxy
from tests.faults.listening import Listener, reset

# Received segments that carried data: `tcpi_data_segs_in` of Linux' struct tcp_info.
DATA_SEGMENTS_AT = 152
SILENCE = 0.05
PATIENCE = 10.0


class Echo:
    """A server that sends back what it gets, and knows how its connections ended."""

    def __init__(self) -> None:
        self.ends: list[str] = []
        self.ended = threading.Event()
        self.listener = Listener(self.serve)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
            self.ends.append("end")
        except ConnectionResetError:
            self.ends.append("reset")
        self.ended.set()
        reset(writer)


@pytest.fixture
def echo() -> Iterator[Echo]:
    """A server."""
    server = Echo()
    yield server
    server.listener.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[ByteProxy]:
    """A proxy before it."""
    with byte_proxy(echo.listener.address) as made:
        yield made


@contextlib.contextmanager
def client(proxy: ByteProxy) -> Iterator[socket.socket]:
    """A blocking connection: the proxy works while the test's thread waits."""
    host, port = proxy.address.split(":")
    with socket.create_connection((host, int(port)), PATIENCE) as connection:
        yield connection


def receive(connection: socket.socket, size: int) -> bytes:
    """Exactly so many bytes, or what came before the end."""
    data = b""
    while len(data) < size and (more := connection.recv(size - len(data))):
        data += more
    return data


def is_silent(connection: socket.socket) -> bool:
    """Whether neither a byte nor an end comes for a moment."""
    connection.settimeout(SILENCE)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(PATIENCE)
    return False


def test_bytes_pass_unchanged_in_both_directions(proxy: ByteProxy) -> None:
    """A megabyte comes back as it was sent."""
    sent = bytes(range(256)) * 4096

    with client(proxy) as connection:
        threading.Thread(target=connection.sendall, args=(sent,)).start()

        assert receive(connection, len(sent)) == sent


def test_bytes_are_late_by_the_latency_and_in_order_whatever_the_jitter(proxy: ByteProxy) -> None:
    """Nothing is there at once, and many pieces that each take their own time arrive in order."""
    with client(proxy) as connection:
        proxy.slow(0.2)
        connection.sendall(b"x")
        silent = is_silent(connection)
        late = receive(connection, 1)
        proxy.slow(0.01, jitter=0.01)
        pieces = [b"%03d" % n for n in range(100)]
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.0005)

        assert (silent, late) == (True, b"x")
        assert receive(connection, 300) == b"".join(pieces)


def test_a_throttled_connection_lets_its_rate_pass_and_no_more(proxy: ByteProxy) -> None:
    """At twenty bytes a second five do not come together, and all of them come."""
    proxy.throttle(20)

    with client(proxy) as connection:
        connection.sendall(b"12345")
        first = connection.recv(5)

        assert len(first) < 5
        assert first + receive(connection, 5 - len(first)) == b"12345"


def test_sliced_bytes_travel_in_small_pieces(proxy: ByteProxy) -> None:
    """A thousand bytes in slices of ten come in many segments, and whole."""
    proxy.slice(10)

    with client(proxy) as connection:
        connection.sendall(b"0123456789" * 100)
        received = receive(connection, 1000)
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)

    assert received == b"0123456789" * 100
    assert struct.unpack_from("I", info, DATA_SEGMENTS_AT)[0] >= 10


def test_a_reset_breaks_both_sides_and_new_connections_are_served(proxy: ByteProxy, echo: Echo) -> None:
    """The client's next read and the server's say that the connection was reset."""
    with client(proxy) as connection:
        connection.sendall(b"x")
        receive(connection, 1)
        proxy.reset()

        with pytest.raises(ConnectionResetError):
            connection.recv(1)
        assert echo.ended.wait(PATIENCE)
        assert echo.ends == ["reset"]
    with client(proxy) as connection:
        connection.sendall(b"y")
        assert receive(connection, 1) == b"y"


def test_injected_bytes_come_between_those_of_the_server(proxy: ByteProxy) -> None:
    """To every client that is connected."""
    with client(proxy) as connection:
        connection.sendall(b"1")
        first = receive(connection, 1)
        proxy.inject(b"not yours")
        second = receive(connection, 9)
        connection.sendall(b"2")

        assert (first, second, receive(connection, 1)) == (b"1", b"not yours", b"2")


def test_a_black_hole_accepts_and_never_answers_until_it_passes_on(proxy: ByteProxy) -> None:
    """Old and new connections stay open and silent; then everything arrives."""
    with client(proxy) as old:
        old.sendall(b"1")
        receive(old, 1)
        proxy.black_hole()
        with client(proxy) as new:
            old.sendall(b"2")
            new.sendall(b"3")

            assert is_silent(old)
            assert is_silent(new)
            proxy.pass_on()
            assert (receive(old, 1), receive(new, 1)) == (b"2", b"3")


def test_a_half_open_connection_is_gone_for_the_server_and_silent_for_the_client(
    proxy: ByteProxy, echo: Echo
) -> None:
    """What the client sends is taken and never answered; a new connection is served."""
    with client(proxy) as old:
        old.sendall(b"1")
        receive(old, 1)
        proxy.half_open()

        assert echo.ended.wait(PATIENCE)
        old.sendall(b"2")
        assert is_silent(old)
        with client(proxy) as new:
            new.sendall(b"3")
            assert receive(new, 1) == b"3"


def test_down_refuses_and_up_serves_on_the_same_port(proxy: ByteProxy) -> None:
    """Open connections break as well."""
    with client(proxy) as connection:
        connection.sendall(b"1")
        receive(connection, 1)
        proxy.down()

        with pytest.raises(ConnectionResetError):
            connection.recv(1)
        with pytest.raises(ConnectionRefusedError), client(proxy):
            pass
    proxy.up()
    with client(proxy) as connection:
        connection.sendall(b"2")
        assert receive(connection, 1) == b"2"


def test_a_closed_proxy_leaves_no_thread_and_no_connection(echo: Echo) -> None:
    """Also one with connections that are open, silent or half open."""
    before = threading.active_count()
    host, port = echo.listener.address.split(":")

    with byte_proxy(f"{host}:{port}") as proxy, client(proxy) as one, client(proxy) as other:
        for connection in (one, other):
            connection.sendall(b"x")
            receive(connection, 1)
        proxy.half_open()
        proxy.black_hole()

    assert threading.active_count() == before
