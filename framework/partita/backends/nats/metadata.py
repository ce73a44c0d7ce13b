"""
The metadata of commits: an entry for each group and partition in a key-value bucket.

The server keeps only a floor with a consumer. The other place for text is the consumer's own `metadata`,
an update of its configuration; measured on 2.15.1 with 1.2 KB, that costs 0.95 ms against 0.18 ms, and 64
at once take 66 ms against 3 ms (179 ms against 5 ms in a cluster of three, where each update goes through
the one leader of all that is configured).

Floor and text are two writes here: first the ack, then the entry. So an entry names the floor that it was
written for, and the consumer by its time of creation. It holds for that floor and those above it, which
say even more; below it, where somebody has reset the group to read again, and for a consumer made anew it
does not.
"""

import json
import logging
from base64 import b64decode

import attrs
from nats import errors
from nats.js.errors import APIError, NotFoundError

from partita.backends.nats.answers import STREAM_EXISTS, Answer, answer
from partita.backends.nats.client import Connection
from partita.backends.nats.names import escaped, stream_name
from partita.core.ports import Commit, TopicPartition

BUCKET = "partita"
_STREAM = f"KV_{BUCKET}"
_log = logging.getLogger("partita.nats")


@attrs.frozen
class Floor:
    """
    Where a consumer stands.

    Args:
        made: when it was made, as the server says it.
        offset: all up to this offset are acknowledged.
    """

    made: str
    offset: int


class CommitMetadata:
    """
    The entry of one partition of a group.

    Args:
        connection: the member's connection.
        at: the partition.
        group: the group's name.
    """

    def __init__(self, connection: Connection, at: TopicPartition, group: str) -> None:
        self._connection = connection
        self._stream = stream_name(at.topic)
        self._subject = f"$KV.{BUCKET}.{self._stream}.{escaped(group)}.{at.partition}"
        # What stands there as far as we know; None: something that must not stay.
        self._stored: str | None = ""

    def differs(self, commit: Commit) -> bool:
        """Whether a commit has other metadata than what is stored."""
        return commit.metadata != self._stored

    async def store(self, commit: Commit, floor: Floor) -> int:
        """
        Keep the metadata of a commit whose ack has moved the consumer to *floor*.

        Returns the number that the server gave the entry: it grows with every entry of the bucket.

        Raises:
            nats.errors.Error: the client's own error.
        """
        entry = {
            "made": floor.made,
            "floor": floor.offset,
            "offset": commit.offset,
            "metadata": commit.metadata,
        }
        payload = json.dumps(entry).encode()
        try:
            acknowledged = await self._connection.request(self._subject, payload)
        except errors.NoRespondersError:
            await self._make_bucket()
            acknowledged = await self._connection.request(self._subject, payload)
        number = answer(acknowledged.data).number("seq")
        self._stored = commit.metadata
        return number

    async def _make_bucket(self) -> None:
        """As many replicas as the topic has that needs it first."""
        topic = await self._connection.ask(f"STREAM.INFO.{self._stream}")
        config = {
            "name": _STREAM,
            "subjects": [f"$KV.{BUCKET}.>"],
            "max_msgs_per_subject": 1,
            "num_replicas": topic.number("config", "num_replicas"),
            "discard": "new",
            "deny_delete": True,
            "allow_rollup_hdrs": True,
            "allow_direct": True,
        }
        try:
            await self._connection.ask(f"STREAM.CREATE.{_STREAM}", config)
        except APIError as error:
            # Another member was faster, for a topic with other replicas.
            if error.err_code != STREAM_EXISTS:
                raise

    async def committed(self, floor: Floor) -> Commit | None:
        """
        What a consumer at *floor* has committed; None when it stands at the very beginning.

        Raises:
            nats.errors.Error: the client's own error, other than that the bucket did not answer.
        """
        entry = await self._entry()
        text, entry_floor = entry.text("metadata"), entry.number("floor")
        holds = "" != entry.text("made") == floor.made and entry_floor <= floor.offset
        self._stored = text if holds or not text else None
        if holds and text:
            return Commit(entry.number("offset"), text)
        return Commit(floor.offset + 1) if floor.offset else None

    async def _entry(self) -> Answer:
        """What stands in the bucket; nothing at all when it is not to be had."""
        try:
            found = await self._connection.ask(f"STREAM.MSG.GET.{_STREAM}", {"last_by_subj": self._subject})
        except NotFoundError:
            return Answer({})
        except errors.TimeoutError:
            # The server did answer for the consumer, so it may be that this account must not ask for it.
            _log.warning("%s did not answer: what was finished above a commit is handled again", _STREAM)
            return Answer({"metadata": "?"})
        return _read(found.text("message", "data"))


def _read(data: str) -> Answer:
    try:
        entry = json.loads(b64decode(data))
    except (ValueError, RecursionError):
        entry = None
    # Text without a floor: it does not hold, and the next commit writes over it.
    return Answer(entry if isinstance(entry, dict) else {"metadata": "?"})
