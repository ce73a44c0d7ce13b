"""
A long-lived task of your own beside the handlers: it fails, is called again, and ends with the bus.

    python examples/supervised_actor.py
"""

import asyncio
import logging

from partita import open_bus

# What the supervisor says of a failure is a warning; here the output is to be the example's own.
logging.getLogger("partita").addHandler(logging.NullHandler())


async def main() -> None:
    """A thermometer that is unplugged once, and whose readings are handled."""
    readings, enough = iter([21, 22, None, 23]), asyncio.Event()

    async with open_bus("memory://?partitions=1") as bus:

        async def thermometer() -> None:
            print("the thermometer is connected")
            for reading in readings:
                if reading is None:
                    raise ValueError("unplugged")
                await bus.publish("degrees", b"%d" % reading)
            await asyncio.Event().wait()

        async def show(degrees: bytes) -> None:
            print(f"{degrees.decode()} degrees")
            if degrees == b"23":
                enough.set()

        await bus.subscribe("degrees", show, group="display")
        task = bus.supervise(thermometer, name="thermometer")
        await enough.wait()
        part = (await bus.health_check()).parts["task thermometer"]
        print(f"called {task.calls} times; healthy: {part.healthy} ({part.reason})")
    print(f"running: {task.running}")


if __name__ == "__main__":
    asyncio.run(main())
