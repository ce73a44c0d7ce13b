"""
The pump: the one hot loop. It takes a partition's messages in order and awaits their handlers.

It is a task of its own for each partition and works on what stands in `Partition`. A handler's exception
is an outcome, never a crash: the message is tried again in place, then parked. Between the pump and a
plain handler stands no frame.
"""

import asyncio
import logging
import math
import random
from collections.abc import Callable
from typing import Protocol

import anyio

from partita.actors.partition import BoundRoute, Partition
from partita.core.health import Parked, describe
from partita.core.retries import Park, after_failure

YIELD_EVERY = 64
_log = logging.getLogger("partita.pump")


class Notices(Protocol):
    """Whom a pump tells what happened."""

    def finished(self, count: int) -> None:
        """*count* more messages are handled."""
        ...

    def idle(self) -> None:
        """A partition has nothing left to do."""
        ...

    def stop_requested(self, error: BaseException) -> None:
        """A handler asked the process to stop."""
        ...


class Pump:
    """
    The work on one partition.

    Args:
        partition: what it works on.
        notices: whom it tells.
        chance: a random number from 0 to 1, for the jitter of retries.
    """

    def __init__(
        self, partition: Partition, notices: Notices, chance: Callable[[], float] = random.random
    ) -> None:
        self._partition = partition
        self._notices = notices
        self._chance = chance

    async def run(self) -> None:
        """Handle messages until the partition starts nothing new."""
        partition, routes = self._partition, self._partition.routes
        only, turns = routes.only, 0
        while partition.lease.takes_messages:
            if partition.record is None and not partition.advance():
                await self._rest(turns)
                turns = 0
                continue
            route = only or routes.pick(partition.record)
            failure: BaseException | None = None
            await route.limit.acquire()
            try:
                if not partition.lease.takes_messages:
                    break
                await route.call(partition.record, partition.attempt)
            # A barrier: whatever a handler raises is its message's outcome. A cancellation of this very
            # task is ours instead; its message stays unfinished and is read again by the next owner.
            except BaseException as error:
                if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                    raise
                failure = error
            finally:
                route.limit.release()
            if failure is not None:
                await self._failed(route, failure)
                continue
            partition.finish()
            turns += 1
            if turns == YIELD_EVERY:
                self._notices.finished(turns)
                turns = 0
                await asyncio.sleep(0)
        self._notices.finished(turns)
        partition.drained.set()

    async def _rest(self, turns: int) -> None:
        self._notices.finished(turns)
        self._notices.idle()
        # The lease may have been drained by what the notices set off.
        if self._partition.lease.takes_messages:
            await self._partition.wait()

    async def _failed(self, route: BoundRoute, error: BaseException) -> None:
        """Wait for the next attempt of the message in hand, or for the end of the lease."""
        partition = self._partition
        if isinstance(error, SystemExit | KeyboardInterrupt):
            self._notices.stop_requested(error)
        decision = after_failure(route.retry, partition.attempt, error, self._chance())
        if isinstance(decision, Park):
            self._park(route, error)
        else:
            partition.retry_at = asyncio.get_running_loop().time() + decision.wait
        await partition.pause(decision.wait)
        partition.retry_at = None
        partition.attempt += 1

    def _park(self, route: BoundRoute, error: BaseException) -> None:
        partition, reader = self._partition, self._partition.routes.reader
        again = partition.parked is not None
        partition.parked = Parked(
            handler=route.name,
            topic=partition.name.topic,
            partition=partition.name.partition,
            offset=reader.offset(partition.record),
            error=describe(error),
        )
        partition.retry_at = None
        if not again:
            partition.parked_at = anyio.current_time()
            _log.error("parked %s", partition.parked)
        self._notices.idle()


def _is_cancelled() -> bool:
    # Asked of the scopes: the task's own counter also counts what a handler's library left behind.
    return anyio.current_effective_deadline() == -math.inf
