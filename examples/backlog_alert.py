"""
A handler falls behind, works on more at once until it has caught up, and says so.

    python examples/backlog_alert.py
"""

import asyncio

from partita import Backlog, Router, open_bus

router = Router(max_lag=100, max_age=1.0)
caught_up = asyncio.Event()
at_once: set[int] = set()
running = 0


@router.on_backlog
def alert(backlog: Backlog) -> None:
    """Called when the route goes behind, and when it has caught up."""
    at_once.add(running)
    if backlog.behind:
        print(f"{backlog.group} is behind; more workers help: {backlog.scale_helps}")
    else:
        print(f"{backlog.group} has caught up")
        caught_up.set()


@router.handler("orders", order="none", concurrency=2, behind={"concurrency": 50})
async def charge(order: bytes) -> None:
    """Takes a while, and nobody waits for it."""
    global running
    running += 1
    at_once.add(running)
    await asyncio.sleep(0.01)
    running -= 1


async def main() -> None:
    """Publish more than two at once can handle."""
    async with open_bus("memory://?partitions=4") as bus:
        await bus.publish_batch("orders", [b"one chair"] * 1_000)
        worker = asyncio.create_task(bus.run(router, group="billing"))
        await caught_up.wait()
        await bus.drain()
        summary = await worker
        left = (await bus.check_backlog("billing")).lag
        print(f"handled {summary.handled}, left {left}, at most {max(at_once)} at once")


if __name__ == "__main__":
    asyncio.run(main())
