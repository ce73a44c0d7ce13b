"""
Decide which dead letters of a partition are replayed, and what is remembered of it.

It is remembered as a consumer group remembers anything: by a committed offset, and by a map of what is
finished above it.
"""

from collections.abc import Sequence
from enum import Enum
from typing import TypedDict

import attrs

from partita.core.dead_letters import DeathNotice
from partita.core.errors import SettingsError
from partita.core.finished import Finished
from partita.core.offset_map import LONGEST, OffsetMap
from partita.core.ports import Commit
from partita.core.settings import check_topic_name

# What is replayed until the next look at the map is to fit into it as well.
FULL = LONGEST // 2


class Verdict(Enum):
    """What becomes of a message in a replay; PASS is for what is no dead letter."""

    REPLAY = "replay"
    LEAVE = "leave"
    REFUSE = "refuse"
    PASS = "pass"


class ReplayOptions(TypedDict, total=False):
    """
    Which dead letters are replayed, and how; all of it may be left out.

    handler: only letters that this handler gave up.
    error: only letters whose last error is of this class: its dotted name, or the last part of it.
    max_replays: a letter that was replayed this often already is refused; default 3.
    rate: letters a second; default: as fast as the broker takes them.
    dry_run: publish and remember nothing.
    stop_after_failures: end when so many letters could not be published; default 10. As many letters, and
        at most 100, are on their way at once.
    to: publish to this topic; default: the one that each letter came from.
    """

    handler: str | None
    error: str | None
    max_replays: int
    rate: float | None
    dry_run: bool
    stop_after_failures: int
    to: str | None


@attrs.frozen
class ReplaySettings:
    """
    `ReplayOptions` with every default filled in, checked.

    Raises:
        SettingsError: a value is outside its range.
    """

    handler: str | None = None
    error: str | None = None
    max_replays: int = 3
    rate: float | None = None
    dry_run: bool = False
    stop_after_failures: int = 10
    to: str | None = None

    def __attrs_post_init__(self) -> None:
        if self.rate is not None and not 0 < self.rate < float("inf"):
            raise SettingsError(f"rate={self.rate!r}: give a number of letters a second above 0")
        for option in ("max_replays", "stop_after_failures"):
            value = getattr(self, option)
            if not isinstance(value, int) or value < 1:
                raise SettingsError(f"{option}={value!r}: give a whole number of 1 or more")
        if self.to is not None:
            check_topic_name(self.to)

    def judge(self, letter: DeathNotice) -> Verdict:
        """What becomes of one letter."""
        names = (letter.error_class, letter.error_class.rpartition(".")[2])
        wanted = self.handler in (None, letter.handler) and (self.error is None or self.error in names)
        if not wanted:
            return Verdict.LEAVE
        return Verdict.REPLAY if letter.replays < self.max_replays else Verdict.REFUSE


@attrs.frozen
class ReplaySummary:
    """
    What a replay came to.

    Args:
        replayed: letters that were published again; in a dry run, those that would have been.
        left: letters that were not asked for, those with the key of a failed one before them, and those
            for which the group's memory had no room: more than some 10,000 letters scattered above one that
            stays.
        refused: letters that were replayed too often already.
        errors: the client's own error for each letter that could not be published.
    """

    replayed: int = 0
    left: int = 0
    refused: int = 0
    errors: Sequence[Exception] = ()

    @property
    def failed(self) -> int:
        """How many letters could not be published."""
        return len(self.errors)


@attrs.define(eq=False)
class Remembered:
    """
    What is known of the replays of one partition: what may be committed, and the map that goes with it.

    A letter that stays holds the committed offset; what was replayed above it stands in the map, so that
    the next replay does not repeat it.

    Args:
        before: what earlier replays have finished above the committed offset.
    """

    before: Finished = attrs.field(factory=Finished)
    _position: int | None = attrs.field(default=None, init=False)
    _first_left: int | None = attrs.field(default=None, init=False)
    _base: int = attrs.field(default=0, init=False)
    _done: list[int] = attrs.field(factory=list, init=False)

    @classmethod
    def read(cls, stored: Commit | None) -> "Remembered":
        """What the group has stored for the partition; None: nothing yet."""
        if stored is None:
            return cls()
        return cls(OffsetMap.decode(stored.offset, stored.metadata).finished)

    def is_done(self, offset: int) -> bool:
        """Whether nothing is to be done for the message at *offset* any more."""
        return offset < self._base or offset in self.before

    def read_to(self, position: int) -> None:
        """All below *position* was looked at."""
        self._position = position

    def leave(self, offset: int) -> None:
        """This letter stays for another replay."""
        if self._first_left is None or offset < self._first_left:
            self._first_left = offset

    def done(self, offset: int) -> None:
        """This letter was replayed, and the broker has it."""
        self._done.append(offset)

    def commit(self) -> Commit | None:
        """What to store now, when nothing is on its way; None when nothing was looked at yet."""
        if self._position is None:
            return None
        base = max(self._base, self._position if self._first_left is None else self._first_left)
        finished = self.before | Finished.of(self._done)
        # The committed offset is the first that is not finished; what is finished up to there needs no words.
        base = next((stop for start, stop in finished.runs() if start <= base < stop), base)
        self.before, self._base = finished.above(base), base
        self._done.clear()
        return Commit(base, OffsetMap(self.before).encode(base))


def is_full(commit: Commit) -> bool:
    """Whether so much stands in the map that no more should be replayed above the letter that stays."""
    return len(commit.metadata) > FULL
