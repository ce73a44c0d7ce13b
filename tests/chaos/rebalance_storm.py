"""
Row 29: members join and leave every second or two; `python -m tests.chaos.rebalance_storm [SECONDS] [SEED]`.

Up to four members in this process. At the end: nothing was repeated, each key is in order, each partition
had one owner at a time, the commits are safe, and no task or descriptor stays. 60 s unless told.
"""

import asyncio
import os
import random
import sys
import time

from tests.chaos.kafka import kafka
from tests.faults.invariants import all_handled, commits_are_safe, in_key_order, repeated, single_owner
from tests.faults.members import Group, Member, group, until

from partita import Message

MOST = 4


async def brief(message: Message) -> None:
    """Wait as a handler does that asks another service."""
    await asyncio.sleep(0.002)


async def storm(used: Group, seconds: float, chance: random.Random) -> int:
    """Let members join and leave; returns how often they did."""
    members: dict[str, Member] = {}
    changes, end = 0, time.monotonic() + seconds
    while time.monotonic() < end or not members:
        changes += 1
        if members and (len(members) == MOST or chance.random() < 0.5):
            await members.pop(chance.choice(list(members))).leave()
        else:
            name = f"m{changes}"
            members[name] = await used.join(name, brief, order="key", concurrency=16)
        await asyncio.sleep(chance.uniform(1.0, 2.0))
    return changes


async def scenario(address: str, seconds: float, seed: int) -> None:
    """The whole storm, and the verdict."""
    descriptors, tasks = len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())
    async with group(address, partitions=8) as used:
        async with used.load(30):
            changes = await storm(used, seconds, random.Random(seed))
        await used.all_done()
        events, answers = used.log.events, used.watch.answers
        published = list(used.published)
    all_handled(events, published)
    in_key_order(events)
    single_owner(events)
    commits_are_safe(events, answers)
    await until(lambda: len(asyncio.all_tasks()) <= tasks, "no task stays")
    left = len(os.listdir("/proc/self/fd")) - descriptors
    print(
        f"{changes} joins and leaves in {seconds:g} s, seed {seed}: {len(published)} messages, "
        f"{len(repeated(events))} repeated, {left} descriptors left"
    )
    assert not repeated(events)
    assert left <= 0


def main() -> None:
    """Run it."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with kafka() as address:
        asyncio.run(scenario(address, seconds, seed))


if __name__ == "__main__":
    main()
