"""Middlewares put around a handler's call."""

import asyncio

import pytest
from tests.middleware.calls import AT, READER, Dependency, behind, record, start
from tests.simulated import pass_time, run

from partita import Message, SettingsError
from partita.actors.holds import Holds, Postponed
from partita.middleware import CallNext, Deduplicate, Middleware, hold


def noting(name: str, notes: list[str]) -> Middleware:
    """A middleware that notes when it begins and ends."""

    async def middleware(message: Message, call_next: CallNext) -> object:
        notes.append(f"{name} begins")
        result = await call_next(message)
        notes.append(f"{name} ends")
        return result

    return middleware


def test_the_first_stands_outermost_and_the_attempt_reaches_the_handler() -> None:
    """The result comes back through all of them."""

    async def scenario() -> None:
        dependency, notes = Dependency(), list[str]()
        call = behind([noting("outer", notes), noting("inner", notes)], dependency.call)

        assert await call(record(b"1"), 3) == b"1"

        assert dependency.calls == [(b"1", 3)]
        assert notes == ["outer begins", "inner begins", "inner ends", "outer ends"]

    run(scenario())


def test_without_middlewares_the_call_is_the_call_itself() -> None:
    """Who asks for nothing pays nothing."""
    call = Dependency().call

    assert behind([], call) == call


def test_a_middleware_sees_the_message_and_the_client_s_record() -> None:
    """As a handler would."""
    seen: list[Message] = []

    async def look(message: Message, call_next: CallNext) -> object:
        seen.append(message)
        return "instead"

    async def scenario() -> None:
        dependency, each = Dependency(), record(b"1", message_id=b"7")

        assert await behind([look], dependency.call)(each, 1) == "instead"

        assert dependency.calls == []
        assert seen[0].raw is each
        assert (seen[0].topic, seen[0].value, seen[0].headers[1]) == ("orders", b"1", ("id", b"7"))

    run(scenario())


def test_an_error_reaches_each_middleware_as_the_handler_raised_it() -> None:
    """The same object, and one that forgives it ends it."""
    seen: list[BaseException] = []

    async def forgive(message: Message, call_next: CallNext) -> object:
        try:
            return await call_next(message)
        except ValueError as error:
            seen.append(error)
            return None

    async def scenario() -> None:
        dependency = Dependency()
        dependency.error = ValueError("no")

        await behind([forgive], dependency.call)(record(), 1)

        assert seen == [dependency.error]

    run(scenario())


def test_another_message_is_not_passed_on() -> None:
    """A message is a view of a record, so there is nothing that could be changed in it."""

    async def swap(message: Message, call_next: CallNext) -> object:
        return await call_next(Message(record(b"other"), READER))

    async def scenario() -> None:
        dependency = Dependency()

        with pytest.raises(TypeError, match="passed on <Message orders/0@0>, which is not the message"):
            await behind([swap], dependency.call)(record(), 1)

        assert dependency.calls == []

    run(scenario())


def test_one_with_a_state_for_each_route_stands_there_once() -> None:
    """Its inner place would wait for the outer one."""
    each = Deduplicate("id")

    with pytest.raises(SettingsError, match="<Deduplicate, 0 in hand> stands there twice"):
        behind([each, each], Dependency().call)


def test_a_middleware_of_the_user_s_can_wait_without_holding_up_a_drain() -> None:
    """By `hold`; without a route around it, it is a plain wait."""
    gate: list[asyncio.Future[None]] = []

    async def pause(message: Message, call_next: CallNext) -> object:
        gate.append(asyncio.get_running_loop().create_future())
        await hold(message, gate[-1], "a pause")
        return await call_next(message)

    async def scenario() -> None:
        holds, dependency = Holds(), Dependency()
        call = behind([pause], dependency.call, holds)
        first, second = start(call(record(b"1"), 1)), start(call(record(b"2"), 1))
        await pass_time(1)
        assert holds.reason(AT) == "a pause"
        gate[0].set_result(None)
        assert await first == b"1"
        holds.close(AT)
        with pytest.raises(Postponed):
            await second
        assert dependency.values == [b"1"]

        alone = start(pause(Message(record(b"3"), READER), lambda message: dependency.call(message.raw, 1)))
        await pass_time(1)
        gate[-1].set_result(None)
        assert await alone == b"3"

    run(scenario())
