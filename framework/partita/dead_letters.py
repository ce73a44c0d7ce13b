"""The dead letters of a topic: read without taking them from anybody, and replayed, each once."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Unpack

import attrs

from partita.core.dead_letters import DeathNotice, read_dead_letter
from partita.core.errors import SettingsError
from partita.core.ports import Backend
from partita.core.replays import ReplayOptions, ReplaySettings, ReplaySummary, Verdict
from partita.message import Message
from partita.reading import Reading
from partita.replaying import Replay, Send, Watch


@attrs.frozen(kw_only=True)
class DeadLetter(DeathNotice):
    """
    A message that was given up. Its topic, partition and offset are those that it had.

    Args:
        message: the dead letter itself, with the value and key of the message; its topic, partition and
            offset are those in the dead-letter topic.
    """

    message: Message


class DeadLetters:
    """
    What is in a dead-letter topic. Made by `EventBus.dead_letters`.

    `async for letter in bus.dead_letters("orders.dlq")` goes through all that there is, partition by
    partition in order, those that were replayed included, and ends; messages that are no dead letters
    are passed over.

    Args:
        backend: where the topic is.
        send: publishes without waiting.
        topic: the dead-letter topic.
    """

    def __init__(self, backend: Backend, send: Send, topic: str) -> None:
        self.topic = topic
        self._backend = backend
        self._send = send

    @property
    def group(self) -> str:
        """The consumer group whose commits say what was replayed."""
        return f"partita-dlq-{self.topic}"

    def __aiter__(self) -> AsyncGenerator[DeadLetter, None]:
        return self.read()

    async def read(self) -> AsyncGenerator[DeadLetter, None]:
        """
        All dead letters there are now. To end early, use it within `contextlib.aclosing`.

        Raises:
            TopicMissing: there is no such topic.
            Exception: the client's own error.
        """
        async with aclosing(self._messages()) as messages:
            async for message in messages:
                letter = _letter(message)
                if letter is not None:
                    yield letter

    async def find(self, partition: int, offset: int) -> DeadLetter | None:
        """
        The dead letter at one place of the dead-letter topic; None when there is none.

        Raises:
            TopicMissing: there is no such topic.
            Exception: the client's own error.
        """
        async with aclosing(self._messages(only=partition)) as messages:
            async for message in messages:
                if message.offset >= offset:
                    return _letter(message) if message.offset == offset else None
        return None

    async def replay(
        self,
        where: Callable[[DeadLetter], bool] | None = None,
        *,
        watch: Watch = lambda done, total: None,
        **options: Unpack[ReplayOptions],
    ) -> ReplaySummary:
        """
        Publish dead letters again: value, key and headers as they were, with one replay more counted.

        Letters with equal keys keep their order; after one that could not be published, those with its
        key stay as well. What was replayed is not replayed again; what is left out, refused or failed
        stays for another replay. A replay that is killed may repeat what it sent within its last second.

        Args:
            where: only letters for which it returns true.
            watch: called with the letters done and those there are, to show progress.
            **options: see `ReplayOptions`.

        Raises:
            SettingsError: an option cannot be used.
            TopicMissing: there is no such dead-letter topic.
            Exception: the client's own error; one for a single letter is a failure in the summary.
        """
        settings = ReplaySettings(**options)
        if settings.to == self.topic:
            raise SettingsError(f"to={settings.to!r}: these dead letters are in that topic already")

        def judge(message: Message) -> tuple[Verdict, str]:
            letter = _letter(message)
            if letter is None:
                return Verdict.PASS, ""
            if where is not None and not where(letter):
                return Verdict.LEAVE, ""
            # A letter that names the dead-letter topic as its source would come back for ever.
            target = settings.to or letter.topic
            return Verdict.REFUSE if target == self.topic else settings.judge(letter), target

        replay = Replay(self._backend, self._send, settings, judge)
        return await replay.run(self.topic, self.group, watch)

    async def _messages(self, only: int | None = None) -> AsyncGenerator[Message, None]:
        """Everything in the topic, or in one partition of it, through a group that nobody else has."""
        reader = self._backend.reader
        async with Reading(self._backend, self.topic) as reading:
            if only is not None:
                reading.left = {at: count for at, count in reading.left.items() if at.partition == only}
            async for part in reading.parts():
                for record in part.records:
                    yield Message(record, reader)


def _letter(message: Message) -> DeadLetter | None:
    notice = read_dead_letter(message.headers)
    return None if notice is None else DeadLetter(**attrs.asdict(notice, recurse=False), message=message)
