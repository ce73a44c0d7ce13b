"""Many restarts of a consumer in one process leave nothing behind."""

import asyncio
import gc
import os
import threading
from functools import partial

import pytest
from tests.faulty import FaultyBackend, Outage
from tests.simulated import until

from partita import EventBus, Outgoing
from partita.backends.memory.records import MemoryRecord
from partita.testing import SimLoop

RESTARTS = 150


async def ignore(value: bytes) -> None:
    """Handle."""


def held() -> tuple[int, int, int, int]:
    """Tasks, threads, descriptors, and objects of ours but for the messages, which the broker keeps."""
    gc.collect()
    found = (type(each) for each in gc.get_objects())
    ours = sum(
        str(each.__module__).startswith("partita") and each not in (MemoryRecord, Outgoing) for each in found
    )
    return len(asyncio.all_tasks()), threading.active_count(), len(os.listdir("/proc/self/fd")), ours


def test_restarts_leave_tasks_threads_descriptors_and_objects_where_they_were(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What each start makes ends with it: a client, a poller, a committer, a witness, workers, partitions."""
    # Lines that are kept keep what they tell of.
    caplog.set_level("CRITICAL", logger="partita")
    backend = FaultyBackend()

    async def scenario() -> tuple[tuple[int, ...], tuple[int, ...]]:
        async with EventBus(backend) as bus:
            subscription = await bus.subscribe("orders", ignore, group="g", order="key")
            consumer = subscription.consumers[0]

            async def restart(times: int) -> None:
                for starts in range(backend.starts + 1, backend.starts + 1 + times):
                    await bus.publish("orders", b"1", key=b"%d" % starts)
                    await until(lambda: consumer.witness.proven)
                    backend.errors = {"poll": [Outage("away")]}
                    await until(partial(lambda due: backend.starts >= due and consumer.joined, starts))
                backend.members = backend.members[-1:]
                await until(lambda: consumer.witness.proven)

            await restart(20)
            first = held()
            await restart(RESTARTS)
            assert consumer.restarts == RESTARTS + 20
            assert subscription.handled >= RESTARTS + 20
            return first, held()

    first, last = SimLoop().run(scenario())

    assert first == last
