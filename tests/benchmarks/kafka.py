"""
The whole way on a real Kafka broker: `python -m tests.benchmarks.kafka`.

1 KB messages in 4 partitions. A handler that waits is compared with as many bare tasks that wait as long;
one that does nothing with a bare loop around the client. Order per key and the calls in flight are checked.
With `--peers` the handler that waits is also compared with one in Confluent's Parallel Consumer.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
from tests.benchmarks.brokered import (
    Check,
    Meter,
    Topic,
    bare_tasks,
    filled,
    through_the_bus,
    through_the_client,
)
from tests.benchmarks.measuring import Case, Cost, event_loops, interleave, middle, ratio, table
from tests.benchmarks.peers.confluent import NAME, Peer, found
from tests.benchmarks.peers.programs import PeerFailed
from tests.brokers import running

CONCURRENCY, WAIT = 100, 0.005
NO_OP_CONCURRENCY = 16
HEADS = ("", "messages / s", "x the first", "messages / CPU second", "x the first", "MB resident")


@attrs.define(eq=False)
class Bench:
    """
    The measurements of one topic on one event loop.

    Args:
        topic: what is read.
        messages: how many of it are read by a handler that does nothing.
        waits: how many by one that waits.
        peer: what is measured beside them.

    Attributes:
        most: the most calls that were in flight at once.
        faults: how many calls broke the order of their key.
    """

    topic: Topic
    messages: int
    waits: int
    peer: Peer | None = None
    most: int = 0
    faults: int = 0

    @property
    def waiting(self) -> Sequence[Case]:
        """A handler that waits: the bare tasks first, the peer last."""
        awaits = f"await {WAIT * 1000:.0f} ms"
        cases = [
            Case(f"{CONCURRENCY} bare tasks, {awaits}", self._bare_tasks),
            Case(f"order=key, concurrency={CONCURRENCY}, {awaits}", self._checked),
        ]
        if self.peer is not None:
            measure = partial(self.peer.measure, self.topic, self.waits, CONCURRENCY, WAIT)
            cases.append(Case(f"{NAME}, KEY, {CONCURRENCY}", measure, self.peer.resident))
        return cases

    @property
    def idle(self) -> Sequence[Case]:
        """A handler that does nothing, the bare loop first."""
        return [
            Case("bare getmany loop, no-op", self._client),
            Case(f"order=key, concurrency={NO_OP_CONCURRENCY}, no-op", self._no_op),
        ]

    async def _bare_tasks(self) -> Cost:
        return await bare_tasks(self.waits, CONCURRENCY, WAIT)

    async def _checked(self) -> Cost:
        check = Check(self.waits, WAIT)
        cost = await through_the_bus(self.topic, check, CONCURRENCY)
        self.most, self.faults = max(self.most, check.most), self.faults + check.faults
        return cost

    async def _client(self) -> Cost:
        return await through_the_client(self.topic, Meter(self.messages))

    async def _no_op(self) -> Cost:
        return await through_the_bus(self.topic, Meter(self.messages), NO_OP_CONCURRENCY)


def measured(title: str, cases: Sequence[Case], rounds: int, runner: asyncio.Runner) -> Iterator[str]:
    """Measure the cases, and print them against the first."""
    memory = dict[str, float]()

    def remembering(case: Case) -> Case:
        async def run() -> Cost:
            cost = await case.run()
            memory[case.name] = case.resident()
            return cost

        return Case(case.name, run)

    costs = interleave([remembering(case) for case in cases], rounds, runner)
    first = costs[cases[0].name]
    rows = [
        (
            name,
            f"{middle(these, lambda cost: cost.rate):,.0f}",
            f"{ratio(these, first, lambda cost: cost.rate):.2f}",
            f"{middle(these, lambda cost: cost.cpu_rate):,.0f}",
            f"{ratio(these, first, lambda cost: cost.cpu_rate):.2f}",
            f"{memory[name]:.0f}",
        )
        for name, these in costs.items()
    ]
    yield from table(title, HEADS, rows)


@contextmanager
def broker(url: str | None) -> Iterator[str]:
    """HOST:PORT of the broker at *url*, or of one that is started and stopped again."""
    if url is not None:
        yield url.removeprefix("kafka://")
        return
    with TemporaryDirectory() as folder, running("kafka", Path(folder)) as server:
        yield server.address


@asynccontextmanager
async def _topic(address: str, arguments: argparse.Namespace) -> AsyncIterator[Topic]:
    count = max(arguments.messages, arguments.waits)
    async with filled(address, count, arguments.keys) as topic:
        yield topic


def report(loop: str, address: str, arguments: argparse.Namespace, peer: Peer | None) -> Iterator[str]:
    """Measure everything on one event loop, and print it."""
    with asyncio.Runner(loop_factory=event_loops()[loop]) as runner:
        made = _topic(address, arguments)
        topic = runner.run(made.__aenter__())
        bench = Bench(topic, arguments.messages, arguments.waits, peer)
        yield from measured(f"{loop}: handler waits", bench.waiting, arguments.rounds, runner)
        yield f"\nin flight at most {bench.most} of {CONCURRENCY}, out of order {bench.faults}"
        if peer is not None:
            yield f"{NAME}: in flight at most {peer.most} of {CONCURRENCY}, out of order {peer.faults}"
        yield from measured(f"{loop}: handler does nothing", bench.idle, arguments.rounds, runner)
        runner.run(made.__aexit__(None, None, None))


def peers(wanted: bool) -> Peer | None:
    """The peer if it is wanted and can be run here; else says why not."""
    try:
        return found() if wanted else None
    except PeerFailed as error:
        print(error, flush=True)
        return None


def main() -> None:
    """Print all tables for each event loop that is installed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.kafka", description=__doc__)
    parser.add_argument("--bus", help="kafka://HOST:PORT; default: a broker that is started for the run")
    parser.add_argument("--messages", type=int, default=300_000, help="read by a no-op handler (%(default)s)")
    parser.add_argument("--waits", type=int, default=60_000, help="by one that waits (%(default)s)")
    parser.add_argument("--keys", type=int, default=10_000, help="over which they are spread (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts (%(default)s)")
    parser.add_argument("--loop", choices=event_loops(), action="append", help="default: all installed")
    parser.add_argument("--peers", action="store_true", help=f"measure Confluent's {NAME} too; needs a JDK")
    arguments = parser.parse_args()
    peer = peers(arguments.peers)
    with broker(arguments.bus) as address:
        for loop in arguments.loop or event_loops():
            for line in report(loop, address, arguments, peer):
                print(line, flush=True)


if __name__ == "__main__":
    main()
