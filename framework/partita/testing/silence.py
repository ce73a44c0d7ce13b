"""
The judge of silence: never is there something to read, and nothing moves, and all say that they are well.

Unlike the other judges it looks at the engine's own health, once a virtual second, because that is what it is
about.
"""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs

from partita.core.ports import TopicPartition

if TYPE_CHECKING:
    from partita.testing.world import World

LOOK_SECONDS = 1.0
# A silent client is red after 14 s at the latest, and the slowest handlers and answers take ten.
LIMIT_SECONDS = 30.0
# The offset and the metadata of the latest commit.
Moved = tuple[int, str]


@attrs.define(eq=False)
class SilenceJudge:
    """
    Watches the groups of one simulation.

    Args:
        world: what is watched.
    """

    world: "World"
    _stands: dict[tuple[str, TopicPartition], tuple[Moved, float]] = attrs.field(factory=dict, init=False)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._look()

    def _look(self) -> None:
        now, green = self.world.loop.time(), self._green()
        for group, at, moved, lag in self._partitions():
            before, since = self._stands.get((group, at), (None, now))
            if not (green and lag and before == moved):
                since = now
            self._stands[group, at] = moved, since
            if now - since > LIMIT_SECONDS:
                promise = f"{group}: {at} stood still with {lag} messages to handle, and all were green"
                self.world.oracle.violations.append(f"{promise}, for {now - since:.0f} s")
                self._stands[group, at] = moved, now

    def _green(self) -> bool:
        """Whether every process runs, reaches its broker, and says that it is well."""
        members = self.world.members
        if not all(each.runs and not each.wire.down for each in members):
            return False
        return all(part.healthy for each in members for part in each.health.values())

    def _partitions(self) -> Iterator[tuple[str, TopicPartition, Moved, int]]:
        """Each partition that a group reads, with what it has committed and what is not committed."""
        broker = self.world.broker
        for name in self.world.groups:
            group = broker.group(name)
            for topic in sorted({at.topic for at in group.committed}):
                for number in range(broker.topics.get(topic, 0)):
                    at = TopicPartition(topic, number)
                    commit = group.committed.get(at)
                    offset = commit.offset if commit is not None else 0
                    # What finished above the offset moves the map and not the offset.
                    moved = offset, commit.metadata if commit is not None else ""
                    yield name, at, moved, len(broker.log(at)) - offset
