"""
Run a handler under crashes, rebalances and lost answers, and look at what it comes to.

    python examples/test_your_handlers.py
"""

import asyncio

from partita import Message, Outgoing, Router
from partita.testing import simulate

PAYMENTS = [Outgoing(b"%d" % number, key=b"account %d" % (number % 7)) for number in range(200)]

router = Router()
books: dict[bytes, bytes | None] = {}
entries: list[bytes | None] = []


@router.handler("payments", order="key", concurrency=8)
async def book(message: Message) -> None:
    """Book a payment twice: under its number, as one should, and at the end of a list."""
    await asyncio.sleep(0.01)
    books[message.value or b""] = message.key
    entries.append(message.value)


def main() -> None:
    """Twenty worlds, each with its own faults. A broken promise of partita's would raise here."""
    kinds: set[str] = set()
    twice = 0
    for seed in range(20):
        books.clear()
        entries.clear()
        run = simulate(router, {"payments": PAYMENTS}, seed=seed)
        assert books == {payment.value: payment.key for payment in PAYMENTS}, run
        twice += len(entries) > len(PAYMENTS)
        kinds.update(run.faults)
    print(f"crashes, expulsions, lost commits: {kinds >= {'crash', 'expel', 'lost commit'}}")
    print("books kept by number: right in all 20 worlds")
    print(f"books kept as a list: wrong in {'some' if twice else 'none'} of them")


if __name__ == "__main__":
    main()
