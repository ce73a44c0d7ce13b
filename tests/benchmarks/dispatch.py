"""
What dispatch, order and ledger cost, without a broker: `python -m tests.benchmarks.dispatch`.

The pump is compared with bare loops over the same messages in the same run, round by round. Costs are CPU
time; they move with the machine, the ratios do not.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from itertools import islice

import attrs
from tests.benchmarks.engine import Engine
from tests.benchmarks.loads import (
    FETCH,
    Handler,
    Load,
    bare_loop,
    bare_tasks,
    do_nothing,
    fetch_of,
    record_at,
    suspend_once,
    suspend_rarely,
)
from tests.benchmarks.measuring import Case, Cost, event_loops, interleave, middle, ratio, resident, table

from partita.backends.memory.records import MemoryRecord
from partita.core.flow import DEFAULT_OPEN, FlowGate
from partita.core.ports import Fetch

TASKS = 16
PIECE = 100 * FETCH  # messages fed at once where they are too many to hold
HEADS = ("", "messages / CPU second", "us / message", "over the first, us", "x the first")


async def pumped(load: Load, handler: Handler, order: str) -> Cost:
    """The pump over the messages of a load."""
    async with Engine(handler, order, TASKS, load.partitions) as engine:
        return await engine.handle(list(load.fetches()), load.messages)


async def beside_a_hung_one(load: Load, waiting: int) -> Cost:
    """The pump over a load in a partition whose first message hangs, with others of its key behind it."""
    never = asyncio.Event()

    async def handle(record: MemoryRecord) -> None:
        await (never.wait() if record.key == b"hung" else asyncio.sleep(0))

    wide = partial(FlowGate, most_open=2 * waiting + DEFAULT_OPEN, most_span=1 << 40)
    async with Engine(handle, "key", TASKS, gate=wide) as engine:
        if waiting:
            engine.feed(fetch_of([record_at(0, offset, b"hung") for offset in range(waiting)]))
        while len(engine.owned[0].open) < waiting:
            await asyncio.sleep(0)
        return await engine.handle(list(load.fetches()), load.messages)


def endless() -> Iterator[Fetch]:
    """One partition for ever, made as it is read."""
    offset = 0
    while True:
        yield fetch_of([record_at(0, each, b"%d" % each) for each in range(offset, offset + FETCH)])
        offset += FETCH


async def growth(messages: int) -> Sequence[tuple[int, float]]:
    """Megabytes after a tenth of the messages and after all of them; every key is a new one."""
    found, fetches = list[tuple[int, float]](), endless()
    async with Engine(suspend_rarely, "key", TASKS) as engine:
        done = 0
        for goal in (messages // 10, messages):
            while done < goal:
                await engine.handle(islice(fetches, PIECE // FETCH), PIECE)
                done += PIECE
            found.append((done, resident()))
    return found


@attrs.frozen
class Section:
    """One table: what is compared, the first row with all others."""

    title: str
    cases: Sequence[Case]


def sections(messages: int) -> Iterator[Section]:
    """All tables but that of the memory; each load is made when its table is due."""
    load = Load(messages)
    for title, handler in (("does not suspend", do_nothing), ("suspends once", suspend_once)):
        cases = [Case("bare loop", partial(bare_loop, load, handler))]
        if handler is suspend_once:
            cases.append(Case(f"{TASKS} bare tasks", partial(bare_tasks, load, handler, TASKS)))
        for order in ("partition", "key", "none"):
            cases.append(Case(f"pump, order={order}", partial(pumped, load, handler, order)))
        yield Section(f"Handler {title}; 1 partition, 1,000 keys, concurrency {TASKS}", cases)
    for title, handler in (("does not suspend", do_nothing), ("suspends once", suspend_once)):
        # Enough for a fetch of the same length from each partition.
        loads = [Load(max(messages, 1_000 * FETCH), partitions=number) for number in (1, 4, 1_000)]
        cases = [Case(f"{each.partitions:,} partitions", _keyed(each, handler)) for each in loads]
        yield Section(f"Partitions: order=key, handler {title}", cases)
    loads = [Load(max(messages, keys), keys=keys) for keys in (1_000, 10, 1_000_000)]
    cases = [Case(f"{each.keys:,} keys", _keyed(each, suspend_once)) for each in loads]
    yield Section("Keys: order=key, handler suspends once", cases)
    cases = [
        Case(f"{waiting:,} open", partial(beside_a_hung_one, Load(messages, first=waiting), waiting))
        for waiting in (0, DEFAULT_OPEN - 2 * TASKS, 20_000)
    ]
    yield Section("Open messages behind one that hangs: order=key, handler suspends once, wide gate", cases)


def _keyed(load: Load, handler: Handler) -> Callable[[], Awaitable[Cost]]:
    return partial(pumped, load, handler, "key")


def report(section: Section, rounds: int, runner: asyncio.Runner) -> Iterator[str]:
    """Measure a section, and print it."""
    costs = interleave(section.cases, rounds, runner)
    first = costs[section.cases[0].name]
    rows = []
    for name, these in costs.items():
        micros = middle(these, lambda cost: cost.cpu_micros)
        over = micros - middle(first, lambda cost: cost.cpu_micros)
        times = ratio(these, first, lambda cost: cost.cpu_micros)
        speed = middle(these, lambda cost: cost.cpu_rate)
        rows.append((name, f"{speed:,.0f}", f"{micros:.3f}", f"{over:+.3f}", f"{times:.2f}"))
    yield from table(section.title, HEADS, rows)


def main() -> None:
    """Print all tables for each event loop that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.dispatch", description=__doc__)
    parser.add_argument("--messages", type=int, default=400_000, help="in each measurement (%(default)s)")
    parser.add_argument("--memory", type=int, default=5_000_000, help="for the memory; 0: not (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts (%(default)s)")
    parser.add_argument("--loop", choices=event_loops(), default="asyncio", help="(%(default)s)")
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=event_loops()[arguments.loop]) as runner:
        if arguments.memory:
            # First, while the loads of the tables do not hide what grows.
            found = runner.run(growth(arguments.memory))
            rows = [(f"{count:,}", f"{size:.1f}", f"{size / found[0][1]:.3f}") for count, size in found]
            print(*table("Memory", ("messages", "MB resident", "x the first"), rows), sep="\n")
        for section in sections(arguments.messages):
            print(*report(section, arguments.rounds, runner), sep="\n", flush=True)


if __name__ == "__main__":
    main()
