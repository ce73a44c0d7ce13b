"""Topics and the ping, over one admin connection that is replaced when it has failed."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    NodeNotReadyError,
    NoError,
    RequestTimedOutError,
    StaleMetadata,
    UnknownTopicOrPartitionError,
    for_code,
)

from partita.backends.kafka import client
from partita.backends.kafka.calls import begin, ended, leave
from partita.backends.kafka.settings import KafkaSetup
from partita.core.errors import Closed, TopicMissing

_PING_WAIT = 5.0  # seconds that one ping waits; the request itself goes on
_SEEN_TRIES, _SEEN_PAUSE = 200, 0.05
_BROKEN = (
    KafkaConnectionError,
    NodeNotReadyError,
    RequestTimedOutError,
    StaleMetadata,
    KafkaTimeoutError,
    OSError,
)

Ask = Callable[[client.Client], Awaitable[Any]]


class KafkaAdmin:
    """
    Asks the broker about topics, with one client that is built anew after a failed connection.

    Args:
        settings: servers, options and deadlines.
    """

    def __init__(self, settings: KafkaSetup) -> None:
        self._settings = settings
        self._client: client.Client | None = None
        self._starting = asyncio.Lock()
        self._pinging: asyncio.Task[Any] | None = None
        self._closed = False

    @property
    def running_client(self) -> client.Client | None:
        """The client's own object, if there is one now."""
        return self._client

    async def open(self) -> None:
        """Connect. Raises KafkaConnectionError when no broker can be reached."""
        await self._connected()

    async def _connected(self) -> client.Client:
        async with self._starting:
            if self._closed:
                raise Closed("the bus is closed")
            if self._client is None:
                made = client.build(AIOKafkaAdminClient, self._settings.security, **self._settings.admin())
                await client.start(made, self._settings.start_seconds)
                self._client = made
            return self._client

    async def _ask(self, ask: Ask) -> Any:
        """
        The answer to one request.

        Raises:
            KafkaTimeoutError: none within the request deadline.
            Exception: the client's own error.
        """
        used = await self._connected()
        task = begin(_asked(ask, used))
        # Whoever stops waiting for it does not ask how it ended, and asyncio would print its traceback.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        seconds = self._settings.deadlines.request
        if not await ended(task, seconds):
            leave(task)
            self._replace(used)
            raise KafkaTimeoutError(f"the broker gave no answer within {seconds:g} s")
        if isinstance(task.exception(), _BROKEN):
            self._replace(used)
        return task.result()

    async def answer(self, ask: Ask) -> Any:
        """The answer to one request of another module's; raises as the requests here do."""
        return await self._ask(ask)

    def _replace(self, used: client.Client) -> None:
        if self._client is used:
            self._client = None
            leave(begin(client.end(used, 1.0)))

    async def ping(self) -> None:
        """
        Ask the broker for its metadata. Several pings share one request, which is never cancelled.

        Raises:
            KafkaTimeoutError: no answer within 5 s; the next ping waits for the same one.
            Exception: the client's own error.
        """
        if self._pinging is None:
            self._pinging = begin(self._ask(lambda admin: admin.describe_topics([])))
        pinging = self._pinging
        if not await ended(pinging, _PING_WAIT):
            raise KafkaTimeoutError(f"the broker gave no answer within {_PING_WAIT:g} s")
        if self._pinging is pinging:
            self._pinging = None
        pinging.result()

    async def on_controller(self, ask: Ask) -> Any:
        """The answer to one request that only the controller takes; raises as the requests here do."""
        return await self._ask(lambda admin: _on_controller(admin, ask))

    async def create_topic(
        self, topic: str, partitions: int, replication: int, configs: Mapping[str, str]
    ) -> None:
        """
        Make a topic and wait until the broker tells its partitions' leaders.

        Raises:
            TopicAlreadyExistsError: there is one of this name.
            Exception: the client's own error, by the broker's code.
        """
        new = client.make(NewTopic, topic, partitions, replication, topic_configs=dict(configs))
        answer = await self.on_controller(lambda admin: admin.create_topics([new]))
        for _, code, *text in answer.topic_errors:
            _check(code, *text)
        await self.wait_until(lambda seen: is_ready(seen.get(topic), partitions))

    async def delete_topic(self, topic: str) -> None:
        """
        Delete a topic and wait until the broker names it no more.

        Raises:
            TopicMissing: there is none, or it is one of the broker's internal topics: with
                `__consumer_offsets` every group would lose what it has committed.
            Exception: the client's own error, by the broker's code.
        """
        if _is_internal(topic, (await self._described()).get(topic, {})):
            raise TopicMissing(topic)
        answer = await self.on_controller(lambda admin: admin.delete_topics([topic]))
        for _, code in answer.topic_error_codes:
            if for_code(code) is UnknownTopicOrPartitionError:
                raise TopicMissing(topic)
            _check(code)
        await self.wait_until(lambda seen: topic not in seen)

    async def wait_until(self, seen: Callable[[Mapping[str, Any]], bool]) -> None:
        """Look until the change is seen, for up to the request deadline; it was made in any case."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.deadlines.request
        for _ in range(_SEEN_TRIES):
            if seen(await self._described()) or loop.time() >= deadline:
                return
            await asyncio.sleep(_SEEN_PAUSE)

    async def _described(self) -> Mapping[str, Any]:
        topics = await self._ask(lambda admin: admin.describe_topics(None))
        return {each["topic"]: each for each in topics}

    async def described(self) -> Mapping[str, Any]:
        """The broker's description of each topic, internal ones too. To ask for one by name may make it."""
        return await self._described()

    async def described_group(self, group: str) -> Mapping[str, Any]:
        """What the group's coordinator says of it, its error code included. Raises the client's own error."""
        answers = await self._ask(lambda admin: admin.describe_consumer_groups([group]))
        described: Mapping[str, Any] = answers[0].to_object()["groups"][0]
        return described

    async def list_topics(self) -> Mapping[str, int]:
        """Each topic's number of partitions, the broker's internal topics left out."""
        described = await self._described()
        return {
            topic: len(each["partitions"])
            for topic, each in sorted(described.items())
            if not _is_internal(topic, each)
        }

    async def largest_batch(self, topic: str) -> int:
        """The topic's `max.message.bytes`."""
        wanted = client.make(ConfigResource, ConfigResourceType.TOPIC, topic, {"max.message.bytes": None})
        answers = await self._ask(lambda admin: admin.describe_configs([wanted]))
        code, text, _, _, entries = answers[0].resources[0]
        _check(code, text)
        return int(entries[0][1])

    async def retention(self, topics: Collection[str]) -> Mapping[str, float]:
        """
        Seconds for which each topic keeps a message, from `retention.ms`.

        Left out are topics that keep theirs for ever or compact them only, and those whose settings this
        client may not read.
        """
        names = {"retention.ms": None, "cleanup.policy": None}
        wanted = [client.make(ConfigResource, ConfigResourceType.TOPIC, topic, names) for topic in topics]
        if not wanted:
            return {}
        answers = await self._ask(lambda admin: admin.describe_configs(wanted))
        kept: dict[str, float] = {}
        for code, _, _, topic, entries in (each for answer in answers for each in answer.resources):
            told = {name: value for name, value, *_ in entries} if for_code(code) is NoError else {}
            millis = int(told.get("retention.ms") or -1)
            if millis >= 0 and "delete" in told.get("cleanup.policy", "delete"):
                kept[topic] = millis / 1000
        return kept

    async def close(self) -> None:
        """Close the connection, within the close deadline. Does not raise."""
        self._closed = True
        used, self._client = self._client, None
        if used is not None:
            await client.end(used, self._settings.deadlines.close)
        if self._pinging is not None:
            leave(self._pinging)


async def _on_controller(admin: client.Client, ask: Ask) -> Any:
    await client.know_controller(admin)
    return await ask(admin)


async def _asked(ask: Ask, used: client.Client) -> Any:
    await client.choose_broker(used)
    return await ask(used)


def _check(code: int, text: str | None = None) -> None:
    """Raise the client's own error for a broker's code, with the broker's words."""
    error = for_code(code)
    if error is not NoError:
        raise error(text or "")


def is_ready(topic: Mapping[str, Any] | None, partitions: int) -> bool:
    """Whether a topic has so many partitions with a leader, as the broker describes it."""
    if topic is None or topic["error_code"] != 0:
        return False
    led = [each for each in topic["partitions"] if each["leader"] >= 0]
    return len(led) >= partitions


def _is_internal(topic: str, described: Mapping[str, Any]) -> bool:
    return bool(described.get("is_internal", topic.startswith("__")))
