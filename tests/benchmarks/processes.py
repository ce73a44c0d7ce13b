"""
What a second process brings: `worker run` with one and with two, a handler that burns CPU, a real Kafka.

    python -m tests.benchmarks.processes

Rounds are interleaved; the broker, and what else this machine does, use the same cores.
"""

import argparse
import asyncio
import os
import signal
import statistics
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tests.brokers import given_address
from tests.brokers import running as broker_running
from tests.workers.running import Running, running

from partita import Outgoing, open_bus

PARTITIONS, BURN = 4, 0.005  # seconds of CPU a message
MODULE = f"""
import os, time
from partita import Message, Router

router = Router()
log = os.open(os.environ["HANDLED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

@router.handler(os.environ["TOPIC"], order="key")
async def burn(message: Message) -> None:
    until = time.process_time() + {BURN}
    while time.process_time() < until:
        pass
    os.write(log, b"%s %d %.6f\\n" % (message.key, message.offset, time.time()))
"""


async def publish(url: str, topic: str, count: int) -> None:
    """Messages of 100 keys, each key on one partition, as many on each."""
    messages = [Outgoing(b"x", key=b"%d" % (n % 100), partition=n % 100 % PARTITIONS) for n in range(count)]
    async with open_bus(url) as bus:
        await bus.publish_batch(topic, messages)


def lines_of(log: Path) -> Sequence[str]:
    """What was handled so far."""
    return log.read_text().splitlines() if log.exists() else []


def joined(worker: Running, processes: int) -> None:
    """Wait until each process has its share of the partitions."""
    while True:
        shares: dict[str, int] = {}
        for line in list(worker.lines):
            if ": assigned " in line:
                shares[line.split()[0]] = line.count("/")
        if len(shares) == processes and sum(shares.values()) == PARTITIONS:
            return
        time.sleep(0.1)


def one(url: str, processes: int, count: int) -> float:
    """Messages a second, from the first to the last that was handled."""
    topic = f"burn.{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "burning.py").write_text(MODULE)
        environ = {"HANDLED": str(folder / "handled"), "TOPIC": topic, "PARTITA_CONTROL_SOCKET": "off"}
        command = ["run", "burning:router", "--bus", url, "--group", topic, "--create-topics"]
        with running(folder, *command, "--processes", str(processes), environ=environ) as worker:
            joined(worker, processes)
            asyncio.run(publish(url, topic, count))
            while len(lines_of(folder / "handled")) < count:
                time.sleep(0.1)
            rows = [each.split() for each in lines_of(folder / "handled")]
            worker.send(signal.SIGTERM)
            assert worker.ends() == 0
    offsets: dict[str, list[int]] = defaultdict(list)
    for key, offset, _ in rows:
        offsets[key].append(int(offset))
    assert all(each == sorted(set(each)) for each in offsets.values()), "order per key was not kept"
    times = [float(at) for _, _, at in rows]
    return count / (max(times) - min(times))


def compare(url: str, rounds: int, count: int) -> None:
    """Print each round and the ratio of the medians."""
    found: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for processes, rates in found.items():
            rates.append(one(url, processes, count))
            print(
                f"{processes} process{'es' if processes > 1 else ''}: {rates[-1]:.0f} messages / s",
                flush=True,
            )
    ratio = statistics.median(found[2]) / statistics.median(found[1])
    limit = 1.7 if (os.cpu_count() or 1) > 2 else 1.4
    print(f"2 over 1: {ratio:.2f} x on {os.cpu_count()} cores (limit {limit}); order per key kept")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=2_000)
    given = parser.parse_args()
    if (address := given_address("kafka")) is not None:
        compare(f"kafka://{address}", given.rounds, given.messages)
        return
    with tempfile.TemporaryDirectory() as name, broker_running("kafka", Path(name)) as server:
        compare(f"kafka://{server.address}", given.rounds, given.messages)


if __name__ == "__main__":
    main()
