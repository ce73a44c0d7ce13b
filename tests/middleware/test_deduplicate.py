"""Each message id is handled once for each route."""

import asyncio

import pytest
from tests.middleware.calls import AT, Dependency, behind, record, start
from tests.simulated import pass_time, run

from partita import Message, SettingsError
from partita.actors.holds import Holds, Postponed
from partita.middleware import Deduplicate, SeenInMemory


def test_a_message_that_was_handled_is_finished_without_its_handler() -> None:
    """By the header that was named; one without it always goes through."""

    async def scenario() -> None:
        dependency = Dependency()
        call = behind([Deduplicate("id")], dependency.call)

        results = [
            await call(record(b"1", message_id=b"a"), 1),
            await call(record(b"2", message_id=b"a"), 1),
            await call(record(b"3", message_id=b"b"), 1),
            await call(record(b"4"), 1),
            await call(record(b"5"), 1),
        ]

        assert results == [b"1", None, b"3", b"4", b"5"]
        assert dependency.values == [b"1", b"3", b"4", b"5"]

    run(scenario())


def test_a_function_tells_the_id() -> None:
    """Of anything in the message."""

    async def scenario() -> None:
        dependency = Dependency()
        call = behind([Deduplicate(lambda message: message.value)], dependency.call)

        for value in (b"1", b"1", b"2"):
            await call(record(value), 1)

        assert dependency.values == [b"1", b"2"]

    run(scenario())


def test_a_message_that_failed_is_tried_again() -> None:
    """Only a success is remembered."""

    async def scenario() -> None:
        dependency = Dependency()
        call = behind([Deduplicate("id")], dependency.call)
        dependency.error = ValueError("no")
        with pytest.raises(ValueError, match="no"):
            await call(record(b"1", message_id=b"a"), 1)

        dependency.error = None
        assert await call(record(b"1", message_id=b"a"), 2) == b"1"

    run(scenario())


def test_messages_of_one_id_wait_for_each_other() -> None:
    """When the first fails the second is handled, and the third is not."""

    async def scenario() -> None:
        dependency = Dependency()
        dependency.error, dependency.seconds = ValueError("no"), 5.0
        each = Deduplicate("id")
        call = behind([each], dependency.call)
        tasks = [start(call(record(b"%d" % number, message_id=b"a"), 1)) for number in range(3)]

        await pass_time(4)
        assert dependency.values == [b"0"]
        await pass_time(3)
        dependency.error = None
        results = await asyncio.gather(*tasks, return_exceptions=True)

        assert isinstance(results[0], ValueError)
        assert sorted(results[1:], key=repr) == [None, b"1"] or results[1:] == [b"1", None]
        assert dependency.values == [b"0", b"1"]
        assert repr(each) == "<Deduplicate, 0 in hand>"

    run(scenario())


def test_a_drain_does_not_wait_for_who_waits() -> None:
    """The one in hand goes on."""

    async def scenario() -> None:
        holds, dependency = Holds(), Dependency()
        dependency.seconds = 5.0
        call = behind([Deduplicate("id")], dependency.call, holds)
        first, second = (start(call(record(b"1", message_id=b"a"), 1)) for _ in range(2))
        await pass_time(1)

        holds.close(AT)
        with pytest.raises(Postponed):
            await second
        assert await first == b"1"

    run(scenario())


def test_each_route_handles_an_id_once() -> None:
    """Two groups, or two handlers, that are given the same object."""

    async def scenario() -> None:
        each, first, second = Deduplicate("id"), Dependency(), Dependency()
        calls = [behind([each], first.call, route="a"), behind([each], second.call, route="b")]

        for call in calls * 2:
            await call(record(b"1", message_id=b"a"), 1)

        assert (first.values, second.values) == ([b"1"], [b"1"])

    run(scenario())


def test_a_route_that_starts_again_remembers() -> None:
    """What is remembered belongs to the object, not to one start."""

    async def scenario() -> None:
        each, dependency = Deduplicate("id"), Dependency()

        for _ in range(2):
            await behind([each], dependency.call)(record(b"1", message_id=b"a"), 1)

        assert dependency.values == [b"1"]

    run(scenario())


class OutOfOrder:
    """A store that fails."""

    async def seen(self, key: bytes) -> bool:
        """It can be asked."""
        return False

    async def add(self, key: bytes) -> None:
        """And takes nothing."""
        raise OSError("full")


def test_a_store_that_takes_nothing_leaves_the_message_unfinished() -> None:
    """At least once: better twice than lost."""

    async def scenario() -> None:
        dependency = Dependency()
        call = behind([Deduplicate("id", store=OutOfOrder())], dependency.call)

        for attempt in (1, 2):
            with pytest.raises(OSError, match="full"):
                await call(record(b"1", message_id=b"a"), attempt)

        assert dependency.calls == [(b"1", 1), (b"1", 2)]

    run(scenario())


def test_the_memory_forgets_the_oldest_first() -> None:
    """Its size is bounded, and what comes again is young again."""

    async def scenario() -> None:
        store = SeenInMemory(size=2)
        for key in (b"a", b"b", b"a", b"c"):
            await store.add(key)

        assert [await store.seen(key) for key in (b"a", b"b", b"c")] == [True, False, True]
        assert len(store) == 2

    run(scenario())


@pytest.mark.parametrize("key", ["", None, 7])
def test_refuses_what_names_no_id(key: object) -> None:
    """There is no default that would mean anything."""
    with pytest.raises(SettingsError, match="give a header's name or a function of the message"):
        Deduplicate(key)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, -1, 1.5])
def test_refuses_a_memory_of_no_size(size: int) -> None:
    """It would let everything through."""
    with pytest.raises(SettingsError, match="size="):
        SeenInMemory(size)


def test_calls_on_a_plain_message_work_too() -> None:
    """As a user's own unit test makes them."""

    async def scenario() -> None:
        dependency, each = Dependency(), Deduplicate("id")

        async def call_next(message: Message) -> object:
            return await dependency.call(message.raw, 1)

        from tests.middleware.calls import READER

        message = Message(record(b"1", message_id=b"a"), READER)
        assert [await each(message, call_next) for _ in range(2)] == [b"1", None]

    run(scenario())
