"""A client's error crosses the bus as the object that it is, on every path that begins at the bus."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType

import pytest
from tests.faulty import FaultyBackend, Outage
from tests.simulated import run

from partita import EventBus, PublishErrors, RestartLimitReached, Router


class Original(Exception):
    """A client's error that nobody of ours knows."""


class Refusing(FaultyBackend):
    """Administration fails as well."""

    async def create_topic(
        self,
        topic: str,
        *,
        partitions: int,
        replication: int,
        configs: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Fail."""
        self.check("admin")

    async def delete_topic(self, topic: str) -> None:
        """Fail."""
        self.check("admin")

    async def list_topics(self) -> Mapping[str, int]:
        """Fail when the script says so."""
        self.check("admin")
        return await super().list_topics()

    async def open(self) -> None:
        """Fail when the script says so."""
        self.check("open")


async def ignore(value: bytes) -> None:
    """Handle nothing."""


def test_what_opening_raises_leaves_the_bus_as_it_was_raised() -> None:
    """From `async with` itself."""
    original = Original()

    async def scenario() -> None:
        async with EventBus(Refusing({"open": original})):
            raise AssertionError("it is not open")

    with pytest.raises(Original) as raised:
        asyncio.run(scenario())

    assert raised.value is original


@pytest.mark.parametrize("path", ["create_topic", "delete_topic", "list_topics", "check", "run", "subscribe"])
def test_what_the_broker_is_asked_and_refuses_is_raised_as_it_was(path: str) -> None:
    """By administration, and by whatever asks it for the topics that there are."""
    original = Original()
    router = Router()
    router.handler("orders")(ignore)

    async def scenario() -> None:
        async with EventBus(Refusing({"admin": original})) as bus:
            match path:
                case "subscribe":
                    await bus.subscribe("orders", ignore, group="g")
                case "run" | "check":
                    await getattr(bus, path)(router, group="g")
                case "list_topics":
                    await bus.list_topics()
                case _:
                    await getattr(bus, path)("orders")

    with pytest.raises(Original) as raised:
        asyncio.run(scenario())

    assert raised.value is original


def test_what_a_publish_fails_with_is_raised_by_each_way_to_publish() -> None:
    """In the group of a batch and of a flush it is inside."""
    original = Original()

    async def scenario() -> None:
        async with EventBus(Refusing({"publish": original})) as bus:
            for publish in (bus.publish("orders", b"1"), bus.send("orders", b"1")):
                with pytest.raises(Original) as raised:
                    await publish
                assert raised.value is original
            with pytest.raises(PublishErrors) as some:
                await bus.publish_batch("orders", [b"1"])
            assert some.value.errors[0] is original
            bus.send("orders", b"1")
            await asyncio.sleep(0)
            with pytest.raises(PublishErrors) as left:
                await bus.flush()
            assert left.value.errors[0] is original

    asyncio.run(scenario())


@pytest.mark.parametrize("call", ["start", "poll"])
def test_what_ends_a_run_is_the_cause_of_what_the_run_raises(call: str) -> None:
    """After the restarts that it was given; the error of the last one, as the client raised it."""
    original = Original()
    router = Router()
    router.handler("orders")(ignore)

    async def scenario() -> RestartLimitReached:
        async with EventBus(Refusing({call: original})) as bus:
            with pytest.raises(RestartLimitReached) as raised:
                await bus.run(router, group="g")
            return raised.value

    limit, _ = run(scenario())

    assert limit.__cause__ is original


def test_whether_it_is_worth_trying_again_is_the_clients_to_say() -> None:
    """Each backend asks its own client's error; a group is worth it if each error in it is."""

    async def scenario() -> None:
        async with EventBus(Refusing()) as bus:
            assert bus.is_retriable(Outage()) is True
            assert bus.is_retriable(Original()) is False
            assert bus.is_retriable(PublishErrors("some", [Outage(), Outage()])) is True
            assert bus.is_retriable(PublishErrors("some", [Outage(), Original()])) is False

    asyncio.run(scenario())
