"""Three Kafkas behind proxies that count, and a group of three members under load."""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import attrs
from aiokafka.admin import AIOKafkaAdminClient
from tests.faults.clusters import KafkaCluster, kafka_cluster
from tests.faults.invariants import all_handled, commits_are_safe, in_key_order, repeated, single_owner
from tests.faults.kafka_proxy import KafkaProxy, kafka_proxy
from tests.faults.members import Group, group, until

from partita import Message
from partita.backends.kafka.client import make

MEMBERS = ("a", "b", "c")
PARTITIONS = 6


async def brief(message: Message) -> None:
    """Wait as a handler does that asks another service."""
    await asyncio.sleep(0.002)


@attrs.frozen
class Behind:
    """
    A cluster, each broker of it behind a proxy.

    Args:
        cluster: the brokers.
        proxies: one before each.
    """

    cluster: KafkaCluster
    proxies: list[KafkaProxy]

    @property
    def joins(self) -> int:
        """How often a member has asked to join so far: each rebalance is one more for every member."""
        return sum(each.requests["JoinGroup"] for each in self.proxies)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[Group]:
        """A group of three members that have all handled something, under load to the end of the block."""
        async with group(self.cluster.address, PARTITIONS, replication=3) as used:
            used.address = ",".join(each.address for each in self.proxies)
            for name in MEMBERS:
                await used.join(name, brief, order="key", concurrency=8, options={})
            async with used.load(5):
                await goes_on(used)
                yield used
            await used.all_done()


async def goes_on(used: Group, by: int = 100) -> None:
    """Wait until every member has handled so many more messages, and more of them is committed."""
    targets = {name: used.log.count(worker=name) + by for name in MEMBERS}
    committed = used.watch.sum()
    for name, target in targets.items():
        await until(lambda n=name, t=target: used.log.count(worker=n) >= t, f"{name} goes on")  # type: ignore[misc]
    await until(lambda: used.watch.sum() >= committed + by, "commits go on")


async def in_sync(address: str) -> bool:
    """Whether every partition has all three replicas in sync, those of committed offsets too."""
    admin = make(AIOKafkaAdminClient, bootstrap_servers=address, request_timeout_ms=5_000)
    await admin.start()
    try:
        topics = await admin.describe_topics(None)
        return all(len(each["isr"]) == 3 for topic in topics for each in topic["partitions"])
    finally:
        await admin.close()


async def settled(cluster: KafkaCluster) -> None:
    """Wait until all brokers are up and in sync."""
    await asyncio.to_thread(cluster.settle)
    async with asyncio.timeout(60):
        while not await in_sync(cluster.address):
            await asyncio.sleep(0.05)


def verdict(used: Group, told: str) -> None:
    """I2, I3, I7 and I8, and that nothing was handled twice; prints what was seen."""
    events, answers = used.log.events, used.watch.answers
    print(f"{told}; {len(used.published)} messages, {len(repeated(events))} repeated")
    all_handled(events, used.published)
    in_key_order(events)
    commits_are_safe(events, answers)
    single_owner(events)
    assert repeated(events) == set()


@contextmanager
def three_kafkas(disk: Path | None = None) -> Iterator[Behind]:
    """A cluster that is up, each broker behind a proxy; the first one on *disk* if there is one."""
    logging.disable(logging.ERROR)  # the clients tell of each attempt to reach a broker that is away
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        cluster = stack.enter_context(kafka_cluster(Path(folder), disk=disk))
        proxies = [
            stack.enter_context(kafka_proxy(each.behind, each.ports.front))
            for each in cluster.brokers.values()
        ]
        yield Behind(cluster, proxies)
