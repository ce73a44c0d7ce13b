"""
Publish one message and handle it, in one process and without a broker.

    python examples/hello.py
"""

import asyncio

from partita import Message, Router, open_bus

router = Router()


@router.handler("greetings")
async def greet(message: Message) -> None:
    """Print a greeting and where it stood."""
    name = (message.value or b"nobody").decode()
    print(f"hello {name}, from {message.topic} at offset {message.offset}")


async def main() -> None:
    """Publish, then handle everything there is."""
    async with open_bus("memory://") as bus:
        await bus.publish("greetings", b"world")
        summary = await bus.run(router, burst=True)
    print(f"handled {summary.handled}, failed {summary.failed}")


if __name__ == "__main__":
    asyncio.run(main())
