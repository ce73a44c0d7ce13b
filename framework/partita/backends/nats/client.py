"""
One connection to NATS: the client with its traps closed.

All private names of nats-py that we touch are in this module, and `_probe` looks for them when a
connection opens. The client's own callbacks never see an exception of ours: one that escaped would end
its read loop or its reconnecting (nats-py 2.16.0; nats-io/nats.py pull request 914).
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping

from nats import errors
from nats.aio.client import Client, Srv
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from partita.backends.nats.answers import Answer, answer
from partita.backends.nats.callbacks import Callback, both, users_of
from partita.backends.nats.settings import NatsSetup
from partita.core.errors import SettingsError

REQUEST_SECONDS = 4.0
CLOSE_SECONDS = 3.0
OLDEST_SERVER = (2, 14)
_log = logging.getLogger("partita.nats")

Event = Callable[[], None]


class _Client(Client):
    """
    The client, with two of its ways changed.

    nats-py 2.16.0 sends CONNECT with the password in clear text when a server does not offer the TLS that
    was asked for (nats-io/nats.py pull request 912 mends that in another package only).
    """

    encrypted = False

    def _connect_command(self) -> bytes:
        if self.encrypted and not (
            self.options["tls_handshake_first"] or self._server_info.get("tls_required")
        ):
            raise errors.SecureConnWantedError
        return super()._connect_command()

    async def _connect_to_server(self, s: Srv) -> None:
        # nats-py 2.16.0 forgets the socket of an attempt that failed after it was connected.
        self._close_socket()
        await super()._connect_to_server(s)

    def drop_pending(self) -> None:
        """
        Forget what was not sent.

        What waits in the client's buffer would be sent after a reconnect and before what was lost on the
        wire is sent again: messages of one partition would change their order. Everything that we send is
        repeated by us where it matters.
        """
        self._pending.clear()
        self._pending_data_size = 0

    def abort(self) -> None:
        """Close the socket without waiting for the server to read what is left."""
        if (writer := self._writer) is not None:
            writer.transport.abort()

    def _close_socket(self) -> None:
        if (writer := self._writer) is not None:
            writer.close()

    @property
    def _writer(self) -> asyncio.StreamWriter | None:
        writer = getattr(self._transport, "_io_writer", None)
        return writer if isinstance(writer, asyncio.StreamWriter) else None


def _probe(client: _Client) -> None:
    """Refuse a client whose private names are not those that we know."""
    known = isinstance(client._pending, list) and isinstance(client._pending_data_size, int)
    known = known and isinstance(client._server_info, dict) and hasattr(client._transport, "_io_writer")
    if not known:
        raise SettingsError("this release of nats-py is not known to partita; install one that it asks for")


class Connection:
    """
    A connection that reconnects for ever, until it is closed.

    Args:
        settings: where to and how.
        name: what the server shows for it.

    Attributes:
        on_disconnect: called when the connection is cut.
        on_reconnect: called when it is back; what was on its way is gone.
        on_closed: called when the client has given up for good, for example because the server refuses
            its credentials.
        on_fault: called with what a message callback of ours raised.
    """

    def __init__(self, settings: NatsSetup, name: str) -> None:
        self.on_disconnect: list[Event] = []
        self.on_reconnect: list[Event] = []
        self.on_closed: list[Event] = []
        self.on_fault: Callable[[Exception], None] = _log_fault
        self._settings = settings
        self._name = name
        self._client = _Client()
        self._last_error: Exception | None = None
        self._closing = self._opened = False

    @property
    def client(self) -> Client:
        """The client's own; another one after it has given up."""
        return self._client

    @property
    def connected(self) -> bool:
        """Whether requests can be sent now."""
        return self._client.is_connected

    @property
    def closed(self) -> bool:
        """Whether the client has given up, or was closed."""
        return self._client.is_closed

    @property
    def max_payload(self) -> int:
        """The largest message that the server takes, headers included, in bytes."""
        return self._client.max_payload

    @property
    def error(self) -> Exception:
        """Why the client is closed."""
        return self._client.last_error or self._last_error or errors.ConnectionClosedError()

    def new_inbox(self) -> str:
        """A subject of our own, without a trailing dot."""
        return self._client.new_inbox()

    async def open(self) -> None:
        """
        Connect, and make sure that the server can do what is needed.

        Raises:
            nats.errors.Error: no server answered, or it refused the credentials.
            SettingsError: the server is older than 2.14 or has no JetStream.
        """
        self._client, self._opened = _Client(), True
        # Until it is connected there is nobody to tell anything but our caller.
        self._closing = True
        await self._connect()
        self._closing = False
        try:
            self._check_server()
            await self.ping()
        except errors.NoRespondersError:
            await self.close()
            raise SettingsError(
                f"the server at {self._settings.address} has no JetStream; start it with -js"
            ) from None
        except Exception:
            await self.close()
            raise

    async def _connect(self) -> None:
        self._client.encrypted = self._settings.encrypted
        given, theirs = users_of(self._settings.options)
        wanted = given["max_reconnect_attempts"]
        # With -1 the first connect would never come back while no server answers (nats-py 2.16.0).
        options = {"name": self._name, **given, "max_reconnect_attempts": 1}
        self._last_error = None
        connect: Callable[..., Awaitable[None]] = self._client.connect
        try:
            await connect(
                list(self._settings.servers),
                **both(self._callbacks(), theirs),
                **options,
            )
        except errors.NoServersError as error:
            await self._shut()
            # The client hides a refused password behind "no servers"; it was told to `error_cb`.
            if isinstance(self._last_error, errors.Error):
                raise self._last_error from None
            raise error from self._last_error
        self._client.options["max_reconnect_attempts"] = wanted
        _probe(self._client)

    def _callbacks(self) -> Mapping[str, Callback]:
        lost = [self._client.drop_pending, *self.on_disconnect]
        return {
            "error_cb": self._noted,
            "disconnected_cb": self._guarded(logging.WARNING, "disconnected from", lost),
            "reconnected_cb": self._guarded(logging.WARNING, "connected again to", self.on_reconnect),
            "closed_cb": self._guarded(logging.ERROR, "gave up its connection to", self.on_closed),
        }

    def _check_server(self) -> None:
        version = self._client.connected_server_version
        if (version.major, version.minor) < OLDEST_SERVER:
            oldest = ".".join(map(str, OLDEST_SERVER))
            raise SettingsError(
                f"the NATS server at {self._settings.address} is {version.major}.{version.minor}; "
                f"partita needs {oldest} or newer, which can reset a consumer"
            )

    def _guarded(self, level: int, said: str, events: Iterable[Event]) -> Callable[[], Awaitable[None]]:
        async def call() -> None:
            if self._closing:
                return
            _log.log(level, "%s: %s %s", self._name, said, self._settings.address)
            for event in events:
                try:
                    event()
                # A barrier: the client's task would end with it (see the top of this module).
                except Exception as error:  # noqa: BLE001
                    self.on_fault(error)

        return call

    async def _noted(self, error: Exception) -> None:
        # A refusal says more than the reset that may follow it.
        if isinstance(error, errors.Error) or not isinstance(self._last_error, errors.Error):
            self._last_error = error
        _log.debug("%s: %s", self._name, type(error).__name__)

    async def subscribe(self, subject: str, deliver: Callable[[Msg], None]) -> Subscription:
        """Call *deliver* with each message; the client drops none, however many wait."""

        async def call(message: Msg) -> None:
            try:
                deliver(message)
            # A barrier: the client would only log it, and the message would be gone unnoticed.
            except Exception as error:  # noqa: BLE001
                self.on_fault(error)

        return await self._client.subscribe(subject, cb=call, pending_msgs_limit=0, pending_bytes_limit=0)

    async def publish(
        self, subject: str, payload: bytes, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Send without an answer. Raises the client's own error."""
        await self._client.publish(subject, payload, reply, headers)

    async def request(self, subject: str, payload: bytes = b"", timeout: float = REQUEST_SECONDS) -> Msg:
        """
        Send and wait for the answer, *timeout* seconds.

        Raises:
            nats.errors.TimeoutError: none came.
            nats.errors.NoRespondersError: nobody listens there.
        """
        return await self._client.request(subject, payload, timeout)

    async def ask(
        self, call: str, body: Mapping[str, object] | None = None, timeout: float = REQUEST_SECONDS
    ) -> Answer:
        """
        A request to JetStream's API, for example `STREAM.INFO.orders`.

        Raises:
            nats.js.errors.APIError: the server's answer is an error.
            nats.errors.Error: no answer came.
        """
        payload = json.dumps(body).encode() if body else b""
        return answer((await self.request(f"{self._settings.api}.{call}", payload, timeout)).data)

    async def tell(self, call: str, body: Mapping[str, object], reply: str) -> None:
        """A request to JetStream's API whose answers go to *reply*. Raises the client's own error."""
        await self.publish(f"{self._settings.api}.{call}", json.dumps(body).encode(), reply)

    async def ping(self) -> None:
        """Ask for the account's state, which the server must answer. Raises the client's own error."""
        await self.ask("INFO")

    async def close(self) -> None:
        """Close within a bounded time; a server that no longer reads cannot hold it up."""
        self._closing = True
        # The client fails when it is closed and was never opened (nats-py 2.16.0).
        if self._opened:
            await self._shut()

    async def _shut(self) -> None:
        closing = asyncio.ensure_future(self._client.close())
        # Not cancelled at the deadline: it is half done and ends by itself once the socket is gone.
        done, _ = await asyncio.wait({closing}, timeout=CLOSE_SECONDS)
        if not done:
            self._client.abort()
            await asyncio.wait({closing}, timeout=CLOSE_SECONDS)
        if closing.done() and (error := closing.exception()) is not None:
            _log.warning("%s did not close well: %s", self._name, type(error).__name__)


def _log_fault(error: Exception) -> None:
    _log.error("a callback failed: %s", type(error).__name__, exc_info=error)
