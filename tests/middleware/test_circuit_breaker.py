"""The circuit breaker on virtual time: what waits, what goes, and what a drain leaves."""

import asyncio

import pytest
from tests.middleware.calls import AT, OTHER, Dependency, behind, record, start
from tests.simulated import pass_time, run

from partita import DecodeError, SettingsError
from partita.actors.holds import Holds, Postponed
from partita.middleware import CircuitBreaker


async def opened(breaker: CircuitBreaker, dependency: Dependency) -> None:
    """Let calls fail until the breaker opens; the dependency stays away."""
    dependency.error = ConnectionError("away")
    while breaker.state.value == "closed":
        with pytest.raises(ConnectionError):
            await behind([breaker], dependency.call)(record(), 1)
    dependency.calls.clear()


def test_passes_results_and_errors_while_it_is_closed() -> None:
    """The error is the handler's own."""

    async def scenario() -> None:
        breaker, dependency = CircuitBreaker(failures=2), Dependency()
        call = behind([breaker], dependency.call)
        assert await call(record(b"1"), 1) == b"1"

        dependency.error = ConnectionError("away")
        with pytest.raises(ConnectionError) as raised:
            await call(record(b"1"), 1)

        assert raised.value is dependency.error
        assert repr(breaker) == "<CircuitBreaker closed, 0 waiting>"

    run(scenario())


def test_calls_wait_while_it_is_open_and_one_goes_as_a_canary() -> None:
    """In five minutes of an outage the attempts are the canaries, not the messages."""

    async def scenario() -> None:
        breaker, dependency = CircuitBreaker(failures=2, open_for=30.0), Dependency()
        await opened(breaker, dependency)
        call = behind([breaker], dependency.call)
        waiting = [start(call(record(b"%d" % number), 1)) for number in range(50)]

        await pass_time(29)
        assert (dependency.calls, breaker.waiting) == ([], 50)
        await pass_time(271.5)

        assert len(dependency.calls) == 10
        assert [each.done() for each in waiting].count(True) == 10
        dependency.error = None
        await pass_time(30)
        assert len(dependency.calls) == 50
        assert breaker.state.value == "closed"
        await asyncio.gather(*waiting, return_exceptions=True)

    run(scenario())


def test_nothing_goes_beside_the_canary() -> None:
    """Its success lets all others go."""

    async def scenario() -> None:
        breaker, dependency = CircuitBreaker(failures=1, open_for=10.0), Dependency()
        await opened(breaker, dependency)
        dependency.error, dependency.seconds = None, 5.0
        call = behind([breaker], dependency.call)
        waiting = [start(call(record(), 1)) for _ in range(5)]

        await pass_time(14)
        assert (len(dependency.calls), breaker.state.value) == (1, "half-open")
        late = start(call(record(), 1))
        await pass_time(2)
        assert len(dependency.calls) == 6
        await asyncio.gather(late, *waiting)

    run(scenario())


def test_a_canary_that_is_cancelled_makes_way_for_the_next() -> None:
    """It has told nothing of the dependency."""

    async def scenario() -> None:
        breaker, dependency = CircuitBreaker(failures=1, open_for=10.0), Dependency()
        await opened(breaker, dependency)
        dependency.error, dependency.seconds = None, 5.0
        call = behind([breaker], dependency.call)
        first, second = start(call(record(b"1"), 1)), start(call(record(b"2"), 1))
        await pass_time(12)
        assert dependency.values == [b"1"]

        first.cancel()
        await pass_time(1)
        assert dependency.values == [b"1", b"2"]
        assert await second == b"2"

    run(scenario())


def test_a_drain_ends_the_wait_of_its_partition_and_of_no_other() -> None:
    """The message stays unfinished; the others go on when they may."""

    async def scenario() -> None:
        holds, dependency = Holds(), Dependency()
        breaker = CircuitBreaker(failures=1, open_for=10.0)
        await opened(breaker, dependency)
        dependency.error = None
        call = behind([breaker], dependency.call, holds)
        going, staying = start(call(record(at=AT), 1)), start(call(record(b"2", at=OTHER), 1))
        await pass_time(1)
        assert holds.reason(AT) == "circuit breaker"

        holds.close(AT)
        with pytest.raises(Postponed):
            await going
        assert breaker.waiting == 1
        await pass_time(10)
        assert await staying == b"2"

    run(scenario())


def test_a_drain_at_the_very_end_of_the_open_time_leaves_the_others_a_canary() -> None:
    """Whoever is told first may be gone."""

    async def scenario() -> None:
        holds, dependency = Holds(), Dependency()
        breaker = CircuitBreaker(failures=1, open_for=10.0)
        await opened(breaker, dependency)
        dependency.error = None
        call = behind([breaker], dependency.call, holds)
        going, staying = start(call(record(at=AT), 1)), start(call(record(b"2", at=OTHER), 1))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(10.0, holds.close, AT)

        await pass_time(11)

        assert isinstance(going.exception() if not going.cancelled() else Postponed(), Postponed)
        assert await staying == b"2"

    run(scenario())


@pytest.mark.parametrize("error", [KeyError("a bug"), DecodeError("no"), SystemExit(3)])
def test_errors_that_do_not_speak_of_the_dependency_do_not_count(error: BaseException) -> None:
    """Neither for nor against it, so a poisoned message holds up nobody."""

    async def scenario() -> None:
        breaker = CircuitBreaker(failures=2, open_for=10.0, counts=[ConnectionError, DecodeError])
        dependency = Dependency()
        dependency.error = error
        call = behind([breaker], dependency.call)

        for _ in range(5):
            with pytest.raises(type(error)):
                await call(record(), 1)

        assert breaker.state.value == "closed"

    run(scenario())


def test_one_breaker_stands_for_one_dependency_of_several_routes() -> None:
    """What one route found out, the other need not."""

    async def scenario() -> None:
        breaker, first, second = CircuitBreaker(failures=1), Dependency(), Dependency()
        await opened(breaker, first)

        waiting = start(behind([breaker], second.call)(record(), 1))
        await pass_time(1)
        assert second.calls == []
        await pass_time(30)
        assert waiting.done()

    run(scenario())


def test_it_outlives_the_loop_it_was_opened_on() -> None:
    """As a module's global does that is used by two runs."""
    breaker, dependency = CircuitBreaker(failures=1, open_for=10.0), Dependency()

    async def first() -> None:
        await pass_time(1000)
        await opened(breaker, dependency)

    async def second() -> None:
        dependency.error = None
        await behind([breaker], dependency.call)(record(), 1)

    run(first())
    _, seconds = run(second())

    assert (seconds, breaker.state.value) == (10.0, "closed")


def test_refuses_what_is_no_error() -> None:
    """`counts` is a list of classes."""
    with pytest.raises(SettingsError, match="'ValueError' is no class of exceptions"):
        CircuitBreaker(counts=["ValueError"])  # type: ignore[list-item]
