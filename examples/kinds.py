"""
Several kinds of message on one topic: the header "type" picks the handler, and results are published.

    python examples/kinds.py
"""

import asyncio

from partita import Context, Router, open_bus

router = Router(kind_header="type")


@router.handler("orders", kind="refund", to="bills")
async def refund(order: bytes) -> bytes:
    """A refund becomes a bill with a minus."""
    return b"-" + order


@router.handler("orders", to="bills")
async def charge(order: bytes) -> bytes:
    """Every other kind becomes a bill."""
    return b"+" + order


@router.handler("bills")
def book(bill: bytes, context: Context) -> None:
    """A plain function runs in a thread, so it may block."""
    print(f"booked {bill.decode()} at {context.topic}/{context.partition}@{context.offset}")


async def main() -> None:
    """One order and one refund, in order, on one partition."""
    async with open_bus("memory://?partitions=1") as bus:
        await bus.publish("orders", b"12.50", headers=[("type", b"sale")])
        await bus.publish("orders", b"3.00", headers=[("type", b"refund")])
        summary = await bus.run(router, burst=True)
    print(f"handled {summary.handled}, failed {summary.failed}")


if __name__ == "__main__":
    asyncio.run(main())
