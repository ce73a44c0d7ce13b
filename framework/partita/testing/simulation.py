"""Simulate: run a router in a world where things go wrong, all of it decided by one seed."""

import logging
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import attrs

from partita.core.errors import SettingsError
from partita.core.ports import Outgoing, TopicPartition
from partita.message import Message
from partita.router import Router
from partita.testing.events import Event
from partita.testing.faults import FAULTS, check_faults
from partita.testing.process import ProcessLoop
from partita.testing.world import Plan, World

TOLD_EVENTS, TOLD_PROMISES = 60, 20


@attrs.frozen(eq=False, repr=False)
class Simulated:
    """
    What happened in one simulation.

    Args:
        seed: it replays this very run.
        seconds: virtual seconds that it took.
        faults: how often each fault took effect, by its name in `FAULTS`.
        events: what handlers and broker saw, in the order in which it happened.
        repeats: calls of messages that had been handled before.
        parked: messages, as TOPIC/PARTITION@OFFSET, whose attempts were used up and that were left so; with
            `GROUP: ` before it if the router has several groups.
    """

    seed: int
    seconds: float
    faults: Counter[str]
    events: Sequence[Event]
    repeats: int
    parked: Sequence[str]
    _world: World

    @property
    def calls(self) -> int:
        """How often a handler was called."""
        return sum(each.what == "start" for each in self.events)

    def published(self, topic: str) -> Sequence[Message]:
        """What *topic* holds in the end, by partition and offset."""
        broker, reader = self._world.broker, self._world.reader
        partitions = (TopicPartition(topic, n) for n in range(broker.topics.get(topic, 0)))
        return [Message(record, reader) for at in partitions for record in broker.log(at)]

    def __repr__(self) -> str:
        faults = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        return f"<Simulated seed={self.seed}: {self.calls} calls in {self.seconds:.0f} s; {faults}>"


def simulate(
    router: Router,
    messages: Mapping[str, Sequence[bytes | Outgoing | None]],
    *,
    seed: int,
    faults: Collection[str] = tuple(FAULTS),
    members: int = 3,
    partitions: int = 4,
) -> Simulated:
    """
    Run a router in several simulated processes on a simulated broker while faults happen, to its end.

    Messages arrive over 8 virtual seconds, and at least five faults happen within 10. Then everything heals,
    what is left is handled, and the processes stop in good order. A seed decides all of it: it gives the same
    run each time.

    Args:
        router: what handles the messages. A plain `def` is called on the loop and not in a thread.
        messages: for each topic what is published to it.
        seed: what chance decides; try many.
        faults: the names of those that may happen, from `FAULTS`; default: all.
        members: processes at the start; default 3.
        partitions: of each topic; default 4.

    Raises:
        AssertionError: a promise of `docs/reference/guarantees.md` was broken, or nothing moves any more. The
            text names the seed and ends with what happened last.
        SettingsError: a fault has another name, or a number is below 1.
        RouteError: the router cannot be served.
    """
    if members < 1 or partitions < 1:
        raise SettingsError(f"members={members}, partitions={partitions}: give 1 or more of each")
    plan = Plan(seed, check_faults(faults), members, partitions)
    made = {
        topic: [each if isinstance(each, Outgoing) else Outgoing(each) for each in values]
        for topic, values in messages.items()
    }
    loop = ProcessLoop(seed)
    world = World(router, plan, loop)
    with _quiet():
        try:
            loop.run(world.run(made))
        except AssertionError as stuck:
            world.oracle.violations.insert(0, str(stuck))
    oracle = world.oracle
    if oracle.violations:
        raise AssertionError(_told(world))
    return Simulated(
        seed, world.seconds, world.faults, world.log.events, oracle.repeats, oracle.parked, world
    )


def _told(world: World) -> str:
    last = "\n".join(map(str, world.log.events[-TOLD_EVENTS:]))
    broken = world.oracle.violations
    first = "\n".join(broken[:TOLD_PROMISES])
    return f"seed {world.plan.seed} broke {len(broken)} promises:\n{first}\n\nat the end:\n{last}"


@contextmanager
def _quiet() -> Iterator[None]:
    """What the engine says about faults that were made is no news."""
    log = logging.getLogger("partita")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)
