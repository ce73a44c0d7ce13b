"""A server that dies, freezes and comes back under publishers and members."""

import asyncio

import pytest
from nats import errors
from tests.backends.nats.members import bus, member, publish, topic_on, until
from tests.brokers import Server
from tests.faults.byte_proxy import ByteProxy

from partita.backends.nats import NatsBackend
from partita.core.errors import Closed
from partita.core.ports import Outgoing


def test_a_member_reads_on_after_the_server_was_killed_and_started_again(own_nats: Server) -> None:
    """With a pull open at the time of the kill: the next message comes soon, and none is lost."""

    async def scenario() -> None:
        async with bus(own_nats.address) as backend:
            await backend.create_topic("t", partitions=1, replication=1)
            async with member(backend, "t") as reader:
                await publish(backend, "t", [b"before"] * 20)
                await reader.read(20)
                await reader.commit()

                own_nats.kill()
                own_nats.start()
                await publish(backend, "t", [b"after"] * 20)
                await until(lambda: reader.values.count(b"after") == 20, reader)

                # The server writes acks down a little later: a killed one may deliver some again.
                assert set(reader.values[:20]) == {b"before"}
                assert reader.values[-20:] == [b"after"] * 20

    asyncio.run(scenario())


def test_messages_sent_while_the_server_is_away_are_stored_once_and_in_order(own_nats: Server) -> None:
    """Each keeps its id through all attempts."""

    async def scenario() -> None:
        async with bus(own_nats.address) as backend:
            await backend.create_topic("t", partitions=1, replication=1)
            values: list[bytes | None] = [b"%d" % number for number in range(3000)]
            for value in values[:1500]:
                backend.publisher.send("t", Outgoing(value))
            own_nats.kill()
            for value in values[1500:]:
                backend.publisher.send("t", Outgoing(value))
            own_nats.start()
            await backend.publisher.flush()

            async with member(backend, "t") as reader:
                await reader.read(3000)

                assert reader.values == values

    asyncio.run(scenario())


def test_a_publisher_over_a_network_that_breaks_stores_every_message_once(
    nats: str, proxy: ByteProxy
) -> None:
    """Acknowledgements that were lost are asked for again, in the order of the messages."""

    async def scenario() -> None:
        async with (
            bus(nats) as near,
            topic_on(near) as topic,
            bus(proxy.address) as far,
        ):
            values: list[bytes | None] = [b"%d" % number for number in range(4000)]
            results = []
            for at, value in enumerate(values):
                results.append(far.publisher.send(topic, Outgoing(value)))
                if at % 1000 == 500:
                    await results[at - 400]
                    proxy.reset()

            receipts = await asyncio.gather(*results)

            assert [receipt.offset for receipt in receipts] == list(range(1, 4001))
            async with member(near, topic) as reader:
                await reader.read(4000)
                assert reader.values == values

    asyncio.run(scenario())


def test_a_client_that_was_closed_for_good_is_told_by_poll_and_replaced_under_the_publisher(
    nats: str,
    proxy: ByteProxy,
) -> None:
    """Refused credentials end the client; the membership is rebuilt by its owner, the rest by itself."""

    async def scenario() -> None:
        async with (
            bus(nats) as near,
            topic_on(near) as topic,
            bus(proxy.address) as far,
            member(far, topic) as reader,
        ):
            proxy.inject(b"-ERR 'Authorization Violation'\r\n")

            with pytest.raises(errors.AuthorizationError) as raised:
                await until(lambda: False, reader)
            receipt = await far.publisher.publish(topic, Outgoing(b"x"))
            await far.ping()

            assert receipt.offset == 1
            assert not far.is_retriable(raised.value)

    asyncio.run(scenario())


def test_a_cancelled_wait_does_not_take_the_message_back(nats: str) -> None:
    """It is stored all the same."""

    async def scenario() -> None:
        async with bus(nats) as backend, topic_on(backend) as topic, member(backend, topic) as reader:
            waiting = asyncio.ensure_future(backend.publisher.publish(topic, Outgoing(b"kept")))
            await asyncio.sleep(0)
            waiting.cancel()

            await reader.read(1)

            assert reader.values == [b"kept"]

    asyncio.run(scenario())


def test_a_frozen_server_fails_the_ping_and_answers_it_again_when_it_goes_on(own_nats: Server) -> None:
    """The health check rests on this."""

    async def scenario() -> None:
        async with bus(own_nats.address) as backend:
            await backend.create_topic("t", partitions=1, replication=1)
            async with member(backend, "t") as reader:
                own_nats.freeze()
                with pytest.raises(errors.TimeoutError) as raised:
                    await ping_until_it_fails(backend)
                own_nats.thaw()

                await backend.ping()
                await publish(backend, "t", [b"x"])
                await reader.read(1)

                assert backend.is_retriable(raised.value)

    asyncio.run(scenario())


async def ping_until_it_fails(backend: NatsBackend) -> None:
    """A process stops a moment after the signal."""
    while True:
        await backend.ping()


def test_closing_ends_although_the_server_is_frozen(own_nats: Server) -> None:
    """Leaving takes a bounded time and raises nothing."""

    async def scenario() -> None:
        async with bus(own_nats.address) as backend:
            await backend.create_topic("t", partitions=1, replication=1)
            async with member(backend, "t") as reader:
                await publish(backend, "t", [b"x"])
                await reader.read(1)
                own_nats.freeze()

                async with asyncio.timeout(12):
                    await reader.subscription.close()

                with pytest.raises(Closed):
                    await reader.poll()
                own_nats.thaw()

    asyncio.run(scenario())
