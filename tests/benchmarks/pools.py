"""
What handlers in threads and processes cost: the pump with a pool beside the pump with one hop per message.

    python -m tests.benchmarks.pools

Ratios within one run only; times are by the clock, since the work is spread over threads and processes.
"""

import argparse
import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import anyio.to_thread
import attrs
from anyio import CapacityLimiter
from tests.benchmarks import crunching
from tests.benchmarks.engine import Engine
from tests.benchmarks.loads import Handler, Load
from tests.benchmarks.measuring import Case, Cost, event_loops, interleave, middle, ratio, table

from partita import Router
from partita.actors.processes import ProcessPool
from partita.backends.memory.records import MemoryRecord
from partita.pools import pool_of

HEADS = ("", "messages / s", "us / message", "CPU us / message here", "x the first")
ORDERS = (("key", 64), ("none", 64), ("partition", 1))
Plain = Callable[[MemoryRecord], None]


def do_nothing(record: MemoryRecord) -> None:
    """A plain handler with nothing to do."""


def block(record: MemoryRecord) -> None:
    """A plain handler that waits for a millisecond."""
    time.sleep(0.001)


async def handled(handler: Callable[..., object], load: Load, order: str, most: int, run: str) -> Cost:
    """The pump over a load, its handler where *run* says; threads and processes are up before it is timed."""
    router = Router(concurrency=most)
    router.handler("orders", run=run)(handler)  # type: ignore[arg-type]
    pool = pool_of(router.routes[0])
    if pool is not None:
        await pool.start()
    try:
        async with Engine(handler, order, most, load.partitions, pool=pool) as engine:
            warm = Load(4 * most, load.partitions, load.keys)
            await engine.handle(list(warm.fetches()), warm.messages)
            while isinstance(pool, ProcessPool) and len(pool.pids) < pool.size:
                more = attrs.evolve(warm, first=engine.owned[0].ledger.position or 0)
                await engine.handle(list(more.fetches()), more.messages)
        async with Engine(handler, order, most, load.partitions, pool=pool) as engine:
            return await engine.handle(list(load.fetches()), load.messages)
    finally:
        if pool is not None:
            await pool.close()


async def hopping(handler: Plain, load: Load, order: str, most: int, library: str) -> Cost:
    """The pump over a load, its handler given to a thread by a library, message by message."""
    limiter = CapacityLimiter(most)

    async def with_anyio(record: MemoryRecord) -> None:
        await anyio.to_thread.run_sync(handler, record, limiter=limiter, abandon_on_cancel=True)

    async def with_asyncio(record: MemoryRecord) -> None:
        await asyncio.to_thread(handler, record)

    hop: Handler = with_anyio if library == "anyio" else with_asyncio
    async with Engine(hop, order, most, load.partitions) as engine:
        return await engine.handle(list(load.fetches()), load.messages)


def threads(messages: int) -> Iterator[tuple[str, Sequence[Case]]]:
    """Quick and blocking handlers in threads."""
    for title, handler, count in (
        ("does nothing", do_nothing, messages),
        ("blocks 1 ms", block, messages // 5),
    ):
        for order, most in ORDERS:
            load = Load(count // (5 if most == 1 else 1))
            cases = [
                Case(f"one {library} hop per message", partial(hopping, handler, load, order, most, library))
                for library in ("anyio", "asyncio")
            ]
            cases.append(Case('run="thread"', partial(handled, handler, load, order, most, "thread")))
            yield f"Handler {title} in a thread; order={order}, concurrency {most}", cases


def processes(messages: int) -> Iterator[tuple[str, Sequence[Case]]]:
    """CPU-bound handlers, in place and in processes."""
    for title, handler, count in (
        ("keeps a core busy for 1 ms", crunching.crunch, messages // 10),
        ("does nothing", crunching.quick, messages),
    ):
        load = Load(count, partitions=4)
        runs = ("inline", "thread", "process")
        cases = [Case(f'run="{run}"', partial(handled, handler, load, "none", 256, run)) for run in runs]
        yield f"Handler {title}; order=none, concurrency 256", cases


def report(title: str, cases: Sequence[Case], rounds: int, runner: asyncio.Runner) -> Iterator[str]:
    """Measure a section, and print it."""
    costs = interleave(cases, rounds, runner)
    first = costs[cases[0].name]
    rows = []
    for name, these in costs.items():
        speed = middle(these, lambda cost: cost.rate)
        cpu = middle(these, lambda cost: cost.cpu_micros)
        times = ratio(these, first, lambda cost: cost.rate)
        rows.append((name, f"{speed:,.0f}", f"{1e6 / speed:.1f}", f"{cpu:.1f}", f"{times:.2f}"))
    yield from table(title, HEADS, rows)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.pools", description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000, help="in each measurement (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts (%(default)s)")
    parser.add_argument("--loop", choices=event_loops(), default="asyncio", help="(%(default)s)")
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=event_loops()[arguments.loop]) as runner:
        for title, cases in (*threads(arguments.messages), *processes(arguments.messages)):
            print(*report(title, cases, arguments.rounds, runner), sep="\n", flush=True)


if __name__ == "__main__":
    main()
