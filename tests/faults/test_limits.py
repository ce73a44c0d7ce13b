"""A worker that runs out of descriptors, memory, disk or time on its clock."""

import asyncio
import itertools
import resource
import time
from pathlib import Path

import pytest
from tests.faults.invariants import all_handled, commits_are_safe, in_key_order, repeated
from tests.faults.members import group, until
from tests.faults.processes import fleet
from tests.faults.test_handlers import letters

from partita import Message, Outgoing, Retry

MIB = 2**20


def test_without_descriptors_calls_fail_and_go_on_when_there_are_some(kafka: str, tmp_path: Path) -> None:
    """The worker cannot open a file or a socket for a while: messages are tried again, none is lost, and
    the commits go on over the connections that it has."""
    route = 'order="key", retry=Retry(attempts=1000, backoff=0.05)'

    async def scenario() -> None:
        async with fleet(kafka, tmp_path, 'open("/dev/null").close()', route) as (used, workers):
            worker = await workers.start("a")
            await used.publish(200)
            await used.all_done()
            pid = worker.process.pid
            soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
            await used.publish(200)
            await until(lambda: used.log.count("start") > 210, "calls begin")
            failing = used.log.count()
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
            await used.all_done()
            code, output = await worker.terminate()
            events = used.log.events

            assert (failing, code) == (200, 0), output
            all_handled(events, used.published)
            commits_are_safe(events, used.watch.answers)

    asyncio.run(scenario())


def test_within_little_memory_what_is_in_flight_is_bounded(kafka: str, tmp_path: Path) -> None:
    """The address space may grow by less than what waits in the topic: the worker takes in as much as its
    limits say while its handlers wait; one that asks for too much memory fails alone."""
    (tmp_path / "wait").touch()
    work = (
        'bytearray(2**30) if message.key == b"greedy" else None\n'
        '    while os.path.exists("wait"): await asyncio.sleep(0.02)'
    )
    route = (
        """order="key", dead_letter=os.environ["TOPIC"] + ".dead", retry=Retry(attempts=2, backoff=0.01)"""
    )

    async def scenario() -> None:
        async with fleet(kafka, tmp_path, work, route, partitions=2) as (used, workers):
            dead = f"{used.topic}.dead"
            await used.bus.create_topic(dead, partitions=1)
            worker = await workers.start("a")
            await used.publish(40)
            await until(lambda: used.log.count("start") == 40, "it works")
            pid, before = worker.process.pid, memory(worker.process.pid)
            room = before["VmSize"] + 128 * MIB
            resource.prlimit(pid, resource.RLIMIT_AS, (room, room))
            large = [Outgoing(bytes(900_000), key=b"l%d" % n) for n in range(160)]
            receipts = await used.bus.publish_batch(used.topic, large)
            greedy = await used.bus.publish(used.topic, b"", key=b"greedy")
            used.published += [(each.partition, each.offset) for each in receipts]
            await until(lambda: used.log.count("start") > 44, "it takes in large ones")
            grown = memory(pid)["VmRSS"] - before["VmRSS"]
            (tmp_path / "wait").unlink()
            await until(lambda: used.watch.sum() == len(used.published) + 1, "everything is committed")
            code, output = await worker.terminate()

            assert code == 0, output
            assert grown < 128 * MIB
            assert await letters(used, dead) == {(greedy.partition, greedy.offset): 2}
            all_handled(used.log.events, used.published)

    asyncio.run(scenario())


def memory(pid: int) -> dict[str, int]:
    """VmSize and VmRSS of a process, bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = [line.split() for line in lines if line.startswith(("VmSize", "VmRSS"))]
    return {name.rstrip(":"): int(kib) * 1024 for name, kib, _ in fields}


def test_a_worker_whose_log_is_on_a_full_disk_does_its_work(kafka: str, tmp_path: Path) -> None:
    """Nothing that it prints can be written; it handles everything and ends with 0."""

    async def scenario() -> None:
        async with fleet(kafka, tmp_path) as (used, workers):
            worker = await workers.start("a", output="/dev/full")
            await used.publish(200)
            await used.all_done()
            code, _ = await worker.terminate()

            assert code == 0
            assert repeated(used.log.events) == set()
            all_handled(used.log.events, used.published)

    asyncio.run(scenario())


def test_a_clock_that_jumps_by_hours_disturbs_nothing(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall clock goes an hour ahead and back at every look: nobody is thrown out, no retry comes too
    early, nothing is handled twice."""
    jumps, real = itertools.cycle((0.0, 3600.0, -3600.0)), time.time
    attempts: list[float] = []

    async def handle(message: Message) -> None:
        await asyncio.sleep(0.001)
        if message.value == b"7":
            attempts.append(time.monotonic())
            if len(attempts) == 1:
                raise ValueError

    async def scenario() -> None:
        async with group(kafka) as used:
            await used.publish(200)
            await used.join("a", handle, order="key", retry=Retry(backoff=0.3, jitter=0.0))
            await used.all_done()
            await used.join("b", handle, order="key")
            async with used.load():
                await until(lambda: used.log.count(worker="b") > 200, "b works")
            await used.all_done()
            events = used.log.events
            ages = [(await used.bus.check_backlog(used.name, topics=[used.topic])).age for _ in range(6)]

            all_handled(events, used.published)
            in_key_order(events)
            commits_are_safe(events, used.watch.answers)
            assert ages == [0.0] * 6
            assert repeated(events) <= {used.published[7]}
            assert attempts[1] - attempts[0] >= 0.3

    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))

    asyncio.run(scenario())
