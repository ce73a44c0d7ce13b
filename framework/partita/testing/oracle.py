"""
The oracle: reads the events of a simulation and says which promise was broken.

It sees what handlers and the broker saw, and none of the engine's own numbers. The promises: each message is
handled at least once; in the order of its lane; never again once a stored commit covers it, and after a
clean end not at all; offsets cover what is finished, no more and no less; one owner at a time; not more
calls at once than the route allows; a stop ends in time.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from math import inf

import attrs

from partita.core.ports import TopicPartition
from partita.testing.events import Event
from partita.testing.history import Calling, Epoch, History

# What a stop may take beside the drain: 5 s of trying to commit, 15 s of closing, and the answers.
STOP_SECONDS = 5.0 + 15.0 + 4.0
# Commits are made every second; what is finished may be that old, and the time that a commit takes.
COMMIT_SECONDS = 1.0 + 0.25


@attrs.define(eq=False)
class Oracle:
    """
    Judges one simulation.

    Args:
        drain_timeout: seconds that calls get when a partition goes away.
        concurrency: of each handler, by its name.
    """

    drain_timeout: float
    concurrency: Mapping[str, int]
    violations: list[str] = attrs.field(factory=list, init=False)
    repeats: int = attrs.field(default=0, init=False)
    _histories: dict[TopicPartition, History] = attrs.field(factory=dict, init=False)
    _calls: Counter[tuple[str, str]] = attrs.field(factory=Counter, init=False)
    _trouble: dict[str, float] = attrs.field(factory=dict, init=False)
    _stopping: dict[str, float] = attrs.field(factory=dict, init=False)
    _seen: int = attrs.field(default=0, init=False)

    def see(self, event: Event) -> None:
        """One more event."""
        self._seen += 1
        judge: Callable[[Event], None] | None = getattr(self, "_on_" + event.what.replace(" ", "_"), None)
        if judge is not None:
            judge(event)

    def _break(self, event: Event, promise: str) -> None:
        self.violations.append(f"{promise}: {event}")

    def _history(self, event: Event) -> History:
        assert event.at is not None  # events about messages and offsets name their partition
        return self._histories.setdefault(event.at, History())

    # What the world does.

    def _on_published(self, event: Event) -> None:
        history = self._history(event)
        history.published = max(history.published, event.offset + 1)

    def _on_buried(self, event: Event) -> None:
        self._history(event).over.setdefault(event.offset, self._seen)

    def _on_trouble_begins(self, event: Event) -> None:
        self._trouble[event.process] = inf

    def _on_trouble_ends(self, event: Event) -> None:
        self._trouble[event.process] = event.time

    def _on_crash(self, event: Event) -> None:
        for history in self._histories.values():
            epoch = history.end(event.process)
            history.calls = [each for each in history.calls if each.process != event.process]
            if epoch is not None and not epoch.broken:
                self._must_be_recent(event, history, epoch)
        self._calls = Counter({k: n for k, n in self._calls.items() if k[0] != event.process})

    def _must_be_recent(self, event: Event, history: History, epoch: Epoch) -> None:
        trouble = self._trouble.get(event.process, 0.0)
        for offset in epoch.uncovered(history.stored):
            if event.time - max(epoch.done[offset], trouble) > COMMIT_SECONDS:
                self._break(event, f"{offset} was done long before the crash and not committed")

    # Ownership.

    def _on_given(self, event: Event) -> None:
        self._history(event).owner = "" if event.text else event.process

    def _on_assigned(self, event: Event) -> None:
        """The process hears of it, perhaps when the broker has thrown it out again."""
        history = self._history(event)
        broken = history.owner != event.process
        history.epochs[event.process] = Epoch(event.process, history.stored, broken)

    def _on_revoking(self, event: Event) -> None:
        epoch = self._history(event).epochs.get(event.process)
        if epoch is not None:
            epoch.ending = event.time

    def _on_revoked(self, event: Event) -> None:
        history = self._history(event)
        epoch = history.end(event.process)
        if epoch is not None:
            self._ended(event, history, epoch)

    def _ended(self, event: Event, history: History, epoch: Epoch) -> None:
        """A partition was given up in good order: nothing of it runs, and all that is done is committed."""
        began = event.time if epoch.ending is None else epoch.ending
        if epoch.broken or event.time - began >= self.drain_timeout:
            epoch.broken = True
            return
        if any(call.epoch is epoch for call in history.calls):
            self._break(event, "a call still runs though its partition was given up")
        if self._trouble.get(event.process, -1.0) < began and (left := epoch.uncovered(history.stored)):
            self._break(event, f"{left} are done and not committed, though the end was clean")

    def _on_lost(self, event: Event) -> None:
        history = self._history(event)
        if (epoch := history.end(event.process)) is not None:
            epoch.broken = True

    def _on_expelled(self, event: Event) -> None:
        for history in self._histories.values():
            if (epoch := history.epochs.get(event.process)) is not None:
                epoch.broken = True
            if history.owner == event.process:
                history.owner = ""

    def _on_left(self, event: Event) -> None:
        """The member leaves its group: drained, if its process is being stopped."""
        for history in self._histories.values():
            epoch = history.end(event.process)
            if epoch is None:
                continue
            if event.process in self._stopping:
                epoch.ending = self._stopping[event.process]
                self._ended(event, history, epoch)
            epoch.broken = True

    def _on_stopping(self, event: Event) -> None:
        self._stopping[event.process] = event.time

    def _on_stopped(self, event: Event) -> None:
        began = self._stopping.pop(event.process, event.time)
        slow = self._trouble.get(event.process, -1.0) >= began
        if event.time - began > self.drain_timeout + STOP_SECONDS and not slow:
            self._break(event, f"the stop took {event.time - began:.1f} s")
        for history in self._histories.values():
            if any(call.process == event.process for call in history.calls):
                self._break(event, "a call still runs though its process has stopped")

    # Calls.

    def _on_start(self, event: Event) -> None:
        history = self._history(event)
        epoch = history.epochs.get(event.process)
        if epoch is None or (epoch.ending is not None and not epoch.broken):
            self._break(event, "started by a process that does not own the partition")
            epoch = Epoch(event.process, history.stored, broken=True)
        elif event.offset in epoch.covered:
            self._break(event, "handled again though it was committed as finished")
        for call in history.calls:
            self._beside(event, call, epoch)
        self.repeats += event.offset in history.over
        history.begin(event, epoch, self._seen)
        self._calls[event.process, event.handler] += 1
        if self._calls[event.process, event.handler] > self.concurrency.get(event.handler, 0):
            self._break(event, "more calls at once than the route allows")

    def _beside(self, event: Event, call: Calling, epoch: Epoch) -> None:
        """A call begins while another of the partition runs."""
        if call.epoch is epoch:
            if call.offset == event.offset:
                self._break(event, "called twice at once")
            elif event.lane is not None and call.lane == event.lane:
                self._break(event, f"started beside {call.offset} of the same lane")
        elif not (call.epoch.broken or epoch.broken):
            self._break(event, f"started while {call.process} still handles {call.offset}")

    def _call_ended(self, event: Event) -> Calling | None:
        history = self._history(event)
        for index, call in enumerate(history.calls):
            if (call.process, call.offset, call.attempt) == (event.process, event.offset, event.attempt):
                self._calls[event.process, event.handler] -= 1
                return history.calls.pop(index)
        self._break(event, "a call ended that never began")
        return None

    def _on_done(self, event: Event) -> None:
        history = self._history(event)
        call = self._call_ended(event)
        history.over.setdefault(event.offset, self._seen)
        history.parked.discard(event.offset)
        if call is not None and history.epochs.get(event.process) is call.epoch:
            call.epoch.done[event.offset] = event.time

    def _on_failed(self, event: Event) -> None:
        self._call_ended(event)

    def _on_exhausted(self, event: Event) -> None:
        self._call_ended(event)
        self._history(event).parked.add(event.offset)

    def _on_dropped(self, event: Event) -> None:
        self._call_ended(event)
        self._history(event).over.setdefault(event.offset, self._seen)

    # Offsets.

    def _on_commit_sent(self, event: Event) -> None:
        history = self._history(event)
        commit = history.commit_of(event)
        if not history.is_over(commit):
            self._break(event, "offsets are committed of messages that are not finished")
        epoch = history.epochs.get(event.process)
        if epoch is not None and not epoch.broken and (left := epoch.uncovered(commit)):
            self._break(event, f"{left} are done and left out of a commit")

    def _on_commit_stored(self, event: Event) -> None:
        history = self._history(event)
        commit = history.commit_of(event)
        epoch = history.epochs.get(event.process)
        # A request that was under way when its partition was given up may still arrive before the next owner.
        if history.owner != event.process or (epoch is not None and epoch.broken):
            self._break(event, "offsets are stored by a process that does not own the partition")
        if not commit.covers(history.stored):
            self._break(event, "what was committed as finished is so no more")
        history.stored = commit

    def _on_commit_failed(self, event: Event) -> None:
        if self._trouble.get(event.process) != inf:
            self._trouble[event.process] = event.time

    # The end.

    def unsettled(self) -> Iterator[str]:
        """Messages that are neither finished nor parked, nor wait behind one that is."""
        for at, history in sorted(self._histories.items()):
            for offset in history.unsettled():
                yield f"{at}@{offset}"

    @property
    def parked(self) -> list[str]:
        """Messages whose attempts are used up, and which nobody has taken off."""
        return [
            f"{at}@{offset}"
            for at, history in sorted(self._histories.items())
            for offset in sorted(history.parked - history.over.keys())
        ]

    def heal(self) -> None:
        """Nothing goes wrong any more: what was parked is tried again, and is parked if it fails then."""
        for history in self._histories.values():
            history.parked.clear()

    def settle(self) -> None:
        """All the time has passed that what is left may take."""
        self.violations += [f"not handled or not committed: {each}" for each in self.unsettled()]

    def conclude(self) -> None:
        """All processes have stopped in good order."""
        for at, history in sorted(self._histories.items()):
            self.violations += [f"{at}: {each}" for each in history.out_of_order()]
