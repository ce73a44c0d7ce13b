"""The Kafka proxy does what its verbs say, between a plain socket and a tiny server, and on a real broker."""

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.backends.kafka.members import Listener as Member
from tests.backends.kafka.members import backend, fresh, member, read
from tests.faults.clusters import Broker
from tests.faults.kafka_frames import LAYOUTS, parse, with_error
from tests.faults.kafka_proxy import KafkaProxy, kafka_proxy, read_frame, write_frame
from tests.faults.listening import Listener

from partita.core.ports import Commit, Outgoing, TopicPartition

COMMIT, HEARTBEAT = 8, 12
PATIENCE = 10.0


class TinyKafka:
    """Answers every request at once, and knows what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.generations: list[int] = []
        self.listener = Listener(self.serve)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        while True:
            request = parse(await read_frame(reader))
            self.asked.append((request.api, request.correlation))
            after_group = 2 + struct.unpack_from(">h", request.body)[0]
            self.generations.append(struct.unpack_from(">i", request.body, after_group)[0])
            body = commit_answer(0) if request.api == "OffsetCommit" else b"\0" * 6
            write_frame(writer, struct.pack(">i", request.correlation) + body)


def text(value: str) -> bytes:
    """A string in a frame."""
    return struct.pack(">h", len(value)) + value.encode()


def commit_answer(error: int) -> bytes:
    """What a broker says to a commit of two topics with one partition each."""
    topics = [text(name) + struct.pack(">iih", 1, 0, error) for name in ("a", "b")]
    return struct.pack(">ii", 0, 2) + b"".join(topics)


@pytest.fixture
def tiny() -> Iterator[TinyKafka]:
    """A server."""
    server = TinyKafka()
    yield server
    server.listener.close()


@pytest.fixture
def proxy(tiny: TinyKafka) -> Iterator[KafkaProxy]:
    """A proxy before it."""
    with kafka_proxy(tiny.listener.address) as made:
        yield made


class Client:
    """A connection that sends one request after the other and reads what comes."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        self.connection, self._name, self._sent = connection, name, 0

    def ask(self, key: int = HEARTBEAT, *, about: str = "g", version: int = 1) -> None:
        """Send a request; its correlation id is its number."""
        self._sent += 1
        header = struct.pack(">hhi", key, version, self._sent) + text(self._name)
        frame = header + text(about) + struct.pack(">i", 7)
        self.connection.sendall(struct.pack(">i", len(frame)) + frame)

    def commit(self, topic: str = "a") -> None:
        """Send a commit."""
        self.ask(COMMIT, about=topic, version=3)

    def answer(self) -> tuple[int, bytes]:
        """The correlation id and body of the next answer. Raises ConnectionError."""
        size = struct.unpack(">i", self._read(4))[0]
        data = self._read(size)
        return struct.unpack_from(">i", data)[0], data[4:]

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.connection.recv(size - len(data))
            if not more:
                raise ConnectionError("ended")
            data += more
        return data

    def is_silent(self) -> bool:
        """Whether nothing comes for a moment."""
        self.connection.settimeout(0.05)
        try:
            self.connection.recv(1)
        except TimeoutError:
            return True
        finally:
            self.connection.settimeout(PATIENCE)
        return False


@contextmanager
def client(proxy: KafkaProxy, name: str = "me") -> Iterator[Client]:
    """A connection through the proxy."""
    host, port = proxy.address.split(":")
    with socket.create_connection((host, int(port)), PATIENCE) as connection:
        yield Client(connection, name)


def test_requests_and_answers_pass_in_order_and_are_counted(proxy: KafkaProxy, tiny: TinyKafka) -> None:
    """Without a rule nothing is changed."""
    with client(proxy) as me:
        me.ask()
        me.commit()

        assert me.answer() == (1, b"\0" * 6)
        assert me.answer() == (2, commit_answer(0))
    assert tiny.asked == [("Heartbeat", 1), ("OffsetCommit", 2)]
    assert proxy.requests == {"Heartbeat": 1, "OffsetCommit": 1}


def test_what_is_held_holds_up_all_behind_it_until_released(proxy: KafkaProxy, tiny: TinyKafka) -> None:
    """The server has not seen a held request, and another connection does not wait."""
    rule = proxy.hold("OffsetCommit")

    with client(proxy) as me, client(proxy, "other") as other:
        me.commit()
        me.ask()
        rule.caught()
        other.ask()

        assert other.answer()[0] == 1
        assert me.is_silent()
        assert tiny.asked == [("Heartbeat", 1)]
        rule.release()
        assert [me.answer()[0], me.answer()[0]] == [1, 2]


def test_a_held_answer_is_of_a_request_that_was_done(proxy: KafkaProxy, tiny: TinyKafka) -> None:
    """The server has seen it; the client waits."""
    rule = proxy.hold_answer("OffsetCommit")

    with client(proxy) as me:
        me.commit()
        me.ask()

        assert me.is_silent()
        assert tiny.asked == [("OffsetCommit", 1), ("Heartbeat", 2)]
        rule.release()
        assert [me.answer()[0], me.answer()[0]] == [1, 2]


def test_a_dropped_request_leaves_its_connection_open_and_silent(proxy: KafkaProxy, tiny: TinyKafka) -> None:
    """Neither it nor what comes after it arrives; what came before is answered, and another connection."""
    proxy.drop("OffsetCommit", times=1)

    with client(proxy) as me, client(proxy) as other:
        me.ask()
        me.commit()
        me.ask()

        assert me.answer()[0] == 1
        assert me.is_silent()
        assert tiny.asked == [("Heartbeat", 1)]
        other.commit()
        assert other.answer()[0] == 1


def test_a_dropped_answer_is_of_a_request_that_was_done(proxy: KafkaProxy, tiny: TinyKafka) -> None:
    """The server has done it, the client never knows."""
    proxy.drop_answer("OffsetCommit", times=1)

    with client(proxy) as me, client(proxy) as other:
        me.commit()
        me.ask()

        assert me.is_silent()
        assert tiny.asked[0] == ("OffsetCommit", 1)
        other.commit()
        assert other.answer()[0] == 1


@pytest.mark.parametrize(("verb", "seen"), [("cut", []), ("cut_answer", [("OffsetCommit", 1)])])
def test_a_cut_breaks_the_connection_before_or_after_the_server_has_seen_it(
    proxy: KafkaProxy, tiny: TinyKafka, verb: str, seen: list[tuple[str, int]]
) -> None:
    """The client sees a reset and not how far its request came."""
    getattr(proxy, verb)("OffsetCommit", times=1)

    with client(proxy) as me:
        me.commit()

        with pytest.raises(ConnectionResetError):
            me.answer()
    assert tiny.asked == seen


def test_a_delayed_request_arrives_later(proxy: KafkaProxy, tiny: TinyKafka) -> None:
    """Not lost, and in its place."""
    proxy.delay("OffsetCommit", 0.1, times=1)

    with client(proxy) as me:
        me.commit()
        me.ask()

        assert me.is_silent()
        assert [me.answer()[0], me.answer()[0]] == [1, 2]


def test_a_rewritten_error_stands_where_the_answer_has_one(proxy: KafkaProxy) -> None:
    """In all topics, or in the one that is named."""
    one = proxy.rewrite("OffsetCommit", "REBALANCE_IN_PROGRESS", topic="a", times=1)
    proxy.rewrite("OffsetCommit", "ILLEGAL_GENERATION", times=1)

    with client(proxy) as me:
        me.commit("a")
        me.commit("b")
        me.commit("b")
        first, second, third = [me.answer()[1] for _ in range(3)]

    assert first == commit_answer(0)[:19] + struct.pack(">h", 27) + commit_answer(0)[21:]
    assert second == commit_answer(22)
    assert third == commit_answer(0)
    assert one.hits == 1


def test_a_refused_request_reaches_the_server_as_one_it_does_nothing_of(
    proxy: KafkaProxy, tiny: TinyKafka
) -> None:
    """It names a generation that cannot be, and the answer tells the error that was asked for."""
    proxy.refuse("Heartbeat", "UNKNOWN_MEMBER_ID", times=1)

    with client(proxy) as me:
        me.ask()
        me.ask()

        assert [me.answer()[1], me.answer()[1]] == [struct.pack(">ih", 0, 25), b"\0" * 6]
    assert tiny.generations[0] > 1_000_000
    assert tiny.generations[1] == 7


def test_rules_pick_by_topic_client_and_number(proxy: KafkaProxy) -> None:
    """Only what fits in every respect is met, and what passes first is counted."""
    rule = proxy.rewrite("OffsetCommit", "NOT_COORDINATOR", topic="a", client="me", after=1, times=2)

    with client(proxy, "me") as me, client(proxy, "other") as other:
        for topic in "abaaa":
            me.commit(topic)
        other.commit("a")
        told = [me.answer()[1] != commit_answer(0) for _ in range(5)]

        assert told == [False, False, True, True, False]
        assert other.answer()[1] == commit_answer(0)
        assert rule.hits == 2


def test_a_watched_request_passes_and_is_counted(proxy: KafkaProxy) -> None:
    """For a test that wants to know how often something was asked."""
    rule = proxy.watch("OffsetCommit", topic="a")

    with client(proxy) as me:
        for topic in "aba":
            me.commit(topic)

        assert [me.answer()[1] for _ in range(3)] == [commit_answer(0)] * 3
    assert rule.hits == 2


def test_a_rule_that_cannot_be_followed_fails_the_test(tiny: TinyKafka) -> None:
    """An answer whose layout is not known is never passed off as rewritten."""
    proxy = KafkaProxy(tiny.listener.address)
    proxy.rewrite("Heartbeat", "NOT_COORDINATOR")

    with client(proxy) as me:
        me.ask(version=9)

        with pytest.raises(ConnectionError):
            me.answer()
    with pytest.raises(LookupError, match="Heartbeat version 9"):
        proxy.close()


def test_error_codes_are_found_behind_what_comes_before_them() -> None:
    """In a fetch behind aborted transactions and records, in metadata before the topic's name."""
    fetch = struct.pack(">ihii", 0, 0, 0, 1) + text("a") + struct.pack(">i", 2)
    for partition in (0, 1):
        fetch += (
            struct.pack(">ihqqqiqqi", partition, 0, 9, 9, 0, 1, 5, 6, -1) + struct.pack(">i", 3) + b"\0\0\0"
        )
    asked = parse(struct.pack(">hhih", 1, 11, 1, -1))
    metadata = struct.pack(">iii", 0, 0, -1)[:8] + text("c") + struct.pack(">ii", 1, 2)
    for name in ("a", "b"):
        metadata += struct.pack(">h", 0) + text(name) + struct.pack(">bi", 0, 1)
        metadata += struct.pack(">hiiiii", 0, 0, 1, 1, 1, 1) + struct.pack(">ii", 1, 0)
    about = parse(struct.pack(">hhih", 3, 5, 1, -1))

    changed = with_error(asked, b"\0\0\0\1" + fetch, 6)
    missing = with_error(about, b"\0\0\0\1" + metadata, 3, "b")

    assert [n for n in range(len(fetch)) if changed[4 + n] != fetch[n]] == [5, 26, 87]
    assert [n for n in range(len(metadata)) if missing[4 + n] != metadata[n]] == [60]


def test_every_answer_of_a_members_life_has_its_layout(proxied: KafkaProxy, broker: Broker) -> None:
    """A real member joins, reads, commits and leaves, a producer publishes: all answers are known."""
    apis = LAYOUTS.keys() - {"AddPartitionsToTxn", "AddOffsetsToTxn", "EndTxn", "TxnOffsetCommit"}
    topic = fresh("layouts")
    at = TopicPartition(topic, 0)

    async def scenario() -> None:
        async with backend(broker.server.address) as direct, backend(proxied.address) as used:
            await direct.create_topic(topic, partitions=1, replication=1)
            rules = {api: proxied.watch(api) for api in apis}
            await used.publisher.publish(topic, Outgoing(b"x" * 100))
            subscription = used.subscription(member(topic))
            await subscription.start(Member())
            await read(subscription, 1)
            assert not await subscription.commit({at: Commit(1, "map")})
            stored = await subscription.committed([at])
            while not rules["Heartbeat"].hits:
                await subscription.poll((), 0.1)
            await subscription.close()

            assert stored == {at: Commit(1, "map")}
            assert {api for api, rule in rules.items() if rule.hits} == apis

    asyncio.run(scenario())
