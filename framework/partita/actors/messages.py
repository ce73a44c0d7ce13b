"""A message that is unfinished: what stands in its partition between the attempts of its handler."""

import asyncio
from collections.abc import Hashable
from typing import TYPE_CHECKING

from partita.actors.routes import BoundRoute
from partita.core.health import Parked, describe

if TYPE_CHECKING:
    from partita.actors.partition import Partition

# When a call began that is none of its handler's.
NO_CALL = -1.0


class OpenMessage:
    """A message that was started, or waits behind one that was, and is not finished."""

    __slots__ = (
        "attempt", "began", "blocks", "burying", "calling", "first", "key", "last", "offset", "parked",
        "partition",
        "record", "route", "size", "timer",
    )  # fmt: skip

    def __init__(self, partition: "Partition", record: object, route: BoundRoute, key: Hashable) -> None:
        self.partition, self.record, self.route, self.key = partition, record, route, key
        self.offset = partition.offset_of(record)
        self.size = 0
        self.attempt = 1
        self.began = NO_CALL
        self.calling = self.burying = self.blocks = False
        self.first: BaseException | None = None
        self.last: BaseException | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.parked: tuple[Parked, float] | None = None

    @property
    def moves(self) -> bool:
        """Whether its handler runs, or will without anything else happening."""
        return self.calling or (self.timer is not None and self.parked is None)

    def park(self, error: BaseException, now: float) -> Parked:
        """Its attempts are used up; returns what there is to tell."""
        at = self.partition.name
        told = Parked(self.route.name, at.topic, at.partition, self.offset, describe(error))
        self.parked = told, self.parked[1] if self.parked else now
        return told
