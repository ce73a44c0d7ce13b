"""
Three customers' orders side by side, each customer's steps in order, a failed step included.

    python examples/ordered_by_key.py
"""

import asyncio
from collections import defaultdict

from partita import Context, Message, Retry, Router, open_bus

STEPS = (b"cart", b"address", b"payment", b"parcel")
CUSTOMERS = (b"ada", b"bob", b"cem")

router = Router()
done: defaultdict[str, list[str]] = defaultdict(list)
running: list[str] = []
most = 0


@router.handler("orders", order="key", concurrency=16, retry=Retry(attempts=3, backoff=0.1))
async def take(step: Message, context: Context) -> None:
    """One step of one customer; the handler waits, and meanwhile others are handled."""
    global most
    customer, what = (step.key or b"").decode(), (step.value or b"").decode()
    assert customer not in running, "two steps of one customer at once"
    running.append(customer)
    most = max(most, len(running))
    await asyncio.sleep(0.01)
    running.remove(customer)
    if (customer, what, context.attempt) == ("ada", "payment", 1):
        print("ada: payment failed; her parcel waits for the next attempt, bob and cem do not")
        raise ConnectionError("the bank is away")
    done[customer].append(what)
    if what == "parcel":
        print(f"{customer}: {', '.join(done[customer])}")


async def main() -> None:
    """All steps are in one partition; their keys say whose they are."""
    async with open_bus("memory://?partitions=1") as bus:
        for step in STEPS:
            for customer in CUSTOMERS:
                await bus.publish("orders", step, key=customer)
        summary = await bus.run(router, burst=True)
    print(f"handled {summary.handled}, failed {summary.failed}, {most} at once")


if __name__ == "__main__":
    asyncio.run(main())
