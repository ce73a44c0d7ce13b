"""What becomes of a message when no attempt is left: dead letter, dropped, or parked."""

import logging

import pytest
from tests.actors.scripted import AT, RunningConsumer, ScriptedBroker
from tests.simulated import pass_time, run, until

from partita import Retry
from partita.actors.messages import OpenMessage
from partita.core.errors import TopicMissing

TWICE = Retry(attempts=2, backoff=1.0, jitter=0.0)


class Poisoned:
    """A handler that refuses one value, with a new error each time."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    async def __call__(self, value: bytes) -> None:
        self.seen.append(value)
        if value == b"poison":
            raise ValueError(f"no {len(self.seen)}")


class Graveyard:
    """Where dead letters go; refuses as many as it is told to."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.buried: list[tuple[int, int, str, str]] = []

    async def __call__(self, message: OpenMessage) -> None:
        if self.refusals:
            self.refusals -= 1
            raise TopicMissing("orders.dlq")
        self.buried.append((message.offset, message.attempt, str(message.first), str(message.last)))


def test_a_message_without_attempts_left_is_buried_and_its_partition_goes_on() -> None:
    """With how often it was tried, and its first and its last error; it counts as failed."""
    broker, handler, graveyard = ScriptedBroker(AT), Poisoned(), Graveyard()

    async def scenario() -> tuple[int, int]:
        running = RunningConsumer(broker, handler, retry=TWICE)
        for route in running.routes.kinds.values():
            route.bury = graveyard
        async with running:
            broker.member.feed(AT, b"1", b"poison", b"2")
            await until(lambda: broker.stored.get(AT) == 3)
            return running.consumer.handled, running.consumer.failed

    counted, _ = run(scenario())

    assert counted == (2, 1)
    assert handler.seen == [b"1", b"poison", b"poison", b"2"]
    assert graveyard.buried == [(1, 2, "no 2", "no 3")]


class Odd(Exception):
    """An error of somebody's that answers no question about itself."""

    def __bool__(self) -> bool:
        raise RuntimeError("no truth")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no equality")

    __hash__ = None  # type: ignore[assignment]


def test_an_error_that_is_neither_true_nor_false_is_an_outcome_like_any_other() -> None:
    """Its message is buried with the first and the last of them, and nothing crashes."""
    broker, graveyard, errors = ScriptedBroker(AT), Graveyard(), [Odd("first"), Odd("last")]

    async def handle(value: bytes) -> None:
        raise errors.pop(0)

    async def scenario() -> None:
        running = RunningConsumer(broker, handle, retry=TWICE)
        for route in running.routes.kinds.values():
            route.bury = graveyard
        async with running:
            broker.member.feed(AT, b"poison")
            await until(lambda: broker.stored.get(AT) == 1)

    run(scenario())

    assert graveyard.buried == [(0, 2, "first", "last")]


def test_a_message_that_cannot_be_buried_is_parked_and_not_handled_again() -> None:
    """Health says why; the burial is tried again after a minute, and then the partition goes on."""
    broker, handler, graveyard = ScriptedBroker(AT), Poisoned(), Graveyard(refusals=1)

    async def scenario() -> list[str]:
        running = RunningConsumer(broker, handler, retry=Retry(attempts=1))
        for route in running.routes.kinds.values():
            route.bury = graveyard
        async with running:
            broker.member.feed(AT, b"poison", b"2")
            await until(lambda: bool(list(running.consumer.parked)), 60.0)
            errors = [each.error for each in running.consumer.parked]
            await pass_time(50)
            assert broker.stored.get(AT) in (None, 0)
            await until(lambda: broker.stored.get(AT) == 2)
            assert not list(running.consumer.parked)
            return errors

    errors, seconds = run(scenario())

    assert errors[0].startswith("TopicMissing: there is no topic 'orders.dlq'")
    assert handler.seen == [b"poison", b"2"]
    assert 60 <= seconds < 62


def test_a_kind_that_nobody_handles_is_buried_where_the_topic_has_a_dead_letter() -> None:
    """Unroutable messages need not stop a topic that has somewhere to put them."""
    broker, handler, graveyard = ScriptedBroker(AT), Poisoned(), Graveyard()

    async def scenario() -> None:
        running = RunningConsumer(broker, handler, kind="refund")
        for route in running.routes.kinds.values():
            route.bury = graveyard
        async with running:
            broker.member.feed(AT, b"1", headers=[("type", b"nothing known")])
            await until(lambda: broker.stored.get(AT) == 1)

    run(scenario())

    assert handler.seen == []
    assert [offset for offset, *_ in graveyard.buried] == [0]


def test_a_dropped_message_is_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Given up by name, as its route asked for, without its payload."""
    broker, handler = ScriptedBroker(AT), Poisoned()

    async def scenario() -> tuple[int, int]:
        running = RunningConsumer(broker, handler, retry=TWICE)
        for route in running.routes.kinds.values():
            route.drop = True
        async with running:
            broker.member.feed(AT, b"poison", b"2")
            await until(lambda: broker.stored.get(AT) == 2)
            return running.consumer.handled, running.consumer.failed

    with caplog.at_level(logging.ERROR, "partita.pump"):
        counted, _ = run(scenario())

    assert counted == (1, 1)
    assert caplog.messages == ["dropped orders/0@0 in handler: ValueError: no 2"]
