"""Looks at the backlogs of groups, by whoever asks, with what earlier looks have found."""

import asyncio
import time
from collections.abc import Collection

from partita.core.backlog import Backlog
from partita.core.backlog_history import GroupHistory
from partita.core.errors import SettingsError
from partita.core.extents import BacklogQuestion
from partita.core.ports import Backend
from partita.core.settings import check_topic_name
from partita.running import Running

MOST_HISTORIES = 256


class Backlogs:
    """
    The backlogs that one bus was asked for.

    Args:
        backend: asks the broker.
        running: knows better what runs here.
    """

    def __init__(self, backend: Backend, running: Running) -> None:
        self._backend, self._running = backend, running
        self._histories: dict[tuple[str, frozenset[str] | None], GroupHistory] = {}

    async def look(self, group: str, topics: Collection[str] | None, start: str) -> Backlog:
        """
        What waits for a group, not judged; see `EventBus.check_backlog`.

        Raises:
            SettingsError: a value cannot be used, or the broker knows nothing of the group.
            TopicMissing: a topic does not exist.
            Exception: the client's own error.
        """
        question = BacklogQuestion(
            _checked_group(group),
            _checked_topics(topics),
            self._running.start_of(group) or _checked_start(start),
            self._running.held(group),
        )
        now = asyncio.get_running_loop().time()
        found = await self._backend.extents(question)
        if not found.partitions and topics is None:
            raise SettingsError(
                f"the broker knows no topic of the group {group!r}: it has no member and has committed "
                "nothing; name what it is to read (topics=, or --topic)"
            )
        history = self._history(group, question.topics)
        return history.look(now, time.time_ns() // 1_000_000, found, question.held)

    def _history(self, group: str, topics: frozenset[str] | None) -> GroupHistory:
        history = self._histories.pop((group, topics), None) or GroupHistory(group)
        self._histories[group, topics] = history  # the latest stands last
        while len(self._histories) > MOST_HISTORIES:
            del self._histories[next(iter(self._histories))]
        return history


def _checked_group(group: object) -> str:
    if not (isinstance(group, str) and group):
        raise SettingsError(f"{group!r} is no name of a consumer group")
    return group


def _checked_topics(topics: Collection[str] | None) -> frozenset[str] | None:
    if isinstance(topics, str):
        raise SettingsError(f"topics={topics!r}: give a list of names")
    return None if topics is None else frozenset(check_topic_name(each) for each in topics)


def _checked_start(start: str) -> str:
    if start not in ("earliest", "latest"):
        raise SettingsError(f"start={start!r}: give 'earliest' or 'latest'")
    return start
