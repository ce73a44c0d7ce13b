"""The two halves of the heartbeat, on a broker that does what a test says."""

import asyncio
from collections.abc import Awaitable

import pytest
from tests.actors.scripted import AT, READER, Outage, ScriptedBroker
from tests.simulated import pass_time, run, until

from partita.actors.heartbeat import Heartbeat
from partita.core.figures import Published
from partita.core.ports import Outgoing, Receipt
from partita.core.pulse import Pulse


class Echo:
    """A publisher whose messages the broker hands out at once, unless it is told otherwise."""

    pending_bytes = 0
    pending_since: float | None = None

    def __init__(self, broker: ScriptedBroker) -> None:
        self.broker = broker
        self.error: Exception | None = None
        self.fetched = True
        self.values: list[bytes] = []
        self.published = Published()

    async def publish(self, topic: str, message: Outgoing) -> Receipt:
        """Hand it out, or keep it, or fail."""
        if self.error is not None:
            raise self.error
        assert isinstance(message.value, bytes)
        self.values.append(message.value)
        if self.fetched:
            self.broker.member.feed(AT, message.value)
        return Receipt(topic, 0, len(self.values), 0)

    def send(self, topic: str, message: Outgoing) -> Awaitable[Receipt]:
        """Not used by a heartbeat."""
        raise AssertionError

    async def flush(self) -> None:
        """Nothing waits."""


class Beating:
    """A heartbeat that runs, one beat in ten seconds."""

    def __init__(self) -> None:
        self.broker = ScriptedBroker(AT)
        self.echo = Echo(self.broker)
        self.pulse = Pulse(10.0, asyncio.get_running_loop().time())
        heartbeat = Heartbeat("orders", self.pulse, self.echo, self.broker.subscribe, READER)
        self.heartbeat, self.task = heartbeat, asyncio.get_running_loop().create_task(heartbeat.run())

    @property
    def red(self) -> str:
        """What is wrong."""
        part = self.pulse.judge(asyncio.get_running_loop().time())
        return "" if part.healthy else part.reason

    async def end(self) -> None:
        """Stop it in good order."""
        self.heartbeat.stop()
        await self.task
        assert all(member.closed for member in self.broker.members)


def test_beats_come_back_to_a_group_that_is_its_own() -> None:
    """One in an interval; what is read is committed, and nobody else's group is touched."""

    async def scenario() -> None:
        beating = Beating()
        await pass_time(35)
        assert (beating.pulse.sent, beating.pulse.back, beating.red) == (4, 4, "")
        membership = beating.broker.membership
        assert membership is not None
        assert membership.group.startswith("partita-heartbeat-")
        assert (membership.temporary, membership.start) == (True, "latest")
        assert beating.broker.stored[AT] == 4
        await beating.end()

    run(scenario())


def test_fetching_that_stops_is_red_within_two_intervals_and_green_again() -> None:
    """Though every beat is acknowledged."""

    async def scenario() -> None:
        beating = Beating()
        await pass_time(12)
        beating.echo.fetched = False
        await pass_time(20)
        assert "was acknowledged but not fetched" in beating.red
        beating.echo.fetched = True
        await until(lambda: not beating.red, 11)
        await beating.end()

    run(scenario())


def test_a_publish_that_fails_is_red_and_the_next_one_is_tried() -> None:
    """Nothing else ends for it."""

    async def scenario() -> None:
        beating = Beating()
        await pass_time(5)
        beating.echo.error = Outage("full")
        await pass_time(10)
        assert beating.red == "a beat could not be published: Outage: full"
        beating.echo.error = None
        await pass_time(10)
        assert not beating.red
        await beating.end()

    run(scenario())


def test_a_reader_whose_client_fails_is_started_again_for_as_long_as_it_takes() -> None:
    """Red meanwhile, and green with the new client."""

    async def scenario() -> None:
        beating = Beating()
        await pass_time(5)
        beating.broker.start_errors = [Outage("away")] * 20
        beating.broker.member.fail(Outage("away"))
        await until(lambda: beating.red, 20.1)
        await until(lambda: not beating.red)
        assert len(beating.broker.members) == 22
        await beating.end()

    run(scenario())


@pytest.mark.parametrize(
    "value", [None, b"", b"something else", b"partita heartbeat 0123456789ab 1", b"partita heartbeat"]
)
def test_records_of_others_are_no_beats(value: bytes | None) -> None:
    """Several processes may share the topic, and anybody may publish to it."""

    async def scenario() -> None:
        beating = Beating()
        beating.echo.fetched = False
        await pass_time(1)
        beating.broker.member.feed(AT, value)
        beating.broker.member.feed(AT, beating.echo.values[0] + b"x")
        await pass_time(1)
        assert beating.pulse.back == 0
        await beating.end()

    run(scenario())


def test_without_a_place_to_read_from_nothing_is_published_and_that_is_red() -> None:
    """It would never come back; with the next place it goes on."""

    async def scenario() -> None:
        beating = Beating()
        await pass_time(15)
        await beating.broker.member.listener.revoked([AT])
        await pass_time(20)
        assert (beating.pulse.sent, beating.red) == (2, "no beat was published for 25.0 s")
        beating.broker.member.listener.assigned([AT])
        await pass_time(1)
        assert (beating.pulse.sent, beating.red) == (3, "")
        beating.broker.member.listener.lost([AT])
        await pass_time(15)
        assert beating.pulse.sent == 3
        await beating.end()

    run(scenario())
