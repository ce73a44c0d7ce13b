"""The rate of a route on virtual time."""

import asyncio

import pytest
from tests.middleware.calls import AT, OTHER, READER, Dependency, record, start
from tests.simulated import pass_time, run

from partita import SettingsError
from partita.actors.holds import Holds, Postponed
from partita.middleware.rate_limit import TICK, RateLimit


def test_calls_go_at_the_rate_in_the_order_they_came() -> None:
    """After one second's worth at once."""

    async def scenario() -> None:
        dependency, limit = Dependency(), RateLimit(10.0, READER, Holds())
        call = limit.around(dependency.call)
        tasks = [start(call(record(b"%d" % number), 1)) for number in range(40)]

        await pass_time(0)
        assert (len(dependency.calls), limit.waiting) == (10, 30)
        await pass_time(1.05)
        assert len(dependency.calls) == 20
        await asyncio.gather(*tasks)

        assert dependency.values == [b"%d" % number for number in range(40)]
        assert repr(limit) == "<RateLimit 10 a second, 0 waiting>"

    _, seconds = run(scenario())

    assert 3.0 <= seconds <= 3.2


def test_calls_below_the_rate_do_not_wait() -> None:
    """And a route that is idle has no timer that wakes the process."""

    async def scenario() -> int:
        dependency, limit = Dependency(), RateLimit(10.0, READER, Holds())
        call = limit.around(dependency.call)
        for number in range(30):
            assert await call(record(b"%d" % number), 7) == b"%d" % number
            await pass_time(0.11)
        await pass_time(5)
        return len(asyncio.get_running_loop()._scheduled)  # type: ignore[attr-defined]

    timers, seconds = run(scenario())

    assert timers == 0
    assert seconds == pytest.approx(8.3)


def test_a_rate_below_one_is_a_message_each_few_seconds() -> None:
    """The timer waits as long as it takes."""

    async def scenario() -> None:
        call = RateLimit(0.25, READER, Holds()).around(Dependency().call)
        await asyncio.gather(*(start(call(record(), 1)) for _ in range(4)))

    _, seconds = run(scenario())

    assert seconds == pytest.approx(12.0)


def test_a_call_does_not_overtake_those_that_wait() -> None:
    """First come, first served, also when there is something to take."""

    async def scenario() -> None:
        dependency, limit = Dependency(), RateLimit(1.0, READER, Holds())
        call = limit.around(dependency.call)
        tasks = [start(call(record(b"%d" % number), 1)) for number in range(2)]
        await pass_time(0.5)
        tasks.append(start(call(record(b"2"), 1)))
        await asyncio.gather(*tasks)

        assert dependency.values == [b"0", b"1", b"2"]

    run(scenario())


def test_a_drain_ends_the_wait_of_its_partition_and_wastes_no_turn() -> None:
    """The others go at the rate as if it had not been there."""

    async def scenario() -> None:
        holds, dependency = Holds(), Dependency()
        call = RateLimit(1.0, READER, holds).around(dependency.call)
        await call(record(), 1)
        going = [start(call(record(at=AT), 1)) for _ in range(5)]
        staying = start(call(record(b"2", at=OTHER), 1))
        await pass_time(0.5)
        assert holds.reason(AT) == "rate limit"

        holds.close(AT)
        for each in going:
            with pytest.raises(Postponed):
                await each
        await staying

    _, seconds = run(scenario())

    assert seconds == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("instant", [TICK + 1e-10, TICK - 1e-10], ids=["after the turn", "before the turn"])
def test_a_turn_that_was_given_and_not_used_is_free_again(instant: float) -> None:
    """The drain came at the same turn of the loop."""

    async def scenario() -> None:
        holds, dependency = Holds(), Dependency()
        call = RateLimit(200.0, READER, holds).around(dependency.call)
        for _ in range(200):
            await call(record(), 1)
        going, staying = start(call(record(at=AT), 1)), start(call(record(b"2", at=OTHER), 1))
        await pass_time(0)
        loop = asyncio.get_running_loop()
        loop.call_at(instant, holds.close, AT)

        await staying
        assert going.done()

    _, seconds = run(scenario())

    assert seconds == pytest.approx(TICK)


def test_a_cancelled_call_leaves_the_queue() -> None:
    """Its task is the pump's to cancel."""

    async def scenario() -> None:
        limit = RateLimit(1.0, READER, Holds())
        call = limit.around(Dependency().call)
        await call(record(), 1)
        waiting = start(call(record(), 1))
        await pass_time(0.5)

        waiting.cancel()
        await pass_time(0.1)

        assert limit.waiting == 0

    run(scenario())


def test_refuses_what_is_no_rate() -> None:
    """Zero would let nothing through."""
    with pytest.raises(SettingsError, match="rate=0: give messages per second"):
        RateLimit(0, READER, Holds())
