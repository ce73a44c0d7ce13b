"""
Brokers go away under callers that publish: `python -m tests.chaos.publishing`.

First the only broker is killed for 60 s. Then, of three brokers, two of the three replicas in sync are killed
(row 9). Callers are told in time, nothing is acknowledged meanwhile, and when the brokers are back all go on
without being restarted. What was acknowledged is stored once, in the order in which each caller sent it; what
was not may be stored or not. Takes about five minutes.
"""

import asyncio
import logging
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from tests.brokers import running
from tests.chaos.three_kafkas import settled
from tests.faults.clusters import kafka_cluster

from partita import EventBus, open_bus
from partita.backends.kafka.client import make

CALLERS, PARTITIONS, PAUSE = 40, 4, 0.01
AWAY = 60.0
TOLD_WITHIN = 150.0  # seconds: a message waits for its turn for 60 s, and for its acknowledgement as long
BACK_WITHIN = 30.0
TOPIC = "orders"


@attrs.define(eq=False)
class Callers:
    """
    Callers that publish, each one message after the other, and what they were told.

    Attributes:
        acknowledged: caller and number of each message that is stored, as far as they know.
        told: the errors, by name.
        last: when a message was last acknowledged; time in seconds that never goes back.
    """

    bus: EventBus
    acknowledged: set[tuple[int, int]] = attrs.field(factory=set)
    told: Counter[str] = attrs.field(factory=Counter)
    last: float = 0.0
    slowest: float = 0.0

    async def call(self, caller: int) -> None:
        """Publish without end."""
        number = 0
        while True:
            number, begun = number + 1, time.monotonic()
            try:
                await self.bus.publish(TOPIC, b"%d %d" % (caller, number), key=b"%d" % caller)
            except KafkaError as error:
                self.told[type(error).__name__] += 1
            else:
                self.acknowledged.add((caller, number))
                self.last = time.monotonic()
            self.slowest = max(self.slowest, time.monotonic() - begun)
            await asyncio.sleep(PAUSE)

    async def go_on(self) -> float:
        """Wait until many more are acknowledged; returns the seconds it took."""
        begun, target = time.monotonic(), len(self.acknowledged) + 20 * CALLERS
        async with asyncio.timeout(TOLD_WITHIN):
            while len(self.acknowledged) < target:
                await asyncio.sleep(0.05)
        return time.monotonic() - begun


async def stored(bus: EventBus) -> list[tuple[int, int]]:
    """Caller and number of each message in the topic, in order for each partition."""
    found: list[tuple[int, int]] = []

    async def handle(value: bytes) -> None:
        caller, number = value.split()
        found.append((int(caller), int(number)))

    subscription = await bus.subscribe(TOPIC, handle, group="verdict", order="partition")
    seen = -1
    while seen != len(found) or not found:
        seen = len(found)
        await asyncio.sleep(3.0)
    await subscription.drain()
    return found


def verdict(callers: Callers, found: list[tuple[int, int]], what: str, seconds: float) -> None:
    """Nothing lost, nothing twice, each caller's messages in order."""
    lost = callers.acknowledged.difference(found)
    twice = [each for each, count in Counter(found).items() if count > 1]
    numbers: dict[int, list[int]] = {}
    for caller, number in found:
        numbers.setdefault(caller, []).append(number)
    turned = [caller for caller, each in numbers.items() if each != sorted(each)]
    print(
        f"{what}: {len(callers.acknowledged)} acknowledged, told {dict(callers.told)}, slowest call "
        f"{callers.slowest:.0f} s, went on {seconds:.1f} s after; {len(lost)} lost, {len(twice)} twice, "
        f"{len(turned)} callers out of order"
    )
    assert (lost, twice, turned) == (set(), [], [])
    assert seconds < BACK_WITHIN
    assert callers.slowest < TOLD_WITHIN


async def through(address: str, what: str, fault: Callable[[Callers], Awaitable[None]]) -> None:
    """Publish while something happens, and judge."""
    async with open_bus(f"kafka://{address}") as bus:
        callers = Callers(bus)
        calls = [asyncio.ensure_future(callers.call(number)) for number in range(CALLERS)]
        await callers.go_on()
        await fault(callers)
        seconds = await callers.go_on()
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        await bus.flush()
        verdict(callers, await stored(bus), what, seconds)


async def make_topic(address: str, replication: int) -> None:
    """A topic that wants two of three replicas in sync, or its only one."""
    admin = make(AIOKafkaAdminClient, bootstrap_servers=address)
    await admin.start()
    configs = {"min.insync.replicas": str(min(2, replication))}
    await admin.create_topics([make(NewTopic, TOPIC, PARTITIONS, replication, topic_configs=configs)])
    await admin.close()


def the_only_broker(folder: Path) -> None:
    """Killed for a minute."""
    with running("kafka", folder) as server:

        async def away(callers: Callers) -> None:
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(AWAY)
            await asyncio.to_thread(server.start)

        async def scenario() -> None:
            await make_topic(server.address, 1)
            await through(server.address, f"the only broker away for {AWAY:.0f} s", away)

        asyncio.run(scenario())


def two_of_three(folder: Path) -> None:
    """Killed until each caller was told, and started again."""
    with kafka_cluster(folder) as cluster:

        async def below(callers: Callers) -> None:
            for node in (2, 3):
                await asyncio.to_thread(cluster.brokers[node].server.kill)
            begun = time.monotonic()
            async with asyncio.timeout(TOLD_WITHIN):
                while callers.told.total() < CALLERS:
                    await asyncio.sleep(0.05)
            assert callers.last < begun + 5.0, "acknowledged with one replica"
            for node in (2, 3):
                await asyncio.to_thread(cluster.brokers[node].server.start)
            await settled(cluster)

        async def scenario() -> None:
            await make_topic(cluster.address, 3)
            await through(cluster.address, "two of three brokers away", below)

        asyncio.run(scenario())


def main() -> None:
    """Run both."""
    logging.disable(logging.ERROR)  # the clients tell of each attempt to reach a broker that is away
    for part in (the_only_broker, two_of_three):
        with tempfile.TemporaryDirectory() as folder:
            part(Path(folder))


if __name__ == "__main__":
    main()
