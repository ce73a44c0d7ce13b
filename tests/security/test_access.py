"""What a user is not allowed to do, for each kind of resource, on a real broker."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

import attrs
import pytest
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from tests.faults.access import (
    CLUSTER,
    DESCRIBE,
    GROUP,
    MAKE,
    READ,
    REMOVE,
    TOPIC,
    WRITE,
    allow_only,
    deny,
    permit,
)
from tests.security.broker import PASSWORD, USER, Secure

from partita import EventBus, Router, TopicMissing, open_bus
from partita.core.health import describe

WITHIN = 20.0
Act = Callable[[EventBus, str], Awaitable[object]]


async def publish(bus: EventBus, name: str) -> None:
    """Publish one message."""
    await bus.publish(name, b"hello")


async def consume(bus: EventBus, name: str) -> None:
    """Read what there is."""
    router = Router()

    @router.handler(name)
    async def take(value: bytes) -> None: ...

    await bus.run(router, group=name, burst=True)


async def look(bus: EventBus, name: str) -> None:
    """Ask for a backlog."""
    await bus.check_backlog(name, topics=[name])


async def create(bus: EventBus, name: str) -> None:
    """Make another topic."""
    await bus.create_topic(f"{name}.new", partitions=1)


async def delete(bus: EventBus, name: str) -> None:
    """Delete the topic."""
    await bus.delete_topic(name)


async def nothing(bus: EventBus, name: str) -> None:
    """There is nothing to undo."""


async def create_again(bus: EventBus, name: str) -> None:
    """Make the topic that was deleted."""
    await bus.create_topic(name, partitions=1)


async def delete_new(bus: EventBus, name: str) -> None:
    """Delete the topic that was made."""
    await bus.delete_topic(f"{name}.new")


@attrs.frozen
class Row:
    """
    One thing that may be denied.

    Args:
        act: what needs it.
        denied: resource, its name after the topic's, and operation.
        kind: the client's error.
        needed: what the error is told to need.
        undo: takes back what was done before the rule was in force everywhere.
    """

    act: Act
    denied: tuple[tuple[int, str, int], ...]
    kind: type[Exception]
    needed: str
    undo: Act = nothing


ROWS: Mapping[str, Row] = {
    "topic write": Row(
        publish, ((TOPIC, "", WRITE),), TopicAuthorizationFailedError, "WRITE on the topic '{}'"
    ),
    # Whoever may not describe a topic is told that there is none.
    "topic describe": Row(publish, ((TOPIC, "", DESCRIBE),), TopicMissing, "there is no topic '{}'"),
    "topic read": Row(consume, ((TOPIC, "", READ),), TopicAuthorizationFailedError, "READ on the topic '{}'"),
    "group read": Row(consume, ((GROUP, "", READ),), GroupAuthorizationFailedError, "READ on the group '{}'"),
    "group describe": Row(
        look, ((GROUP, "", DESCRIBE),), GroupAuthorizationFailedError, "DESCRIBE on the group '{}'"
    ),
    "topic create": Row(
        create, ((TOPIC, ".new", MAKE), (CLUSTER, "", MAKE)), TopicAuthorizationFailedError,
        "CREATE on the topic '{}.new' or on the cluster", delete_new,
    ),
    "topic delete": Row(
        delete, ((TOPIC, "", REMOVE), (CLUSTER, "", REMOVE)), TopicAuthorizationFailedError,
        "DELETE on the topic '{}'", create_again,
    ),
}  # fmt: skip


@contextmanager
def denied(secure: Secure, row: Row, topic: str) -> Iterator[None]:
    """What the row denies is denied inside the block."""
    places = {
        (place, "kafka-cluster" if place == CLUSTER else topic + name): operation
        for place, name, operation in row.denied
    }
    for (place, name), operation in places.items():
        deny(secure.at("clear"), USER, place, name, operation)
    try:
        yield
    finally:
        for place, name in places:
            permit(secure.at("clear"), place, name)


async def refused(row: Row, bus: EventBus, root: EventBus, topic: str) -> Exception:
    """Try until it is refused: a rule takes a moment to hold everywhere."""
    async with asyncio.timeout(WITHIN):
        while True:
            try:
                await row.act(bus, topic)
            except row.kind as error:
                return error
            await row.undo(root, topic)


async def allowed(row: Row, bus: EventBus, topic: str) -> None:
    """Try until it is not refused any more."""
    async with asyncio.timeout(WITHIN):
        while True:
            try:
                return await _nothing(row.act(bus, topic))
            # Rules go one by one: for a moment the topic may not even be seen.
            except (row.kind, TopicMissing):
                await asyncio.sleep(0.05)


async def _nothing(call: Awaitable[object]) -> None:
    await call


@pytest.mark.parametrize("what", ROWS)
def test_what_is_not_allowed_is_the_client_s_own_error_and_names_what_is_needed(
    what: str, secure: Secure
) -> None:
    """Row 96: resource and operation are told with the error, and the same bus goes on once it is allowed."""
    row, topic = ROWS[what], f"access.{uuid.uuid4().hex[:8]}"
    login = {"sasl_plain_username": USER, "sasl_plain_password": PASSWORD}

    async def scenario() -> None:
        async with open_bus(secure.url("clear")) as root, open_bus(secure.url("open", **login)) as bus:
            if row.act is not create:
                await root.create_topic(topic, partitions=1)
                await root.publish(topic, b"to be read")
            with denied(secure, row, topic):
                error = await refused(row, bus, root, topic)
            await allowed(row, bus, topic)

            assert type(error) is row.kind
            assert row.needed.format(topic) in describe(error)

    asyncio.run(scenario())


def test_what_the_docs_say_that_a_user_must_be_allowed_is_enough(secure: Secure) -> None:
    """WRITE on a topic publishes; READ on topic and group handles and commits. Nothing else is allowed."""
    topic, address = f"access.{uuid.uuid4().hex[:8]}", secure.at("clear")
    login = {"sasl_plain_username": USER, "sasl_plain_password": PASSWORD}

    async def scenario() -> None:
        async with open_bus(secure.url("clear")) as root, open_bus(secure.url("open", **login)) as bus:
            await root.create_topic(topic, partitions=1)
            allow_only(address, USER, TOPIC, topic, WRITE)
            await bus.publish(topic, b"hello")
            permit(address, TOPIC, topic)
            allow_only(address, USER, TOPIC, topic, READ)
            allow_only(address, USER, GROUP, topic, READ)
            await allowed(ROWS["topic read"], bus, topic)
            backlog = await root.check_backlog(topic, topics=[topic])
            permit(address, TOPIC, topic)
            permit(address, GROUP, topic)

            assert backlog.lag == 0

    asyncio.run(scenario())
