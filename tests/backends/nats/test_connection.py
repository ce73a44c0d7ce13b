"""Opening a connection: what is refused, how soon, and what is never sent."""

import asyncio

import pytest
from nats import errors
from tests.backends.nats.fake_server import faking
from tests.backends.nats.members import bus

from partita.backends.nats import open_backend
from partita.core.errors import SettingsError
from partita_worker.devbroker.ports import free_port


def test_a_broker_that_is_not_there_is_told_with_the_clients_error() -> None:
    """Opening ends although the client reconnects for ever once it was connected."""

    async def scenario() -> None:
        backend = open_backend(f"nats://127.0.0.1:{free_port()}", {})

        with pytest.raises(errors.NoServersError) as raised:
            await backend.open()

        assert backend.is_unreachable(raised.value)
        assert backend.is_retriable(raised.value)

    asyncio.run(scenario())


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"INFO not json\r\n"])
def test_a_port_that_speaks_something_else_is_told_as_a_broker_that_is_not_there(greeting: bytes) -> None:
    """The client's error for it has no class of its own."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()
        writer.close()

    async def scenario() -> None:
        listener = await asyncio.start_server(greet, "127.0.0.1", 0)
        backend = open_backend(f"nats://127.0.0.1:{listener.sockets[0].getsockname()[1]}", {})

        with pytest.raises(errors.Error) as raised:
            await backend.open()

        assert backend.is_unreachable(raised.value)
        listener.close()

    asyncio.run(scenario())


def test_the_name_of_the_connection_may_be_given_in_the_address() -> None:
    """It is an option of the client like any other, and wins over ours."""

    async def scenario() -> None:
        async with faking() as server:
            with pytest.raises(SettingsError, match="-js"):
                await open_backend(f"nats://{server.address}", {"name": "mine"}).open()

            assert b'"name": "mine"' in server.received or b'"name":"mine"' in server.received

    asyncio.run(scenario())


def test_a_server_without_tls_is_sent_no_password_when_tls_was_asked_for() -> None:
    """The client by itself would send CONNECT with the password in clear text."""

    async def scenario() -> None:
        async with faking() as server:
            backend = open_backend(f"tls://me:secret@{server.address}", {})

            with pytest.raises(errors.SecureConnWantedError):
                await backend.open()

            assert b"secret" not in server.received
            assert b"CONNECT" not in server.received

    asyncio.run(scenario())


def test_an_old_server_is_refused_by_its_version() -> None:
    """What is needed first came with 2.14."""

    async def scenario() -> None:
        async with faking(version="2.12.8") as server:
            with pytest.raises(SettingsError, match=r"2\.12.*2\.14"):
                await open_backend(f"nats://{server.address}", {}).open()

    asyncio.run(scenario())


def test_a_server_without_jetstream_is_refused_with_what_to_do() -> None:
    """No topic could be kept there."""

    async def scenario() -> None:
        async with faking() as server:
            with pytest.raises(SettingsError, match="-js"):
                await open_backend(f"nats://{server.address}", {}).open()

    asyncio.run(scenario())


def test_a_topic_that_exists_is_not_made_twice_and_is_listed_with_its_partitions(nats: str) -> None:
    """The server would say yes to the very same configuration."""

    async def scenario() -> None:
        async with bus(nats) as backend:
            await backend.create_topic("made.once", partitions=3, replication=1)

            with pytest.raises(errors.Error):
                await backend.create_topic("made.once", partitions=3, replication=1)

            assert (await backend.list_topics())["made.once"] == 3
            await backend.delete_topic("made.once")
            assert "made.once" not in await backend.list_topics()

    asyncio.run(scenario())


@pytest.mark.parametrize(("topic", "partitions"), [("a..b", 1), (".a", 1), ("a b", 1), ("a", 0), ("a>", 1)])
def test_a_topic_that_nats_cannot_have_is_refused_before_asking(
    nats: str, topic: str, partitions: int
) -> None:
    """The error is ours and says what can be used."""

    async def scenario() -> None:
        async with bus(nats) as backend:
            with pytest.raises(SettingsError):
                await backend.create_topic(topic, partitions=partitions, replication=1)

    asyncio.run(scenario())
