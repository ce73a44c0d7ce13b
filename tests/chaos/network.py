"""
Rows 17, 18, 20-22: a network that is slow, silent, torn, cut up, half open; `python -m tests.chaos.network`.

One member of a group behind a byte proxy, under load from a client that is not. It goes on after each fault
without help; everything is handled, in order per key, and no commit covers what is not done. Takes about a
minute and a half.
"""

import asyncio
import logging
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.faults.byte_proxy import ByteProxy, byte_proxy
from tests.faults.clusters import Broker, kafka_cluster
from tests.faults.invariants import all_handled, commits_are_safe, in_key_order, repeated
from tests.faults.members import Group, group, until

from partita import Message

SESSION = 3.0
OPTIONS = {"session_timeout_ms": "3000", "heartbeat_interval_ms": "300", "request_timeout_ms": "2000"}
Fault = Callable[[ByteProxy], Awaitable[None]]


async def brief(message: Message) -> None:
    """Wait as a handler does that asks another service."""
    await asyncio.sleep(0.002)


async def slow(proxy: ByteProxy) -> None:
    """Row 17: 200 ms more or less."""
    proxy.slow(0.2, jitter=0.1)
    await asyncio.sleep(8.0)


async def silent(proxy: ByteProxy) -> None:
    """Row 18: not a byte for two sessions."""
    proxy.black_hole()
    await asyncio.sleep(2 * SESSION)


async def torn(proxy: ByteProxy) -> None:
    """Row 20: a reset every half second."""
    for _ in range(16):
        proxy.reset()
        await asyncio.sleep(0.5)


async def cut_up(proxy: ByteProxy) -> None:
    """Row 21: 20 KB a second, seven bytes at once."""
    proxy.slice(7)
    proxy.throttle(20_000)
    await asyncio.sleep(8.0)


async def half_open(proxy: ByteProxy) -> None:
    """Row 22: the connections that were open are dead and do not say so."""
    proxy.half_open()
    await asyncio.sleep(1.0)


FAULTS = (slow, silent, torn, cut_up, half_open)


async def goes_on(used: Group, by: int = 200) -> float:
    """Wait until so many more messages are handled and committed; returns the seconds that it took."""
    begun, done, committed = time.monotonic(), used.log.count() + by, used.watch.sum() + by
    await until(lambda: used.log.count() >= done and used.watch.sum() >= committed, "the member goes on")
    return time.monotonic() - begun


async def survives(broker: Broker, proxy: ByteProxy, fault: Fault) -> None:
    """One fault, and the verdict."""
    async with group(broker.server.address) as used:
        used.address = proxy.address
        await used.join("a", brief, order="key", concurrency=8, options=OPTIONS)
        async with used.load(5):
            await goes_on(used)
            await fault(proxy)
            proxy.pass_on()
            seconds = await goes_on(used)
        await used.all_done()
        events, answers, published = used.log.events, used.watch.answers, list(used.published)
    again = len(repeated(events))
    print(f"{fault.__name__}: goes on after {seconds:.1f} s; {len(published)} messages, {again} repeated")
    all_handled(events, published)
    in_key_order([each for each in events if each.name == "done"])
    commits_are_safe(events, answers)


def main() -> None:
    """Run all, one after the other."""
    logging.disable(logging.ERROR)
    with (
        tempfile.TemporaryDirectory() as folder,
        kafka_cluster(Path(folder), nodes=1) as cluster,
        byte_proxy(cluster.brokers[1].behind, cluster.brokers[1].ports.front) as proxy,
    ):
        for fault in FAULTS:
            asyncio.run(survives(cluster.brokers[1], proxy, fault))


if __name__ == "__main__":
    main()
