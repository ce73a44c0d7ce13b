"""
What a host does with its processes: a state machine that is told what happened and returns what to do.

The limits are those of every supervisor here: a process that ends by itself more than 5 times within 60
seconds makes the host give up; before each start it waits 0.5 s, then twice as long up to 30 s.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from enum import Enum

import attrs

from partita_worker.exits import ExitCode

RESTARTS, PERIOD = 5, 60.0
FIRST_WAIT, MOST_WAIT = 0.5, 30.0
# Another start would end in the same way.
FINAL = (ExitCode.USAGE, ExitCode.SETTINGS)
OF_A_BURST = (ExitCode.OK, ExitCode.FAILED_MESSAGES)


@attrs.frozen
class Start:
    """Start a process after *wait* seconds."""

    number: int
    wait: float = 0.0


@attrs.frozen
class Stop:
    """Ask a process to drain and end."""

    number: int


@attrs.frozen
class Finish:
    """Every process has ended: the host ends with this exit code."""

    code: int


@attrs.frozen
class Tell:
    """Say a line."""

    text: str


Order = Start | Stop | Finish | Tell


class State(Enum):
    """Of one process."""

    NONE = "not started"
    DUE = "to be started"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    DONE = "done"


@attrs.define
class Slot:
    """
    The place of one process.

    Attributes:
        state: of the process that is here.
        failures: when processes here ended by themselves, seconds on the host's clock.
        restarts: how many were started after the first.
    """

    state: State = State.NONE
    failures: deque[float] = attrs.field(factory=deque)
    restarts: int = 0

    @property
    def runs(self) -> bool:
        """Whether there is a process."""
        return self.state in (State.STARTING, State.READY, State.STOPPING)


class Fleet:
    """
    The processes of a host.

    Args:
        count: how many.
        burst: each of them ends by itself when everything is handled.

    Attributes:
        slots: the place of each.
        stopping: all of them are to end.
    """

    def __init__(self, count: int, *, burst: bool = False) -> None:
        self.slots = [Slot() for _ in range(count)]
        self.stopping = False
        self._burst, self._greeted = burst, False
        self._code: int = ExitCode.OK
        self._to_roll: deque[int] = deque()
        self._rolled: int | None = None

    def begin(self) -> Sequence[Order]:
        """Start the first: what is wrong with the settings or the broker it finds out for all."""
        self.slots[0].state = State.DUE
        return [Start(0)]

    def started(self, number: int) -> None:
        """A process was started."""
        self.slots[number].state = State.STARTING

    def greeted(self, number: int) -> Sequence[Order]:
        """A process has opened its bus: the others may follow the first."""
        if self._greeted or self.stopping:
            return []
        self._greeted = True
        return list(self._start_all())

    def _start_all(self) -> Iterator[Order]:
        for number, slot in enumerate(self.slots):
            if slot.state is State.NONE:
                slot.state = State.DUE
                yield Start(number)

    def ready(self, number: int) -> Sequence[Order]:
        """A process does its work."""
        if self.slots[number].state is State.STARTING:
            self.slots[number].state = State.READY
            if number == self._rolled:
                self._rolled = None
                return self._roll_next()
        return []

    def roll(self) -> Sequence[Order]:
        """Restart all, one after the other; while that is under way, and while all stop, it does nothing."""
        if self.stopping or self._rolled is not None:
            return [Tell("a restart is under way already")] if not self.stopping else []
        self._to_roll.extend(number for number, slot in enumerate(self.slots) if slot.runs)
        return self._roll_next()

    def _roll_next(self) -> Sequence[Order]:
        while self._to_roll and not self.stopping:
            number = self._to_roll.popleft()
            if self.slots[number].runs:
                self._rolled = number
                self.slots[number].state = State.STOPPING
                return [Tell(f"process {number} restarts"), Stop(number)]
        return []

    def stop(self, code: int = ExitCode.OK) -> Sequence[Order]:
        """All are to end at once; the host ends with *code*, or what is worse among theirs."""
        self._code = self._code or code
        if self.stopping:
            return []
        self.stopping = True
        return [*self._stop_all(), *self._finished()]

    def _stop_all(self) -> Iterator[Order]:
        for number, slot in enumerate(self.slots):
            if slot.state in (State.STARTING, State.READY):
                slot.state = State.STOPPING
                yield Stop(number)
            elif slot.state in (State.NONE, State.DUE):
                slot.state = State.DONE

    def ended(self, number: int, code: int, now: float) -> Sequence[Order]:
        """
        A process has ended.

        Args:
            number: which.
            code: its exit code; minus a signal's number when one ended it.
            now: seconds on a clock that never goes back.
        """
        slot = self.slots[number]
        was, slot.state = slot.state, State.DONE
        if self.stopping:
            self._code = self._code or _as_exit(code)
            return self._finished()
        if was is State.STOPPING:
            return self._again(number, 0.0)
        if self._burst and code in OF_A_BURST:
            self._code = self._code or code
            if not self._greeted:
                # It had handled everything before it could say that others may come.
                self._greeted = True
                for each in self.slots[1:]:
                    each.state = State.DONE
            return self._finished()
        return self._by_itself(number, code, now)

    def _by_itself(self, number: int, code: int, now: float) -> Sequence[Order]:
        if code == ExitCode.OK:
            return [Tell(f"process {number} was asked to end by a handler, so all do"), *self.stop()]
        if code in FINAL or (code == ExitCode.UNREACHABLE and not self._greeted):
            return self.stop(code)
        failures = self.slots[number].failures
        failures.append(now)
        while now - failures[0] > PERIOD:
            failures.popleft()
        if len(failures) > RESTARTS:
            told = f"process {number} ended {len(failures)} times within {PERIOD:g} s, the last time with"
            return [Tell(f"{told} {_told(code)}"), *self.stop(ExitCode.SUPERVISOR_GAVE_UP)]
        wait = min(MOST_WAIT, FIRST_WAIT * 2 ** (len(failures) - 1))
        told = f"process {number} ended with {_told(code)}; it is started again in {wait:g} s"
        return [Tell(told), *self._again(number, wait)]

    def _again(self, number: int, wait: float) -> Sequence[Order]:
        self.slots[number].state = State.DUE
        self.slots[number].restarts += 1
        return [Start(number, wait)]

    def _finished(self) -> Sequence[Order]:
        return [Finish(self._code)] if all(slot.state is State.DONE for slot in self.slots) else []


def _as_exit(code: int) -> int:
    """An exit code for the host: 128 and a signal's number, as shells have it."""
    return code if code >= 0 else 128 - code


def _told(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
