"""
Consuming from a real Kafka broker beside other libraries: `python -m tests.benchmarks.consuming`.

1 KB messages in 4 partitions, handlers that do nothing. Each row is a process of its own with a group of its
own; rounds are interleaved and medians printed, ratios are the median of those of each round.
FastStream is installed into a virtual environment of its own; Watermill and Sarama are built where Go is.
"""

import argparse
import asyncio
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
from tests.benchmarks.brokered import Topic, filled
from tests.benchmarks.kafka import broker
from tests.benchmarks.measuring import Cost, event_loops, middle, ratio, table
from tests.benchmarks.peers.faststream import python_with_faststream
from tests.benchmarks.peers.golang import built
from tests.benchmarks.peers.programs import PeerFailed, output

from partita import open_bus

DEADLINE = 300.0
SLOW = 20_000  # messages for a library that would take minutes for all
CONSUMERS = Path(__file__).with_name("consumers.py")
HEADS = ("", "messages / s", "x bare", "messages / CPU second", "x bare", "us / message", "MB resident")
BARE, PUBLIC, LAZY = "bare getmany loop", "partita, the client's records", "partita"
FASTSTREAM, WATERMILL, SARAMA = "FastStream", "Watermill router", "Sarama consumer group"
SIZES = (128, 256, 512, 1024)  # KiB per partition and fetch
LAYERS = ("bytes", "record", "message", "middleware", "decoded", "tracing", "to")


@attrs.frozen
class Read(Cost):
    """What reading took; *resident*: the most megabytes that the process had."""

    resident: float


@attrs.frozen
class Row:
    """
    One row of a table.

    Args:
        name: what it is called.
        command: what measures it, but for where it reads.
        messages: how many it reads; None: all that there are.
        flags: whether its arguments have names.
    """

    name: str
    command: Sequence[str]
    messages: int | None = None
    flags: bool = True

    def measured(self, topic: Topic, messages: int) -> Read:
        """Measure it once. Raises PeerFailed."""
        count, group = min(self.messages or messages, messages), f"benchmark.{uuid.uuid4().hex[:10]}"
        where = [topic.address, topic.name, group, str(count)]
        if self.flags:
            names = ("--address", "--topic", "--group", "--messages")
            where = [each for pair in zip(names, where, strict=True) for each in pair]
        seconds, cpu, resident = map(float, output(self.name, [*self.command, *where], DEADLINE).split())
        return Read(count, seconds, cpu, resident)


@attrs.frozen
class Claim:
    """What a ratio of two rows has to be: *limit* or more, or less if not *at_least*."""

    ours: str
    theirs: str
    limit: float
    value: Callable[[Read], float] = lambda cost: cost.rate
    what: str = "messages / s"
    at_least: bool = True

    def told(self, costs: Mapping[str, Sequence[Read]]) -> str:
        """One line: the ratio, and the limit beside it."""
        found = ratio(costs[self.ours], costs[self.theirs], self.value)
        holds = found >= self.limit if self.at_least else found <= self.limit
        sign, verdict = ">=" if self.at_least else "<=", "" if holds else "   falls short"
        return f"{self.what}, {self.ours} : {self.theirs}: {found:.2f} (limit {sign} {self.limit}){verdict}"


def python_row(name: str, program: str, loop: str, *more: str) -> Row:
    """A program in Python on one event loop."""
    command = [sys.executable, "-m", "tests.benchmarks.consumers", program, *more]
    return Row(f"{name}, {loop}", [*command, *(["--uvloop"] if loop == "uvloop" else [])])


def rows(loops: Sequence[str]) -> Iterator[Row]:
    """All rows that can be measured here; says why the others are left out."""
    for loop in loops:
        yield python_row(BARE, "getmany", loop)
        yield python_row(PUBLIC, "partita", loop, "--option", "record_reader=client")
        yield python_row(LAZY, "partita", loop)
    try:
        python = str(python_with_faststream())
        yield Row(FASTSTREAM, [python, "-P", str(CONSUMERS), "faststream"], SLOW)
    except PeerFailed as error:
        print(f"{FASTSTREAM} is left out: {error}", flush=True)
    try:
        program = str(built("consume"))
        yield Row(WATERMILL, [program, "watermill"], flags=False)
        yield Row(SARAMA, [program, "sarama"], flags=False)
    except PeerFailed as error:
        print(f"{WATERMILL} and {SARAMA} are left out: {error}", flush=True)


def claims(loop: str) -> Sequence[Claim]:
    """What has to hold for the rows of one event loop."""
    lazy, public, bare = (f"{name}, {loop}" for name in (LAZY, PUBLIC, BARE))
    return [
        Claim(public, bare, 0.9),
        Claim(lazy, bare, 1.8),
        Claim(lazy, bare, 1.8, lambda cost: cost.cpu_rate, "messages / CPU second"),
        Claim(lazy, WATERMILL, 2.2),
        Claim(lazy, SARAMA, 0.6),
        Claim(lazy, FASTSTREAM, 20.0),
        Claim(lazy, bare, 1.15, lambda cost: cost.resident, "MB resident", False),
    ]


def curve(loop: str) -> Iterator[Row]:
    """The lazy way with each size of a fetch."""
    for size in SIZES:
        option = f"max_partition_fetch_bytes={size * 1024}"
        yield python_row(f"partita, {size} KiB", "partita", loop, "--option", option)


def layers(loop: str) -> Iterator[Row]:
    """What each layer costs."""
    for name in LAYERS:
        row = python_row(f"a handler: {name}", "partita", loop, "--handler", name)
        yield attrs.evolve(row, messages=50_000) if name == "to" else row


def interleaved(found: Sequence[Row], topic: Topic, messages: int, rounds: int) -> Mapping[str, list[Read]]:
    """Each row in each round."""
    costs: dict[str, list[Read]] = {row.name: [] for row in found}
    for _ in range(rounds):
        for row in found:
            costs[row.name].append(row.measured(topic, messages))
    return costs


def cells(name: str, these: Sequence[Read], first: Sequence[Read]) -> Sequence[str]:
    """One row of the table."""
    return [
        name,
        f"{middle(these, lambda cost: cost.rate):,.0f}",
        f"{ratio(these, first, lambda cost: cost.rate):.2f}",
        f"{middle(these, lambda cost: cost.cpu_rate):,.0f}",
        f"{ratio(these, first, lambda cost: cost.cpu_rate):.2f}",
        f"{middle(these, lambda cost: cost.cpu_micros):.2f}",
        f"{max(cost.resident for cost in these):.0f}",
    ]


def printed(title: str, costs: Mapping[str, list[Read]]) -> Iterator[str]:
    """A table against its first row."""
    first = next(iter(costs.values()))
    yield from table(title, HEADS, [cells(name, these, first) for name, these in costs.items()])


def latencies(address: str, loops: Sequence[str], arguments: argparse.Namespace) -> Iterator[str]:
    """From publishing to the handler at 1,000 messages a second."""
    programs = [(f"{name}, {loop}", name, loop) for loop in loops for name in ("aiokafka", "partita")]
    found: dict[str, list[Sequence[float]]] = {title: [] for title, _, _ in programs}
    for _ in range(arguments.rounds):
        for title, name, loop in programs:
            command = [sys.executable, "-m", "tests.benchmarks.latencies", name, "--address", address]
            command += ["--uvloop"] if loop == "uvloop" else []
            found[title].append([*map(float, output(title, command, DEADLINE).split())])
    made = {
        title: [sorted(each)[len(each) // 2] for each in zip(*times, strict=True)]
        for title, times in found.items()
    }
    cells = [(title, *(f"{each:.2f}" for each in times)) for title, times in made.items()]
    yield from table("publish to handler, 1,000 messages / s, ms", ("", "mean", "p50", "p99"), cells)
    for loop in loops:
        ours, theirs = made[f"partita, {loop}"], made[f"aiokafka, {loop}"]
        yield f"{loop}: p50 {ours[1] / theirs[1]:.2f} x, p99 {ours[2] / theirs[2]:.2f} x (limit <= 1.15)"


@asynccontextmanager
async def topics(address: str, messages: int) -> AsyncIterator[Topic]:
    """A full topic, and an empty one for what its handlers publish."""
    async with filled(address, messages, 10_000) as topic, open_bus(f"kafka://{address}") as bus:
        await bus.create_topic(f"{topic.name}.out", partitions=4)
        yield topic
        await bus.delete_topic(f"{topic.name}.out")


def report(address: str, arguments: argparse.Namespace) -> Iterator[str]:
    """Measure everything, and print it."""
    loops = arguments.loop or list(event_loops())
    with asyncio.Runner() as runner:
        made = topics(address, arguments.messages)
        topic = runner.run(made.__aenter__())
        what = f"{arguments.messages} messages of 1 KB, median of {arguments.rounds} rounds"
        counts = (topic, arguments.messages, arguments.rounds)
        costs = interleaved([*rows(loops)], *counts)
        yield from printed(f"the client's record, {what}", costs)
        yield ""
        for loop in loops:
            yield from (each.told(costs) for each in claims(loop) if {each.ours, each.theirs} <= costs.keys())
        for loop in loops:
            yield from printed(
                f"bytes in one fetch of a partition, {loop}", interleaved([*curve(loop)], *counts)
            )
        yield from printed(f"layers, {loops[0]}", interleaved([*layers(loops[0])], *counts))
        yield from latencies(address, loops, arguments)
        runner.run(made.__aexit__(None, None, None))


def main() -> None:
    """Print the tables and the ratios."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.consuming", description=__doc__)
    parser.add_argument("--bus", help="kafka://HOST:PORT; default: a broker that is started for the run")
    parser.add_argument("--messages", type=int, default=400_000, help="measured in each row (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts (%(default)s)")
    parser.add_argument("--loop", choices=event_loops(), action="append", help="default: all installed")
    arguments = parser.parse_args()
    with broker(arguments.bus) as address:
        for line in report(address, arguments):
            print(line, flush=True)


if __name__ == "__main__":
    main()
