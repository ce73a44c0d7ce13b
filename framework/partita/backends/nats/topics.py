"""Topics as streams: made, deleted, listed and looked up."""

import asyncio
from collections.abc import Collection, Mapping
from secrets import token_hex

import attrs
from nats import errors
from nats.js.errors import NotFoundError, ServiceUnavailableError

from partita.backends.nats.answers import STREAM_NOT_FOUND, Answer
from partita.backends.nats.client import Connection
from partita.backends.nats.names import MADE, TOPIC, stream_name, subject
from partita.core.errors import SettingsError, TopicMissing
from partita.core.settings import check_topic_name

DUPLICATE_WINDOW = 120.0
_LIST_TRIES, _LIST_PAUSE = 4, 0.25
Setting = str | int
# The server's settings of a stream that a topic may have, and what they are when nobody says otherwise.
# Times are in nanoseconds, sizes in bytes, -1 and 0 mean no limit.
_USUAL: Mapping[str, Setting] = {
    "max_age": 0,
    "max_bytes": -1,
    "max_msgs": -1,
    "max_msgs_per_subject": -1,
    "max_msg_size": -1,
    "duplicate_window": int(DUPLICATE_WINDOW * 1e9),
    "storage": "file",
    "discard": "old",
    "compression": "none",
}


@attrs.frozen
class Layout:
    """
    How a topic is stored.

    Args:
        partitions: how many there are.
        window: seconds for which the server remembers message ids.
        kept: seconds for which it keeps a message; 0.0: for ever.
    """

    partitions: int
    window: float
    kept: float = 0.0


class Topics:
    """
    The topics of one JetStream account.

    Args:
        connection: an open connection.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def create(self, topic: str, partitions: int, replication: int, configs: Mapping[str, str]) -> None:
        """
        Make a topic.

        Raises:
            SettingsError: the name, a number or a setting cannot be used.
            nats.js.errors.APIError: the server refused, for example because it exists.
        """
        _check(topic, partitions, replication)
        name, settings = stream_name(topic), settings_of(configs)
        # The server says yes when asked again for a stream with the very same configuration; a mark of
        # its own makes each request another one, so that two who create a topic do not both succeed.
        await self._connection.ask(
            f"STREAM.CREATE.{name}",
            {
                "name": name,
                "subjects": [subject(topic, number) for number in range(partitions)],
                "storage": "file",
                "retention": "limits",
                "duplicate_window": int(DUPLICATE_WINDOW * 1e9),
                **settings,
                "num_replicas": replication,
                "metadata": {TOPIC: topic, MADE: token_hex(8)},
            },
        )

    async def delete(self, topic: str) -> None:
        """
        Delete a topic and what is in it.

        Raises:
            TopicMissing: there is none.
            nats.errors.Error: the client's own error.
        """
        try:
            await self._connection.ask(f"STREAM.DELETE.{stream_name(topic)}")
        except NotFoundError as error:
            raise _missing(topic, error) from None

    async def listed(self) -> Mapping[str, int]:
        """Each topic's number of partitions; streams without the mark of a topic are left out."""
        topics: dict[str, int] = {}
        offset, total = 0, 1
        while offset < total:
            page = await self._page(offset)
            streams = page.each("streams")
            for stream in streams:
                topic = stream.text("config", "metadata", TOPIC)
                if topic:
                    topics[topic] = partitions_of(topic, stream)
            total = page.number("total") if streams else 0
            offset += len(streams)
        return topics

    async def _page(self, offset: int) -> Answer:
        """
        Some streams, from a number on. While a leader is elected the server may not answer, so it is asked
        a few times.

        Raises:
            nats.errors.Error: the client's own error, the last time.
        """
        for _ in range(_LIST_TRIES - 1):
            try:
                return await self._connection.ask("STREAM.LIST", {"offset": offset})
            except (errors.TimeoutError, errors.NoRespondersError, ServiceUnavailableError):
                await asyncio.sleep(_LIST_PAUSE)
        return await self._connection.ask("STREAM.LIST", {"offset": offset})

    async def layout(self, topic: str) -> Layout:
        """
        Look a topic up.

        Raises:
            TopicMissing: there is none.
            nats.errors.Error: the client's own error.
        """
        try:
            found = await self._connection.ask(f"STREAM.INFO.{stream_name(topic)}")
        except NotFoundError as error:
            raise _missing(topic, error) from None
        partitions = partitions_of(topic, found)
        if not partitions:
            raise TopicMissing(topic)
        window, kept = (found.number("config", name) / 1e9 for name in ("duplicate_window", "max_age"))
        return Layout(partitions, window, kept)

    async def retention(self, topics: Collection[str]) -> Mapping[str, float]:
        """Seconds for which each topic keeps a message; left out are those that keep it for ever."""
        kept: dict[str, float] = {}
        for topic in topics:
            try:
                kept[topic] = (await self.layout(topic)).kept
            # Deleted since it was listed: whoever needs it is told so by its subscription.
            except TopicMissing:
                continue
        return {topic: seconds for topic, seconds in kept.items() if seconds}


def settings_of(configs: Mapping[str, str]) -> Mapping[str, Setting]:
    """
    Settings of a stream from their text.

    Raises:
        SettingsError: there is no such setting of a topic, or it takes another kind of value.
    """
    found: dict[str, Setting] = {}
    for name, value in configs.items():
        usual = _USUAL.get(name)
        if usual is None:
            raise SettingsError(
                f"a topic on NATS has no setting {name!r}; it has {', '.join(sorted(_USUAL))}"
            )
        if isinstance(usual, str):
            found[name] = value
            continue
        try:
            found[name] = int(value)
        except ValueError:
            raise SettingsError(f"{name}={value!r}: give a whole number") from None
    return found


def differing(stream: Answer) -> Mapping[str, str]:
    """The settings of a stream that are not what a topic has when nobody says otherwise."""
    told = {name: stream.at("config", name) for name in _USUAL}
    return {name: str(value) for name, value in told.items() if value not in (None, _USUAL[name])}


def _missing(topic: str, error: NotFoundError) -> Exception:
    return TopicMissing(topic) if error.err_code == STREAM_NOT_FOUND else error


def partitions_of(topic: str, stream: Answer) -> int:
    """How many partitions a stream has: the subjects that count up from `<topic>.0`."""
    subjects = set(stream.texts("config", "subjects"))
    count = 0
    while subject(topic, count) in subjects:
        count += 1
    return count


def _check(topic: str, partitions: int, replication: int) -> None:
    check_topic_name(topic)
    if "" in topic.split("."):
        raise SettingsError(f"{topic!r} is no topic name on NATS, where something must stand around each '.'")
    if partitions < 1:
        raise SettingsError(f"a topic has 1 partition or more, not {partitions}")
    if replication < 1:
        raise SettingsError(f"a topic has 1 replica or more, not {replication}")
