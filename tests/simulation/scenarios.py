"""Routers of every kind, one for each seed: order, concurrency, retries, dead letters, timeouts, results."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random

from partita import Message, Outgoing, Retry, RouteOptions, Router

MESSAGES = 200
TOPIC, LETTERS, RESULTS = "orders", "orders.dead", "bills"

Messages = Mapping[str, Sequence[Outgoing]]


def scenario(seed: int) -> tuple[Router, Messages]:
    """The router and the messages of a seed."""
    chance = Random(f"scenario {seed}")
    router = Router(**_options(chance))
    router.handler(TOPIC)(_handler(chance))
    if chance.random() < 0.3:
        # Two handlers, two orders, one partition.
        other = RouteOptions(kind="refund", concurrency=chance.choice((1, 4)))
        other["order"] = chance.choice(("partition", "key", "none"))
        router.handler(TOPIC, **other)(_refund)
    if chance.random() < 0.2:
        # A member of two groups reads the same topic for each.
        router.handler(TOPIC, group="audit", order="key")(_audit)
    return router, {TOPIC: _messages(chance)}


def _options(chance: Random) -> RouteOptions:
    options = RouteOptions(
        order=chance.choice(("partition", "key", "none")),
        concurrency=chance.choice((1, 2, 8, 64)),
        null_key=chance.choice(("none", "serial")),
        retry=Retry(attempts=chance.choice((1, 2, 5)), backoff=chance.choice((0.0, 0.05, 0.2))),
    )
    if chance.random() < 0.4:
        options["timeout"] = chance.choice((0.05, 0.5))
    if chance.random() < 0.3:
        options["to"] = RESULTS
    if chance.random() < 0.1:
        options["rate"] = 100.0
    if chance.random() < 0.2:
        options["key_from"] = _first_digit
    end = chance.choice(("dead letter", "drop", "park"))
    if end == "dead letter":
        options["dead_letter"] = LETTERS
    elif end == "drop":
        options["on_exhausted"] = "drop"
    return options


def _handler(chance: Random) -> Callable[..., object]:
    """Handlers that never wait, always wait, and wait as it comes; some are plain functions."""
    waits = chance.choice((0.0, 0.5, 1.0))
    longest = chance.choice((0.0, 0.02, 0.1))
    chosen = Random(chance.random())

    async def handle(message: Message) -> bytes:
        if chosen.random() < waits:
            await asyncio.sleep(chosen.random() * longest)
        return _bill(message)

    def blocking(message: Message) -> bytes:
        return _bill(message)

    return blocking if chance.random() < 0.1 else handle


async def _refund(message: Message) -> None:
    await asyncio.sleep(0.005)


async def _audit(message: Message) -> None:
    await asyncio.sleep(0)


def _first_digit(message: Message) -> bytes:
    return (message.value or b"")[6:7]


def _bill(message: Message) -> bytes:
    value = message.value or b""
    if value.startswith(b"poison"):
        raise ValueError("poison")
    return b"bill for " + value


def _messages(chance: Random) -> Sequence[Outgoing]:
    """Of few keys or many, some without one; in some worlds a few that no handler can handle."""
    keys = [b"key %d" % number for number in range(chance.choice((3, 20, 100)))]
    poison = chance.choice((0.0, 0.0, 0.01, 0.05))
    messages = []
    for number in range(MESSAGES):
        kind = b"poison" if chance.random() < poison else b"order"
        key = None if chance.random() < 0.1 else chance.choice(keys)
        headers = [("type", b"refund")] if chance.random() < 0.3 else []
        messages.append(Outgoing(b"%s %d" % (kind, number), key=key, headers=headers))
    return messages
