"""Metadata beside a floor: it holds for its consumer and its floor, and for nothing else."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import attrs
import pytest
from nats import connect, errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import APIError
from tests.backends.nats.members import Member, bus, member, publish, topic_on

from partita.backends.nats.answers import Answer
from partita.backends.nats.client import Connection
from partita.backends.nats.metadata import CommitMetadata, Floor
from partita.backends.nats.names import consumer_name, stream_name
from partita.core.ports import Commit, TopicPartition

AT = TopicPartition("orders", 0)
FLOOR = Floor("today", 7)


@attrs.define
class Group:
    """What a member of the group `g` has read and committed, and a plain client beside it."""

    topic: str
    plain: Client
    member: Member

    @property
    def at(self) -> TopicPartition:
        """The topic's one partition."""
        return TopicPartition(self.topic, 0)

    @property
    def offsets(self) -> Sequence[int]:
        """Of the messages that were read."""
        return self.member.offsets[self.at]

    @property
    def path(self) -> str:
        """The consumer, as the server's API names it."""
        return f"{stream_name(self.topic)}.{consumer_name('g', 0)}"

    async def ask(self, call: str, body: Mapping[str, object] | None = None) -> None:
        """A request to the server's API that must succeed."""
        payload = json.dumps(body).encode() if body else b""
        reply = await self.plain.request(f"$JS.API.{call}", payload)
        assert "error" not in json.loads(reply.data), reply.data

    async def commit(self, commit: Commit) -> None:
        """Commit, which must be taken."""
        assert await self.member.subscription.commit({self.at: commit}) == {}

    async def committed(self) -> Commit | None:
        """What a member is told of the partition."""
        return (await self.member.subscription.committed([self.at])).get(self.at)


@asynccontextmanager
async def group(address: str) -> AsyncIterator[Group]:
    """A member that has read twenty messages and has committed the tenth with metadata."""
    plain = await connect(f"nats://{address}")
    async with bus(address) as backend, topic_on(backend) as topic, member(backend, topic) as reader:
        await publish(backend, topic, [b"x"] * 20)
        await reader.read(20)
        made = Group(topic, plain, reader)
        await made.commit(Commit(made.offsets[10], "ten"))
        yield made
    await plain.close()


def test_metadata_holds_when_the_floor_has_moved_on_without_it(nats: str) -> None:
    """A process may die between its ack and its entry; what it had said before is still so."""

    async def scenario() -> None:
        async with group(nats) as g:
            record = g.member.records[12]
            assert isinstance(record, Msg)
            await g.plain.request(record.reply)

            assert await g.committed() == Commit(g.offsets[10], "ten")

    asyncio.run(scenario())


def test_metadata_does_not_hold_below_its_floor(nats: str) -> None:
    """Somebody has reset the group to read again: then everything is handled again."""

    async def scenario() -> None:
        async with group(nats) as g:
            await g.ask(f"CONSUMER.RESET.{g.path}", {"seq": g.offsets[4]})

            assert await g.committed() == Commit(g.offsets[4])

    asyncio.run(scenario())


def test_metadata_does_not_hold_for_a_consumer_made_anew(nats: str) -> None:
    """Offsets of a topic made anew count from 1 again, and other messages have the same."""

    async def scenario() -> None:
        async with group(nats) as g:
            await g.ask(f"CONSUMER.DELETE.{g.path}")
            reading = g.member.subscription.readings[0]
            await reading.durable.ensure("earliest", 10.0)

            assert await g.committed() is None

    asyncio.run(scenario())


@pytest.mark.parametrize("entry", [b"", b"notes", b"[1]", b'{"made": 5, "metadata": {}}', b"[" * 100_000])
def test_a_damaged_entry_counts_for_nothing_and_the_next_commit_writes_over_it(
    nats: str, entry: bytes
) -> None:
    """Whatever somebody has put there."""

    async def scenario() -> None:
        async with group(nats) as g:
            await g.plain.request(f"$KV.partita.{stream_name(g.topic)}.g.0", entry)
            assert await g.committed() == Commit(g.offsets[10])

            await g.commit(Commit(g.offsets[10], "again"))

            assert await g.committed() == Commit(g.offsets[10], "again")

    asyncio.run(scenario())


def test_a_commit_without_metadata_takes_the_former_away(nats: str) -> None:
    """Once everything is finished in order there is nothing to say any more."""

    async def scenario() -> None:
        async with group(nats) as g:
            await g.commit(Commit(g.offsets[15]))

            assert await g.committed() == Commit(g.offsets[15])

    asyncio.run(scenario())


class Scripted(Connection):
    """A connection whose answers stand in a script, one after another."""

    def __init__(self, *answers: Answer | Msg | Exception) -> None:
        self.calls: list[str] = []
        self._answers = list(answers)

    async def ask(self, call: str, body: Mapping[str, object] | None = None, timeout: float = 1.0) -> Answer:
        """The next answer."""
        found = self._next(call)
        assert isinstance(found, Answer)
        return found

    async def request(self, subject: str, payload: bytes = b"", timeout: float = 1.0) -> Msg:
        """The next answer."""
        found = self._next(subject)
        assert isinstance(found, Msg)
        return found

    def _next(self, call: str) -> Answer | Msg:
        self.calls.append(call)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def stored() -> Msg:
    """The server's yes to a message."""
    return Msg(Client(), data=b'{"stream": "KV_partita", "seq": 1}')


def test_a_bucket_that_does_not_answer_costs_repeats_and_no_outage(caplog: pytest.LogCaptureFixture) -> None:
    """An account that must not use it can still consume; the plain floor is always true."""
    metadata = CommitMetadata(Scripted(errors.TimeoutError()), AT, "g")

    with caplog.at_level(logging.WARNING, "partita.nats"):
        found = asyncio.run(metadata.committed(FLOOR))

    assert found == Commit(8)
    assert "KV_partita did not answer" in caplog.text
    assert metadata.differs(Commit(8)), "what may stand there must not stay"


def test_the_bucket_is_made_when_it_is_first_needed_with_the_replicas_of_the_topic() -> None:
    """Members of other topics may do the same at the same time."""
    exists = APIError(code=400, err_code=10058)
    topic = Answer({"config": {"num_replicas": 3}})
    connection = Scripted(errors.NoRespondersError(), topic, exists, stored())
    metadata = CommitMetadata(connection, AT, "g")

    asyncio.run(metadata.store(Commit(8, "map"), FLOOR))

    assert connection.calls == [
        "$KV.partita.orders.g.0",
        "STREAM.INFO.orders",
        "STREAM.CREATE.KV_partita",
        "$KV.partita.orders.g.0",
    ]
    assert not metadata.differs(Commit(9, "map"))


def test_an_entry_that_is_refused_stays_to_be_stored() -> None:
    """The error is the client's own, and the next commit carries the metadata again."""
    refusal = APIError(code=403, err_code=1)
    connection = Scripted(errors.NoRespondersError(), Answer({}), refusal)
    metadata = CommitMetadata(connection, AT, "g")

    with pytest.raises(APIError) as seen:
        asyncio.run(metadata.store(Commit(8, "map"), FLOOR))

    assert seen.value is refusal
    assert metadata.differs(Commit(8, "map"))
