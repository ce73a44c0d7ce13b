"""
Row 102: leaders of streams and consumers step down and die; `python -m tests.chaos.nats_leaders`.

Three NATS servers, a topic with three replicas, two members under load. The leader of the stream steps down,
then those of the consumers, then the server that leads the stream is killed and started again. Everything is
handled, in order per key, and nothing is stored twice. Takes about a minute.
"""

import asyncio
import logging
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from nats.aio.client import Client
from nats.js.client import JetStreamContext
from tests.faults.clusters import NatsCluster, nats_cluster
from tests.faults.eventlog import EventLog
from tests.faults.invariants import Place, all_handled, in_key_order, repeated
from tests.faults.members import until

from partita import EventBus, Message, Outgoing, Router, open_bus

TOPIC, GROUP, KEYS, MEMBERS = "orders", "billing", 20, ("a", "b")
AGAIN_SECONDS = 30.0


async def brief(message: Message) -> None:
    """Wait as a handler does that asks another service."""
    await asyncio.sleep(0.002)


class Load:
    """Publishes until it is stopped, each message acknowledged, and knows where they are."""

    def __init__(self, bus: EventBus) -> None:
        self._bus, self._enough = bus, False
        self.published: list[Place] = []
        self.task = asyncio.ensure_future(self._go_on())

    async def _go_on(self) -> None:
        number = 0
        while not self._enough:
            batch = [Outgoing(b"%d" % n, key=b"k%d" % (n % KEYS)) for n in range(number, number + 10)]
            receipts = await self._bus.publish_batch(TOPIC, batch)
            self.published += [(each.partition, each.offset) for each in receipts]
            number += 10
            await asyncio.sleep(0.03)

    async def stop(self) -> None:
        """Publish no more; raises what publishing has raised."""
        self._enough = True
        await self.task


async def goes_on(log: EventLog, load: Load, by: int = 100) -> float:
    """Wait until so many more messages are handled; returns the seconds that it took."""
    begun, target = time.monotonic(), log.count() + by
    await until(lambda: load.task.done() or log.count() >= target, "messages are handled")
    assert not load.task.done() or load.task.result() is None, "publishing has ended"
    return time.monotonic() - begun


async def step_down(stream: JetStreamContext, what: str) -> None:
    """Have a leader step down."""
    answer = await stream._nc.request(f"$JS.API.{what}", b"", 5.0)
    assert b'"success":true' in answer.data, answer.data


async def faults(cluster: NatsCluster, log: EventLog, load: Load) -> list[float]:
    """All faults, one after the other; returns how long it took until messages were handled again."""
    client = Client()
    await client.connect([f"nats://{each.address}" for each in cluster.servers.values()])
    stream = client.jetstream(timeout=10.0)
    name = await stream.find_stream_name_by_subject(f"{TOPIC}.0")
    await step_down(stream, f"STREAM.LEADER.STEPDOWN.{name}")
    seconds = [await goes_on(log, load)]
    for consumer in await stream.consumers_info(name):
        await step_down(stream, f"CONSUMER.LEADER.STEPDOWN.{name}.{consumer.name}")
    seconds.append(await goes_on(log, load))
    leads = (await stream.stream_info(name)).cluster
    assert leads is not None and leads.leader is not None  # noqa: PT018 - it has three replicas
    victim = cluster.servers[leads.leader]
    await asyncio.to_thread(victim.kill)
    seconds.append(await goes_on(log, load))
    await asyncio.to_thread(victim.start)
    seconds.append(await goes_on(log, load))
    await client.close()
    return seconds


async def member(url: str, log: EventLog, name: str) -> tuple[EventBus, Callable[[], Awaitable[None]]]:
    """A member in this process; returns its bus, and what ends it."""
    bus = open_bus(url)
    await bus.__aenter__()
    router = Router()
    router.handler(TOPIC, order="key", concurrency=8)(log.logged(name, brief))
    running = asyncio.ensure_future(bus.run(router, group=GROUP))

    async def end() -> None:
        await bus.drain()
        await running
        await bus.aclose()

    return bus, end


async def scenario(cluster: NatsCluster) -> None:
    """Two members under load, the faults, and the verdict."""
    url, log = f"nats://{cluster.address}", EventLog()
    async with open_bus(url) as bus:
        await bus.create_topic(TOPIC, partitions=4, replication=3)
        members = [await member(url, log, name) for name in MEMBERS]
        load = Load(bus)
        await goes_on(log, load)
        seconds = await faults(cluster, log, load)
        await load.stop()
        await until(lambda: log.count() >= len(load.published), "everything is handled")
        for _, end in members:
            await end()
        stored = await stored_messages(cluster)
    events, published = log.events, load.published
    told = ", ".join(f"{each:.1f}" for each in seconds)
    print(
        f"stream, consumers, kill, start: again after {told} s; {len(published)} messages, {stored} stored, "
        f"{len(repeated(events))} repeated"
    )
    all_handled(events, published)
    in_key_order([each for each in events if each.name == "done"])
    assert stored == len(set(published)) == len(published)
    assert max(seconds) < AGAIN_SECONDS


async def stored_messages(cluster: NatsCluster) -> int:
    """How many messages the topic has."""
    client = Client()
    await client.connect([f"nats://{each.address}" for each in cluster.servers.values()])
    stream = client.jetstream(timeout=10.0)
    name = await stream.find_stream_name_by_subject(f"{TOPIC}.0")
    state = (await stream.stream_info(name)).state
    await client.close()
    return state.messages


def main() -> None:
    """Run it."""
    logging.disable(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, nats_cluster(Path(folder)) as cluster:
        asyncio.run(scenario(cluster))


if __name__ == "__main__":
    main()
