"""A listener that remembers, and the small waits that the Kafka tests share."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any

from partita.backends.kafka.backend import KafkaBackend
from partita.backends.kafka.settings import Deadlines, kafka_settings
from partita.backends.kafka.subscription import KafkaSubscription
from partita.core.ports import Membership, TopicPartition

POLL, PAUSE = 0.2, 0.02  # seconds
USUAL = Deadlines()
WITHIN = 60.0  # seconds that a condition may take on a busy machine


class Listener:
    """Remembers the three events; when told to, commits before it gives partitions up."""

    def __init__(self, on_revoke: Callable[[Collection[TopicPartition]], Any] | None = None) -> None:
        self.owned: set[TopicPartition] = set()
        self.events: list[tuple[str, frozenset[TopicPartition]]] = []
        self.changed = asyncio.Event()
        self._on_revoke = on_revoke

    def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """Remember."""
        self.owned |= set(partitions)
        self._note("assigned", partitions)

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Do what was asked for, then forget the partitions."""
        if self._on_revoke is not None:
            await self._on_revoke(partitions)
        self.owned -= set(partitions)
        self._note("revoked", partitions)

    def lost(self, partitions: Collection[TopicPartition]) -> None:
        """Forget the partitions."""
        self.owned -= set(partitions)
        self._note("lost", partitions)

    def names(self) -> list[str]:
        """The events' names in order."""
        return [name for name, _ in self.events]

    def _note(self, name: str, partitions: Collection[TopicPartition]) -> None:
        self.events.append((name, frozenset(partitions)))
        self.changed.set()


async def until(condition: Callable[[], bool], within: float = WITHIN) -> None:
    """Wait for a condition; fails the test when it does not come true."""
    for _ in range(int(within / PAUSE)):
        if condition():
            return
        await asyncio.sleep(PAUSE)
    raise AssertionError("the condition did not come true")


async def read(subscription: KafkaSubscription, messages: int, within: float = WITHIN) -> list[Any]:
    """Poll until so many messages have come."""
    found: list[Any] = []
    for _ in range(int(within / POLL)):
        if len(found) >= messages:
            return found
        for fetch in await subscription.poll((), POLL):
            found += fetch.records
    raise AssertionError(f"only {len(found)} of {messages} messages came")


def fresh(name: str) -> str:
    """A topic or group that no other test uses."""
    return f"{name}-{uuid.uuid4().hex[:12]}"


def member(topic: str, group: str | None = None, **more: Any) -> Membership:
    """A membership of one topic."""
    return Membership(group or fresh("group"), topics=frozenset({topic}), name="tests", **more)


@asynccontextmanager
async def backend(address: str, deadlines: Deadlines = USUAL, **options: str) -> AsyncIterator[KafkaBackend]:
    """An open backend, closed at the end."""
    made = KafkaBackend(kafka_settings(f"kafka://{address}", options, deadlines))
    await made.open()
    try:
        yield made
    finally:
        await made.close()


def connections(address: str) -> int:
    """How many TCP connections this process has to HOST:PORT, from the kernel's tables."""
    port = int(address.rpartition(":")[2])
    ours = {os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is_open(fd)}
    count = 0
    for table in ("tcp", "tcp6"):
        with open(f"/proc/self/net/{table}", encoding="ascii") as lines:
            for fields in (line.split() for line in list(lines)[1:]):
                remote, state, inode = fields[2], fields[3], fields[9]
                to_port = int(remote.rpartition(":")[2], 16) == port
                count += to_port and state == "01" and f"socket:[{inode}]" in ours
    return count


def _is_open(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}")
