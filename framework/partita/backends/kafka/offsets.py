"""Commits of one member: explicit, one request at a time, an outcome for each partition."""

import asyncio
from collections.abc import Mapping

from aiokafka.errors import CommitFailedError, KafkaTimeoutError

from partita.backends.kafka import client
from partita.backends.kafka.calls import Calls, ended, leave
from partita.backends.kafka.rebalance import Ownership
from partita.core.ports import Commit, TopicPartition


class Commits:
    """
    Commits what a member owns.

    Args:
        owned: the member's partitions.
        calls: where the client's calls run.
        seconds: how long an answer is waited for.
    """

    def __init__(self, owned: Ownership, calls: Calls, seconds: float) -> None:
        self._owned, self._calls, self._seconds = owned, calls, seconds
        self._pending: asyncio.Task[None] | None = None

    async def store(
        self, consumer: client.Client, commits: Mapping[TopicPartition, Commit]
    ) -> Mapping[TopicPartition, Exception]:
        """
        The client's error for each commit that may not be stored; see `Subscription.commit`.

        They are of the assignment that is in force now: however long they wait, they go with its generation.
        """
        generation = self._owned.generation
        while (earlier := self._pending) is not None and not earlier.done():
            # The client repeats a commit for ever while the coordinator is away (aiokafka issue 759, 0.14).
            if not await ended(earlier, self._seconds):
                unsent = KafkaTimeoutError("not sent: an earlier commit is not answered yet")
                return dict.fromkeys(commits, unsent)
        # After a lost session the client would commit as if from outside the group (aiokafka issue 344).
        alive = client.is_member(consumer)
        owned = {
            partition: commit
            for partition, commit in commits.items()
            if alive and partition in self._owned.partitions
        }
        errors: dict[TopicPartition, Exception] = {
            each: CommitFailedError() for each in commits if each not in owned
        }
        if owned:
            self._pending = self._calls.begin(client.commit(consumer, generation, owned))
            error = await self._outcome(self._pending)
            # The client names one error for the whole request: none of it counts as stored.
            errors |= dict.fromkeys(owned, error) if error is not None else {}
        return errors

    async def _outcome(self, commit: asyncio.Task[None]) -> Exception | None:
        if not await ended(commit, self._seconds):
            leave(commit)
        elif not commit.cancelled():
            error = commit.exception()
            if error is None or isinstance(error, Exception):
                return error
        return KafkaTimeoutError(
            f"no answer to a commit within {self._seconds:g} s; whether it was stored is unknown"
        )
