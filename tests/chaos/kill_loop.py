"""
Row 43: workers are killed every five seconds; `python -m tests.chaos.kill_loop [SECONDS] [SEED]`.

Two worker processes; one of them is ended by `kill -9` at a random moment and replaced. At the end:
everything is handled, keys are in order, no commit covers what is not done, and what repeated was open or
not yet committed at a kill. 300 s unless told.
"""

import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.kafka import kafka
from tests.faults.commits import Committed
from tests.faults.eventlog import Event
from tests.faults.invariants import Place, all_handled, commits_are_safe, in_key_order, repeated
from tests.faults.members import Group
from tests.faults.processes import Fleet, fleet

SHORT = {"session_timeout_ms": "1500", "heartbeat_interval_ms": "300"}
EVERY = 5.0


async def loop(used: Group, workers: Fleet, seconds: float, chance: random.Random) -> dict[str, Committed]:
    """Kill and replace; returns what was committed when each was dead."""
    running = {name: await workers.start(name, options=SHORT) for name in ("w0", "w1")}
    killed: dict[str, Committed] = {}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.sleep(EVERY * chance.uniform(0.6, 1.4))
        name = chance.choice(list(running))
        await running.pop(name).kill()
        killed[name] = await used.watch.look()
        successor = f"w{len(killed) + 1}"
        running[successor] = await workers.start(successor, options=SHORT)
    return killed


def may_repeat(events: list[Event], killed: dict[str, Committed]) -> set[Place]:
    """What each killed worker had started and the broker did not know to be done."""
    return {
        each.place for each in events if each.worker in killed and not killed[each.worker].covers(*each.place)
    }


async def scenario(address: str, folder: Path, seconds: float, seed: int) -> None:
    """The whole loop, and the verdict."""
    work = "await asyncio.sleep(0.003)"
    async with fleet(address, folder, work, 'order="key", concurrency=16') as (used, workers):
        async with used.load(20):
            killed = await loop(used, workers, seconds, random.Random(seed))
        await used.all_done()
        events, answers, published = used.log.events, used.watch.answers, list(used.published)
    again = repeated(events)
    print(
        f"{len(killed)} kills in {seconds:g} s, seed {seed}: {len(published)} messages, "
        f"{len(again)} repeated, {len(again) / len(killed):.0f} a kill"
    )
    all_handled(events, published)
    in_key_order(events)
    commits_are_safe(events, answers)
    assert again <= may_repeat(events, killed)


def main() -> None:
    """Run it."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 300.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with kafka() as address, tempfile.TemporaryDirectory() as folder:
        asyncio.run(scenario(address, Path(folder), seconds, seed))


if __name__ == "__main__":
    main()
