"""
Publishing to a real Kafka broker beside other libraries: `python -m tests.benchmarks.publishing`.

1 KB messages to a topic with 4 partitions; 100 callers at once, each awaiting its acknowledgement (acks=all).
Each row is a process of its own with a topic of its own; they take turns, and medians of these are printed.
FastStream is installed into a virtual environment of its own; Watermill and Sarama are built where Go is.
"""

import argparse
import asyncio
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import attrs
from tests.benchmarks.kafka import broker
from tests.benchmarks.measuring import Cost, event_loops, middle, ratio, table
from tests.benchmarks.peers.faststream import python_with_faststream
from tests.benchmarks.peers.golang import built
from tests.benchmarks.peers.programs import PeerFailed, Turns, taking_turns

from partita import open_bus

PARTITIONS, CALLERS, KEYS = 4, 100, 100_000
DEADLINE = 300.0
PUBLISHERS = Path(__file__).parent / "peers" / "publishers.py"
HEADS = ("", "messages / s", "messages / CPU second", "mean ms", "p50 ms", "p99 ms", "MB resident")
OURS, KEYED, CLIENT = "partita", "partita, keyed", "aiokafka send_and_wait"
FASTSTREAM, WATERMILL, SARAMA = "FastStream", "Watermill", "Sarama SyncProducer"


@attrs.frozen
class Waited(Cost):
    """
    What publishing took, and how long callers waited.

    Args:
        mean, median, p99: milliseconds from a call to its acknowledgement.
        resident: megabytes that the process had at the end.
    """

    mean: float
    median: float
    p99: float
    resident: float


@attrs.frozen
class Row:
    """One row of the table: what it is called, and the command that measures it, its topic left out."""

    name: str
    command: Callable[[str, str], Sequence[str]]


@attrs.frozen
class Claim:
    """
    What a ratio of two rows has to be.

    Args:
        what: is compared.
        ours, theirs: the rows.
        value: of a row.
        limit: of the ratio.
        at_least: whether it is to be above the limit; else below.
    """

    what: str
    ours: str
    theirs: str
    value: Callable[[Waited], float]
    limit: float
    at_least: bool = True

    def told(self, costs: Mapping[str, Sequence[Waited]]) -> str:
        """One line: the ratio, and the limit beside it."""
        found = ratio(costs[self.ours], costs[self.theirs], self.value)
        sign, holds = (">=", found >= self.limit) if self.at_least else ("<=", found <= self.limit)
        verdict = "" if holds else "   falls short"
        return f"{self.what}, {self.ours} : {self.theirs}: {found:.2f} (limit {sign} {self.limit}){verdict}"


def claims(loop: str) -> Sequence[Claim]:
    """What has to hold for the rows of one event loop."""
    ours, keyed, client, faststream = (f"{name}, {loop}" for name in (OURS, KEYED, CLIENT, FASTSTREAM))
    return [
        Claim("messages / s", ours, WATERMILL, lambda cost: cost.rate, 2.0),
        Claim("messages / CPU second", ours, WATERMILL, lambda cost: cost.cpu_rate, 2.0),
        Claim("p99", ours, WATERMILL, lambda cost: cost.p99, 0.5, False),
        Claim("messages / s", ours, SARAMA, lambda cost: cost.rate, 1.3),
        Claim("messages / s", ours, client, lambda cost: cost.rate, 3.0),
        Claim("messages / s", ours, faststream, lambda cost: cost.rate, 4.0),
        Claim("MB resident", ours, client, lambda cost: cost.resident, 1.6, False),
        Claim("messages / s", keyed, ours, lambda cost: cost.rate, 0.6),
    ]


@attrs.frozen
class Sizes:
    """How many messages warm up and are measured in a turn; callers; keys."""

    warm: int
    messages: int
    callers: int = CALLERS
    keys: int = 0


def python_row(name: str, library: str, loop: str, sizes: Sizes, python: str = sys.executable) -> Row:
    """A library in Python, on one event loop."""
    # -P: or the folder of the program would be looked in for modules first.
    program = [python, "-P", str(PUBLISHERS), library]
    counts = [str(sizes.warm), str(sizes.callers), loop, str(sizes.keys)]
    return Row(f"{name}, {loop}", lambda address, topic: [*program, address, topic, *counts])


def go_row(name: str, program: Path, library: str, sizes: Sizes) -> Row:
    """A library in Go."""
    counts = [str(sizes.warm), str(sizes.callers)]
    return Row(name, lambda address, topic: [str(program), library, address, topic, *counts])


def rows(loops: Sequence[str], sizes: Sizes) -> Iterator[Row]:
    """All rows that can be measured here; says why the others are left out."""
    for loop in loops:
        yield python_row(OURS, "partita", loop, sizes)
        yield python_row(KEYED, "partita", loop, attrs.evolve(sizes, keys=KEYS))
        yield python_row(CLIENT, "aiokafka", loop, sizes)
    try:
        python = str(python_with_faststream())
        yield from (python_row(FASTSTREAM, "faststream", loop, sizes, python) for loop in loops)
    except PeerFailed as error:
        print(f"{FASTSTREAM} is left out: {error}", flush=True)
    try:
        program = built("publish")
        yield go_row(WATERMILL, program, "watermill", sizes)
        yield go_row(SARAMA, program, "sarama", sizes)
    except PeerFailed as error:
        print(f"{WATERMILL} and {SARAMA} are left out: {error}", flush=True)


@asynccontextmanager
async def topics(address: str, count: int) -> AsyncIterator[Sequence[str]]:
    """New topics, deleted at the end."""
    names = [f"benchmark.{uuid.uuid4().hex[:10]}" for _ in range(count)]
    async with open_bus(f"kafka://{address}") as bus:
        for name in names:
            await bus.create_topic(name, partitions=PARTITIONS)
        yield names
        for name in names:
            await bus.delete_topic(name)


def measured(programs: Sequence[Turns], messages: int, rounds: int) -> Mapping[str, Sequence[Waited]]:
    """What each program took, turn by turn, so that whatever else the machine does meets all of them."""
    costs: dict[str, list[Waited]] = {each.name: [] for each in programs}
    for _ in range(rounds):
        for program in programs:
            seconds, cpu, *rest = map(float, program.take(str(messages), DEADLINE).split())
            costs[program.name].append(Waited(messages, seconds, cpu, *rest))
    return costs


async def report(address: str, loops: Sequence[str], arguments: argparse.Namespace) -> None:
    """Measure everything and print it, and the ratios that have to hold."""
    found = list(rows(loops, Sizes(arguments.warm, arguments.messages)))
    async with topics(address, len(found)) as names:
        with ExitStack() as stack:
            programs = [
                stack.enter_context(taking_turns(row.name, row.command(address, topic)))
                for row, topic in zip(found, names, strict=True)
            ]
            costs = await asyncio.to_thread(measured, programs, arguments.messages, arguments.rounds)
    title = f"median of {arguments.rounds} turns of {arguments.messages} messages, 1 KB, {CALLERS} callers"
    print(*table(title, HEADS, [cells(name, these) for name, these in costs.items()]), "", sep="\n")
    for loop in loops:
        told = [each.told(costs) for each in claims(loop) if {each.ours, each.theirs} <= costs.keys()]
        print(*told, sep="\n", flush=True)


def cells(name: str, these: Sequence[Waited]) -> Sequence[str]:
    """One row of the table."""

    def median(value: Callable[[Waited], float]) -> float:
        return middle(these, value)

    times = (median(lambda cost: cost.mean), median(lambda cost: cost.median), median(lambda cost: cost.p99))
    rates = (median(lambda cost: cost.rate), median(lambda cost: cost.cpu_rate))
    return [
        name,
        *(f"{each:,.0f}" for each in rates),
        *(f"{each:.2f}" for each in times),
        f"{median(lambda cost: cost.resident):.0f}",
    ]


def main() -> None:
    """Print the table and the ratios."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.publishing", description=__doc__)
    parser.add_argument("--bus", help="kafka://HOST:PORT; default: a broker that is started for the run")
    parser.add_argument("--messages", type=int, default=20_000, help="measured in a turn (%(default)s)")
    parser.add_argument("--warm", type=int, default=10_000, help="published before (%(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="of which the median counts (%(default)s)")
    parser.add_argument("--loop", choices=event_loops(), action="append", help="default: all installed")
    arguments = parser.parse_args()
    with broker(arguments.bus) as address:
        asyncio.run(report(address, arguments.loop or list(event_loops()), arguments))


if __name__ == "__main__":
    main()
