"""
Handlers that take and return classes of your own: attrs here; dataclasses, msgspec and pydantic work alike.

    python examples/typed_payloads.py
"""

import asyncio
from datetime import date
from decimal import Decimal

import attrs

from partita import Outgoing, Router, open_bus

router = Router()


@attrs.frozen
class Order:
    """What a shop sends."""

    number: int
    price: Decimal
    due: date
    notes: list[str] = attrs.field(factory=list)


@attrs.frozen
class Bill:
    """What becomes of it."""

    order: int
    total: Decimal


@router.handler("orders", to="bills", dead_letter="orders.dlq")
async def charge(order: Order) -> Bill:
    """The payload is decoded for the parameter, and the result encoded for the topic."""
    return Bill(order.number, order.price * Decimal("1.19"))


@router.handler("bills")
async def book(bill: Bill) -> None:
    """Nothing here knows of JSON."""
    print(f"order {bill.order}: {bill.total}")


async def main() -> None:
    """One order as a value, and one that no handler can read."""
    async with open_bus("memory://?partitions=1") as bus:
        await bus.publish("orders", Order(7, Decimal("10.00"), date(2026, 3, 1)))
        await bus.publish_batch("orders", [b'{"number": "eight"}', Outgoing(b"{}", key=b"9")])
        summary = await bus.run(router, burst=True)
        async for letter in bus.dead_letters("orders.dlq"):
            print(f"{letter.topic}/{letter.partition}@{letter.offset}: {letter.error}")
    print(f"handled {summary.handled}, failed {summary.failed}")


if __name__ == "__main__":
    asyncio.run(main())
