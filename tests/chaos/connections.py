"""
Connections over time, on a Kafka and a NATS of its own: `python -m tests.chaos.connections`.

Counted from the process's table of sockets under load, while everything is asked for, after 30 s without
a message, and after the broker was killed and has come back. Takes about two minutes.
"""

import asyncio
import tempfile
import time
from pathlib import Path

from tests.brokers import Server, running
from tests.faults.load import Load, load
from tests.faults.sockets import connections, port_of

ALLOWED = {"kafka": 4, "nats": 2}
IDLE_SECONDS = 30.0


async def scenario(kind: str, server: Server) -> None:
    """Load, questions, silence, a restart: never more than what is allowed, and that many afterwards."""
    port, allowed = port_of(server.address), ALLOWED[kind]
    async with load(f"{kind}://{server.address}", port) as used:
        await used.goes_on()
        await used.ask()
        told = {"under load and asked": used.most}
        told["after 30 s without a message"] = await idle(used, port)
        used.most = 0
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        await used.goes_on()
        await used.ask()
        told["after a restart, the most"] = used.most
        told["after a restart"] = connections(port)
    told["closed"] = connections(port)
    print(kind, told)
    assert all(count <= allowed for count in told.values()), told
    assert told["under load and asked"] == told["after a restart"] == allowed
    assert told["closed"] == 0


async def idle(used: Load, port: int) -> int:
    """The most connections in half a minute in which nothing is published."""
    used.going.clear()
    used.most = 0
    end = time.monotonic() + IDLE_SECONDS
    while time.monotonic() < end:
        await asyncio.sleep(1.0)
    count = max(used.most, connections(port))
    used.going.set()
    return count


def main() -> None:
    """Run it on both."""
    for kind in ALLOWED:
        with tempfile.TemporaryDirectory() as folder, running(kind, Path(folder)) as server:
            asyncio.run(scenario(kind, server))


if __name__ == "__main__":
    main()
