"""What waits for the groups, looked at now and then and not at each request."""

import asyncio

import pytest
from tests.faulty import Outage
from tests.simulated import pass_time, run, until

from partita import Backlog, EventBus
from partita.backends.memory import MemoryBackend, MemoryBroker
from partita_worker.endpoint.backlogs import LOOK_SECONDS, BacklogLook


async def ignore(value: bytes) -> None:
    """Handle."""


class Counting(EventBus):
    """A bus on memory that counts how often it is asked, and fails when it is told to."""

    asked = 0
    error: Exception | None = None

    async def check_backlog(self, group: str, **options: object) -> Backlog:
        """Count, and fail or answer."""
        self.asked += 1
        if self.error is not None:
            raise self.error
        return await super().check_backlog(group)


def test_the_broker_is_asked_once_in_ten_seconds_while_something_runs() -> None:
    """However often somebody looks at what is known."""

    async def scenario() -> None:
        async with Counting(MemoryBackend(MemoryBroker(), "memory://")) as bus:
            loop = asyncio.get_running_loop()
            look = BacklogLook(bus, ["g"], loop.time)
            task = loop.create_task(look.run())
            await pass_time(5)
            assert (bus.asked, look.known.fresh) == (0, False)
            await bus.subscribe("orders", ignore, group="g")
            await pass_time(LOOK_SECONDS * 3)
            (backlog,) = look.known.backlogs
            assert (backlog.group, backlog.lag, look.known.fresh) == ("g", 0, True)
            assert 3 <= bus.asked <= 4
            task.cancel()

    run(scenario())


def test_trouble_is_told_without_addresses_and_what_is_old_is_not_relied_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Logged once, tried again, and green again by itself."""

    async def scenario() -> None:
        async with Counting(MemoryBackend(MemoryBroker(), "memory://")) as bus:
            loop = asyncio.get_running_loop()
            look = BacklogLook(bus, ["g"], loop.time)
            await bus.subscribe("orders", ignore, group="g")
            task = loop.create_task(look.run())
            await until(lambda: look.known.fresh)
            bus.error = Outage("10.0.0.7:9092 is away")
            await pass_time(65)
            assert (look.known.fresh, look.known.trouble) == (False, "Outage: (address) is away")
            bus.error = None
            await pass_time(LOOK_SECONDS)
            assert (look.known.fresh, look.known.trouble) == (True, "")
            task.cancel()

    run(scenario())

    assert caplog.text.count("could not be looked at") == 1
