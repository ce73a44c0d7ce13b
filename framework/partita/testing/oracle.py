"""
The oracle: reads the events of a simulation and says which promise was broken.

It sees what handlers and the broker saw, and none of the engine's own numbers. The promises: each message is
handled at least once; in the order of its lane; never again once a stored commit covers it, and after a
clean end not at all; offsets cover what is finished, no more and no less; one owner at a time; not more
calls at once than the route allows; a stop ends in time.
"""

from collections.abc import Callable, Iterator, Mapping

from partita.testing.case import Case
from partita.testing.events import Event
from partita.testing.judges import CallJudge, OffsetJudge, OwnershipJudge


class Oracle:
    """
    Judges one simulation.

    Args:
        drain_timeout: seconds that calls get when a partition goes away.
        concurrency: of each group's handlers, by group and name.
    """

    def __init__(self, drain_timeout: float, concurrency: Mapping[tuple[str, str], int]) -> None:
        self._case = Case(drain_timeout, concurrency)
        judges = CallJudge(self._case), OffsetJudge(self._case), OwnershipJudge(self._case)
        self._rules: Mapping[str, Callable[[Event], object]] = {
            what: rule for judge in judges for what, rule in judge.rules.items()
        }

    @property
    def violations(self) -> list[str]:
        """The promises that were broken so far, each with the event that broke it."""
        return self._case.violations

    @property
    def repeats(self) -> int:
        """Calls of messages that had been handled before."""
        return self._case.repeats

    def see(self, event: Event) -> None:
        """One more event."""
        self._case.seen += 1
        if (rule := self._rules.get(event.what)) is not None:
            rule(event)

    def unsettled(self) -> Iterator[str]:
        """Messages that are neither finished and committed nor parked, nor wait behind a parked one."""
        for at, history in self._case.named():
            for offset in history.unsettled():
                yield f"{at}@{offset}"

    @property
    def parked(self) -> list[str]:
        """Messages whose attempts are used up, and which nobody has taken off."""
        found = ((at, sorted(history.left)) for at, history in self._case.named())
        return [f"{at}@{offset}" for at, offsets in found for offset in offsets]

    def heal(self) -> None:
        """Nothing goes wrong any more: what was parked is tried again, and is parked if it fails then."""
        for history in self._case.all():
            history.parked.clear()

    def settle(self) -> None:
        """All the time has passed that what is left may take."""
        self._case.violations += [f"not handled or not committed: {each}" for each in self.unsettled()]

    def conclude(self) -> None:
        """All processes have stopped in good order."""
        for at, history in self._case.named():
            self._case.violations += [f"{at}: {each}" for each in history.out_of_order()]
