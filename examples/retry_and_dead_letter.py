"""
A failure that passes is tried again; one that stays becomes a dead letter, is looked at and replayed.

    python examples/retry_and_dead_letter.py
"""

import asyncio

from partita import Context, Retry, Router, open_bus

router = Router()
prices = {b"chair": 40, b"table": 120}


@router.handler(
    "orders",
    retry=Retry(attempts=3, backoff=0.05, give_up_on=(KeyError,)),
    dead_letter="orders.dlq",
)
async def charge(order: bytes, context: Context) -> None:
    """Fails once for tables, and for good for what has no price."""
    price = prices[order]
    if order == b"table" and context.attempt == 1:
        print("table: the bank is away")
        raise ConnectionError("the bank is away")
    print(f"{order.decode()}: charged {price} at attempt {context.attempt}")


async def main() -> None:
    """Run, look at what was given up, mend, replay, run again."""
    async with open_bus("memory://?partitions=1") as bus:
        await bus.publish_batch("orders", [b"chair", b"table", b"lamp"])
        summary = await bus.run(router, burst=True)
        print(f"handled {summary.handled}, failed {summary.failed}")

        letters = bus.dead_letters("orders.dlq")
        async for letter in letters:
            where = f"{letter.topic}/{letter.partition}@{letter.offset}"
            why = f"{letter.error_class} {letter.error} after {letter.attempts} attempt"
            print(f"dead letter of {where} in {letter.handler}: {why}")

        prices[b"lamp"] = 15
        print(f"replayed {(await letters.replay()).replayed}")
        summary = await bus.run(router, burst=True)
        print(f"handled {summary.handled}, failed {summary.failed}")


if __name__ == "__main__":
    asyncio.run(main())
