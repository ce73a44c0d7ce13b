"""
Use the bus inside a program of your own: publish, subscribe, look at its health, drain.

    python examples/embed_in_your_app.py
"""

import asyncio

from partita import Context, Message, open_bus


async def main() -> None:
    """An application that takes five orders and waits until they are shipped."""
    shipped = asyncio.Event()
    count = 0

    async def ship(order: Message, context: Context) -> None:
        nonlocal count
        count += 1
        print(f"shipping order {order.offset} for {(order.key or b'').decode()}")
        if count == 5:
            shipped.set()

    async with open_bus("memory://?partitions=1") as bus:
        subscription = await bus.subscribe("orders", ship, group="warehouse")
        for _ in range(4):
            await bus.publish("orders", b"one chair", key=b"customer 7")
        delivery = bus.send("orders", b"one table", key=b"customer 7")
        receipt = await delivery
        await shipped.wait()
        health = await bus.health_check()
        await subscription.drain()
    print(f"the last order is {receipt.topic}/{receipt.partition}@{receipt.offset}")
    print(f"healthy: {health.healthy}")


if __name__ == "__main__":
    asyncio.run(main())
