"""The judges of a simulation: of calls, of offsets, and of who owns what. Each has a rule for each event."""

from collections import Counter
from collections.abc import Callable, Mapping

from partita.testing.case import Case
from partita.testing.events import Event
from partita.testing.history import BATCH, Calling, Epoch, History

Rules = Mapping[str, Callable[[Event], object]]

# What a stop may take beside the drain: 5 s of trying to commit, 15 s of closing, and the answers.
STOP_SECONDS = 5.0 + 15.0 + 4.0
# Commits are made every second; what is finished may be that old, and the time that a commit takes.
COMMIT_SECONDS = 1.0 + 0.25


class CallJudge:
    """
    Judges when handlers are called: in order, by the owner, not too many, and nothing again.

    Args:
        case: what is known.
    """

    def __init__(self, case: Case) -> None:
        self._case = case
        self.rules: Rules = {
            "start": self._start,
            "done": self._done,
            "failed": self._ended,
            "exhausted": self._exhausted,
            "dropped": self._dropped,
            "buried": self._over,
        }

    def _start(self, event: Event) -> None:
        case, history = self._case, self._case.history(event)
        epoch = history.epochs.get(event.process)
        if epoch is None or (epoch.ending is not None and not epoch.broken):
            case.breaks(event, "started by a process that does not own the partition")
            epoch = Epoch(event.process, history.stored, broken=True)
        elif event.offset in epoch.covered:
            case.breaks(event, "handled again though it was committed as finished")
        for call in history.calls:
            self._beside(event, call, epoch)
        case.repeats += event.offset in history.over
        history.begin(event, epoch, case.seen)
        if event.lane == BATCH:
            return
        case.calls[event.process, event.group, event.handler] += 1
        most = case.concurrency.get((event.group, event.handler), 0)
        if case.calls[event.process, event.group, event.handler] > most:
            case.breaks(event, "more calls at once than the route allows")

    def _beside(self, event: Event, call: Calling, epoch: Epoch) -> None:
        """A call begins while another of the partition runs."""
        if call.epoch is epoch:
            if call.offset == event.offset:
                self._case.breaks(event, "called twice at once")
            elif event.lane not in (None, BATCH) and call.lane == event.lane:
                self._case.breaks(event, f"started beside {call.offset} of the same lane")
        elif not (call.epoch.broken or epoch.broken):
            self._case.breaks(event, f"started while {call.process} still handles {call.offset}")

    def _ended(self, event: Event) -> Calling | None:
        history = self._case.history(event)
        for index, call in enumerate(history.calls):
            if (call.process, call.offset, call.attempt) == (event.process, event.offset, event.attempt):
                self._case.calls[event.process, event.group, event.handler] -= 1
                return history.calls.pop(index)
        if event.lane != BATCH:  # one that cannot be decoded is left out of the call
            self._case.breaks(event, "a call ended that never began")
        return None

    def _done(self, event: Event) -> None:
        history = self._case.history(event)
        call = self._ended(event)
        self._over(event)
        if call is not None and history.epochs.get(event.process) is call.epoch:
            call.epoch.done[event.offset] = event.time

    def _exhausted(self, event: Event) -> None:
        self._ended(event)
        self._case.history(event).parked.add(event.offset)

    def _dropped(self, event: Event) -> None:
        self._ended(event)
        self._over(event)

    def _over(self, event: Event) -> None:
        history = self._case.history(event)
        history.over.setdefault(event.offset, self._case.seen)
        history.parked.discard(event.offset)


class OffsetJudge:
    """
    Judges what is committed: what is finished, all of it, by the owner, and never less than before.

    Args:
        case: what is known.
    """

    def __init__(self, case: Case) -> None:
        self._case = case
        self.rules: Rules = {
            "published": self._published,
            "unroutable": self._unroutable,
            "commit sent": self._sent,
            "commit stored": self._stored,
            "commit failed": case.trouble_passes,
            "fault": self._fault,
            "fenced": self._fenced,
        }

    def _fault(self, event: Event) -> None:
        """A commit that is lost fails half a second later, and a crash may come before."""
        if event.text in ("lost commit", "unanswered commit"):
            self._case.trouble_passes(event)

    def _published(self, event: Event) -> None:
        history = self._case.history(event)
        history.published = max(history.published, event.offset + 1)

    def _unroutable(self, event: Event) -> None:
        self._case.history(event).unroutable.add(event.offset)

    def _sent(self, event: Event) -> None:
        history = self._case.history(event)
        commit = history.commit_of(event)
        if not history.is_over(commit):
            self._case.breaks(event, "offsets are committed of messages that are not finished")
        epoch = history.epochs.get(event.process)
        if epoch is not None and not epoch.broken and (left := epoch.uncovered(commit)):
            self._case.breaks(event, f"{left} are done and left out of a commit")

    def _stored(self, event: Event) -> None:
        history = self._case.history(event)
        commit = history.commit_of(event)
        epoch = history.epochs.get(event.process)
        # A request that was under way when its partition was given up may still arrive before the next owner.
        if history.owner != event.process or (epoch is not None and epoch.broken):
            self._case.breaks(event, "offsets are stored by a process that does not own the partition")
        if not commit.covers(history.stored):
            self._case.breaks(event, "what was committed as finished is so no more")
        history.stored = commit

    def _fenced(self, event: Event) -> None:
        history = self._case.history(event)
        fence = event.offset, event.process
        if fence[0] < history.fence[0] or (fence[0] == history.fence[0] and fence != history.fence):
            self._case.breaks(event, f"a fence is not above that of {history.fence[1]}, {history.fence[0]}")
        history.fence = fence


class OwnershipJudge:
    """
    Judges how partitions change hands and how processes end.

    Args:
        case: what is known.
    """

    def __init__(self, case: Case) -> None:
        self._case = case
        self.rules: Rules = {
            "trouble begins": case.trouble_begins,
            "trouble ends": case.trouble_ends,
            "given": self._given,
            "assigned": self._assigned,
            "revoking": self._revoking,
            "revoked": self._revoked,
            "lost": self._lost,
            "expelled": self._expelled,
            "left": self._left,
            "crash": self._crash,
            "stopping": self._stopping,
            "stopped": self._stopped,
        }

    def _given(self, event: Event) -> None:
        self._case.history(event).owner = "" if event.text else event.process

    def _assigned(self, event: Event) -> None:
        """The process hears of it, perhaps when the broker has thrown it out again."""
        history = self._case.history(event)
        broken = history.owner != event.process
        history.epochs[event.process] = Epoch(event.process, history.stored, broken)

    def _revoking(self, event: Event) -> None:
        if (epoch := self._case.history(event).epochs.get(event.process)) is not None:
            epoch.ending = event.time

    def _revoked(self, event: Event) -> None:
        history = self._case.history(event)
        if (epoch := history.end(event.process)) is not None:
            self._given_up(event, history, epoch)

    def _given_up(self, event: Event, history: History, epoch: Epoch) -> None:
        """A partition was given up in good order: nothing of it runs, and all that is done is committed."""
        began = event.time if epoch.ending is None else epoch.ending
        if epoch.broken or event.time - began >= self._case.drain_timeout:
            epoch.broken = True
            return
        if any(call.epoch is epoch for call in history.calls):
            self._case.breaks(event, "a call still runs though its partition was given up")
        if self._case.trouble(event.process) < began and (left := epoch.uncovered(history.stored)):
            self._case.breaks(event, f"{left} are done and not committed, though the end was clean")

    def _lost(self, event: Event) -> None:
        if (epoch := self._case.history(event).end(event.process)) is not None:
            epoch.broken = True

    def _expelled(self, event: Event) -> None:
        for history in self._case.all(event.group):
            if (epoch := history.epochs.get(event.process)) is not None:
                epoch.broken = True
            if history.owner == event.process:
                history.owner = ""

    def _left(self, event: Event) -> None:
        """The member leaves its group: drained, if its process is being stopped."""
        for history in self._case.all(event.group):
            epoch = history.end(event.process)
            if epoch is None:
                continue
            if event.process in self._case.stopping:
                epoch.ending = self._case.stopping[event.process]
                self._given_up(event, history, epoch)
            epoch.broken = True

    def _crash(self, event: Event) -> None:
        case = self._case
        for history in case.all():
            epoch = history.end(event.process)
            history.calls = [each for each in history.calls if each.process != event.process]
            if epoch is not None and not epoch.broken:
                self._must_be_recent(event, history, epoch)
        case.calls = Counter({key: n for key, n in case.calls.items() if key[0] != event.process})

    def _must_be_recent(self, event: Event, history: History, epoch: Epoch) -> None:
        trouble = self._case.trouble(event.process)
        for offset in epoch.uncovered(history.stored):
            if event.time - max(epoch.done[offset], trouble) > COMMIT_SECONDS:
                self._case.breaks(event, f"{offset} was done long before the crash and not committed")

    def _stopping(self, event: Event) -> None:
        self._case.stopping[event.process] = event.time

    def _stopped(self, event: Event) -> None:
        case = self._case
        began = case.stopping.pop(event.process, event.time)
        took = event.time - began
        if took > case.drain_timeout + STOP_SECONDS and case.trouble(event.process) < began:
            case.breaks(event, f"the stop took {took:.1f} s")
        if any(call.process == event.process for history in case.all() for call in history.calls):
            case.breaks(event, "a call still runs though its process has stopped")
