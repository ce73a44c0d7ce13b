"""
Row 4: the broker that coordinates the group is killed; `python -m tests.chaos.coordinator_killed`.

Three members behind counting proxies, three brokers. The members find the next coordinator, nobody has to
join again, nothing repeats, and the killed broker comes back. Takes about a minute.
"""

import asyncio
import time

from aiokafka.admin import AIOKafkaAdminClient
from tests.chaos.three_kafkas import Behind, goes_on, settled, three_kafkas, verdict

from partita.backends.kafka.client import make


async def coordinator(address: str, group: str) -> int:
    """The number of the broker that coordinates a group."""
    admin = make(AIOKafkaAdminClient, bootstrap_servers=address)
    await admin.start()
    try:
        return int(await admin.find_coordinator(group))
    finally:
        await admin.close()


async def scenario(behind: Behind) -> None:
    """Kill it, wait for everybody to go on, start it again."""
    async with behind.working() as used:
        number = await coordinator(behind.cluster.address, used.name)
        victim, joins = behind.cluster.brokers[number].server, behind.joins
        begun = time.monotonic()
        await asyncio.to_thread(victim.kill)
        await goes_on(used)
        away = time.monotonic() - begun
        await asyncio.to_thread(victim.start)
        await settled(behind.cluster)
        await goes_on(used)
        more = behind.joins - joins
    verdict(used, f"broker {number} killed: all go on after {away:.1f} s, {more} joins")
    assert joins >= 3 and more == 0  # noqa: PT018 - the proxies have counted, and nothing since


def main() -> None:
    """Run it."""
    with three_kafkas() as behind:
        asyncio.run(scenario(behind))


if __name__ == "__main__":
    main()
