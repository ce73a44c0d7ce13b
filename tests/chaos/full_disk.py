"""
Row 11: the disk of a broker is full; `python -m tests.chaos.full_disk`.

First the only broker: it ends, publishing says so with the client's own error, health is red, and when there
is room and the broker is back, all goes on and what was acknowledged is there. Then one of three: the others
take over, and nothing repeats. Takes about two minutes and a half; needs a kernel that permits a mount in a
namespace of one's own.
"""

import asyncio
import logging
import tempfile
import time
from pathlib import Path

from tests.chaos.three_kafkas import Behind, brief, goes_on, settled, three_kafkas, verdict
from tests.faults.clusters import KafkaCluster, kafka_cluster
from tests.faults.disks import MEBIBYTE, SmallDisk, small_disk
from tests.faults.invariants import all_handled, commits_are_safe, in_key_order
from tests.faults.members import group, until

SIZE = 192 * MEBIBYTE
# The delivery deadline of the Kafka backend, and what a busy machine takes.
TOLD_WITHIN = 90.0


async def the_only_broker(cluster: KafkaCluster, disk: SmallDisk) -> None:
    """Fill its disk under a publisher and a member, free it, and start it again."""
    server = cluster.brokers[1].server
    async with group(cluster.address) as used:
        member = await used.join("a", brief, order="key", concurrency=8)
        await used.publish(500)
        await until(lambda: used.log.count() == 500, "all are handled")
        disk.fill()
        begun, error = time.monotonic(), None
        try:
            async with asyncio.timeout(TOLD_WITHIN):
                while True:
                    await used.publish(10)
        except Exception as told:  # noqa: BLE001 - which one it is, is what is looked for
            error = told
        told_after, health = time.monotonic() - begun, await member.bus.health_check()
        await asyncio.to_thread(server.end)
        disk.free()
        await asyncio.to_thread(server.start)
        await used.publish(500)
        await used.all_done()
        green = (await member.bus.health_check()).healthy
        events = used.log.events
    errors = {type(each).__name__ for each in getattr(error, "exceptions", [error])}
    print(f"the only broker: {errors} after {told_after:.0f} s, health {health.healthy}, then {green}")
    all_handled(events, used.published)
    in_key_order([each for each in events if each.name == "done"])
    commits_are_safe(events, used.watch.answers)
    assert not any(isinstance(each, TimeoutError) for each in [error]), "nobody was told"
    assert not health.healthy and green  # noqa: PT018


async def one_of_three(behind: Behind, disk: SmallDisk) -> None:
    """Fill its disk, wait until it has ended and all go on, free it, and start it again."""
    server = behind.cluster.brokers[1].server
    async with behind.working() as used:
        disk.fill()
        await until(lambda: not server.is_up, "the broker ends")
        await goes_on(used)
        disk.free()
        await asyncio.to_thread(server.start)
        await settled(behind.cluster)
        await goes_on(used)
    verdict(used, "one of three: ended, and came back")


def main() -> None:
    """Run both."""
    logging.disable(logging.ERROR)
    with (
        tempfile.TemporaryDirectory() as folder,
        small_disk(SIZE) as disk,
        kafka_cluster(Path(folder), nodes=1, disk=disk.path) as cluster,
    ):
        asyncio.run(the_only_broker(cluster, disk))
    with small_disk(SIZE) as disk, three_kafkas(disk.path) as behind:
        asyncio.run(one_of_three(behind, disk))


if __name__ == "__main__":
    main()
