"""
Rows 1, 2, 8 and 100: the only broker is killed or frozen, and is back; `python -m tests.chaos.broker_down`.

A worker process on a broker of its own, NATS and then Kafka. While the broker is away health is red with the
cause, the worker uses less than 5 % of a processor and logs at most one line a second for one cause; it is
at work again within 20 s (Kafka) or 5 s (NATS) of the broker's return, in the same process. A number of
seconds as argument is how long the broker stays away; default 60, so that all takes about five minutes.
"""

import asyncio
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.brokers import Server, running
from tests.faults.outages import MODULE, Meanwhile, publish, watch
from tests.workers import running as workers

from partita import open_bus

HEAL_SECONDS = {"kafka": 20.0, "nats": 5.0}
RED_SECONDS = 15.0


async def red_after(url: str, server: Server, away: str) -> float:
    """Seconds from the fault until health is red, in this process, which has a member of its own group."""

    async def ignore(value: bytes) -> None:
        """Handle."""

    async with open_bus(url) as bus:
        await bus.subscribe("orders", ignore, group="watched")
        await asyncio.to_thread(getattr(server, away))
        began = time.monotonic()
        while (await bus.health_check(timeout=10.0)).healthy:
            assert time.monotonic() - began < RED_SECONDS, "not red in time"
            await asyncio.sleep(0.05)
        return time.monotonic() - began


def story(broker: str, away: str, back: str, seconds: float) -> str:
    """One fault from its beginning to the first message after it."""
    with tempfile.TemporaryDirectory() as name, running(broker, Path(name) / "data") as server:
        folder, url = Path(name), f"{broker}://{server.address}"
        (folder / "working.py").write_text(MODULE)
        publish(url, b"first", create=True)
        arguments = ("run", "working:router", "--bus", url, "--group", "g", "--log-format", "json")
        with workers.running(folder, *arguments) as worker:
            worker.says("handled first")
            red = asyncio.run(red_after(url, server, away))
            meanwhile: Meanwhile = watch(worker, seconds)
            getattr(server, back)()
            began = time.monotonic()
            publish(url, b"second")
            worker.says("handled second")
            healed = time.monotonic() - began
            # A member whose session is over has to join again before it can commit.
            watch(worker, 10.0)
            worker.send(signal.SIGTERM)
            code = worker.ends()
    told = (
        f"{broker} {away}: red after {red:.1f} s, {meanwhile.share:.2%} of a processor and at most "
        f"{meanwhile.lines} lines a second for one cause in {seconds:g} s, first message {healed:.1f} s "
        f"after its return, exit code {code}"
    )
    print(told, flush=True)
    assert meanwhile.share < 0.05
    assert meanwhile.lines <= 1, meanwhile.cause
    assert healed <= HEAL_SECONDS[broker]
    assert code == 0
    return told


if __name__ == "__main__":
    away_for = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    for kind in ("nats", "kafka"):
        story(kind, "kill", "start", away_for)
        story(kind, "freeze", "thaw", away_for)
    print("rows 1, 2, 8 and 100: all is well")
