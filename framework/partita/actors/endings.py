"""
What becomes of a message when its handler has ended: finished, tried again, dead letter, dropped, parked.

What is to be done is decided in `core.retries`; a message that waits holds no worker.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from partita.actors.holds import Postponed
from partita.actors.messages import OpenMessage
from partita.actors.partition import Partition
from partita.actors.routes import BoundRoute
from partita.core.retries import PARKED_WAIT, Exhausted, after_failure

POSTPONED_SECONDS = 0.2
_log = logging.getLogger("partita.pump")


class Notices(Protocol):
    """Whom a pump tells what happened."""

    def finished(self, count: int) -> None:
        """*count* more messages are handled."""
        ...

    def idle(self) -> None:
        """A partition has nothing left to do."""
        ...

    def late(self) -> None:
        """A handler returned when its partition was not ours any more."""
        ...

    def stop_requested(self, error: BaseException) -> None:
        """A handler asked the process to stop."""
        ...


class Endings:
    """
    Sees to messages whose handler has ended.

    Args:
        ready: tells the pump that a partition has work.
        notices: who is told what happened.
        chance: a random number from 0 to 1, for the jitter of retries.
    """

    def __init__(
        self, ready: Callable[[Partition], None], notices: Notices, chance: Callable[[], float]
    ) -> None:
        self._ready, self._notices, self._chance = ready, notices, chance

    def see_to(self, message: OpenMessage, failure: BaseException | None) -> OpenMessage | None:
        """The handler of *message* has ended; returns the message that waited behind it and may begin."""
        if failure is not None:
            return self._failed(message, failure)
        if not message.partition.lease.may_commit:
            self._notices.late()
            return None
        message.partition.figures.dead_letters += message.burying
        return self._leave(message, failed=message.burying)

    def hold_back(self, message: OpenMessage, failure: BaseException) -> bool:
        """
        Whether the batch behind *message* is called again as it is, a little later: nothing of it was begun,
        or the process was asked to stop.
        """
        if isinstance(failure, SystemExit | KeyboardInterrupt):
            self._notices.stop_requested(failure)
        elif not isinstance(failure, Postponed):
            return False
        if message.partition.lease.takes_messages:
            self._again(message, POSTPONED_SECONDS)
        return True

    def serve(self, route: BoundRoute) -> None:
        """A call of *route* has ended, so one that waited for that may begin."""
        while route.waiting and route.unfinished < route.concurrency:
            message = route.waiting.popleft()
            if message.partition.lease.takes_messages:
                self.due(message)
                return

    def serve_all(self, partition: Partition) -> None:
        """What waits for a call of a route of *partition* may begin, as far as there are calls to spare."""
        for route in partition.routes.kinds.values():
            for _ in range(len(route.waiting)):
                self.serve(route)

    def _leave(self, message: OpenMessage, *, failed: bool) -> OpenMessage | None:
        follow = message.partition.leave(message, failed=failed)
        return follow if message.partition.lease.takes_messages else None

    def _failed(self, message: OpenMessage, failure: BaseException) -> OpenMessage | None:
        """Try again later, or see to its end."""
        if isinstance(failure, SystemExit | KeyboardInterrupt):
            self._notices.stop_requested(failure)
        if not message.partition.lease.takes_messages:
            return None
        if isinstance(failure, Postponed):
            # Nothing of the message has begun, so no attempt is spent.
            self._again(message, POSTPONED_SECONDS)
            return None
        if message.burying:
            self._park(message, failure)
            return None
        message.partition.figures.failures += 1
        message.first = failure if message.first is None else message.first
        message.last = failure
        decision = after_failure(message.route.retry, message.attempt, failure, self._chance())
        if isinstance(decision, Exhausted):
            return self._exhausted(message, failure)
        message.attempt += 1
        message.partition.figures.retries += 1
        self._again(message, decision.wait)
        return None

    def _exhausted(self, message: OpenMessage, failure: BaseException) -> OpenMessage | None:
        """No attempt is left: dead letter, drop, or park."""
        if message.route.bury is not None:
            message.burying = True
            self.due(message)
        elif message.route.drop:
            _log.error("dropped %s", message.park(failure, 0.0))
            message.partition.figures.dropped += 1
            return self._leave(message, failed=True)
        else:
            message.attempt += 1
            self._park(message, failure)
        return None

    def _park(self, message: OpenMessage, failure: BaseException) -> None:
        again = message.parked is not None
        told = message.park(failure, asyncio.get_running_loop().time())
        if not again:
            _log.error("parked %s", told)
        self._notices.idle()
        message.partition.figures.retries += 1
        self._again(message, PARKED_WAIT)

    def _again(self, message: OpenMessage, seconds: float) -> None:
        message.timer = asyncio.get_running_loop().call_later(seconds, self.due, message)

    def due(self, message: OpenMessage) -> None:
        """The handler of *message* is to be called as soon as a worker is free."""
        message.timer = None
        message.partition.make_due(message)
