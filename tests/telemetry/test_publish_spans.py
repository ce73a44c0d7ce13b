"""What a publish tells: one span, its name and attributes, and its context in the message."""

import asyncio

import pytest
from opentelemetry.trace import SpanKind, StatusCode
from tests.telemetry.fakes import RECEIPT, Broker, Traced

from partita.core.ports import Outgoing, Receipt
from partita.telemetry import semconv


def test_kafka_publish_is_one_producer_span_with_the_present_names() -> None:
    """The span of a publish on Kafka is named, and says what and where, as the pinned conventions do."""
    traced, broker = Traced(), Broker()

    receipt = asyncio.run(traced.tracing.publish("orders", Outgoing(b"v", key=b"k"), broker.publish))

    assert receipt == RECEIPT
    assert (traced.only.name, traced.only.kind) == ("send orders", SpanKind.PRODUCER)
    assert dict(traced.only.attributes or {}) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "orders",
        "messaging.destination.partition.id": "2",
        "messaging.kafka.offset": 17,
        "server.address": "127.0.0.1",
        "server.port": 9092,
    }
    assert traced.only.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize(
    ("system", "address", "offset"),
    [
        ("nats", "nats://127.0.0.1:4222", "messaging.nats.sequence"),
        ("memory", "memory://name", "partita.offset"),
    ],
)
def test_publish_elsewhere_is_called_publish(system: str, address: str, offset: str) -> None:
    """NATS and memory say publish, and name the place in the partition in their own words."""
    traced = Traced(system, address)

    asyncio.run(traced.tracing.publish("orders", Outgoing(None), Broker().publish))

    attributes = dict(traced.only.attributes or {})
    assert traced.only.name == "publish orders"
    assert attributes["messaging.system"] == system
    assert attributes["messaging.operation.name"] == "publish"
    assert attributes["messaging.operation.type"] == "send"
    assert attributes[offset] == 17
    assert "messaging.kafka.message.tombstone" not in attributes
    assert ("server.address" in attributes) == (system == "nats")


def test_the_scope_pins_the_schema() -> None:
    """A backend that reads the spans is told which version of the conventions they follow."""
    traced = Traced()

    asyncio.run(traced.tracing.publish("orders", Outgoing(b""), Broker().publish))

    scope = traced.only.instrumentation_scope
    assert scope is not None
    assert (scope.name, scope.schema_url) == ("partita", semconv.SCHEMA_URL)


def test_null_value_on_kafka_is_a_tombstone_and_an_empty_one_is_not() -> None:
    """Only a null value deletes, so only a null value is told as a tombstone."""
    traced = Traced()

    async def scenario() -> None:
        await traced.tracing.publish("orders", Outgoing(None, partition=2), Broker().publish)
        await traced.tracing.publish("orders", Outgoing(b""), Broker().publish)

    asyncio.run(scenario())

    tombstones = [(span.attributes or {}).get(semconv.TOMBSTONE) for span in traced.spans]
    assert tombstones == [True, None]


def test_failed_publish_raises_the_same_error_and_marks_the_span() -> None:
    """A client's error arrives as the client raised it, and the span says which kind it was."""
    traced, error = Traced(), ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError) as raised:
        asyncio.run(traced.tracing.publish("orders", Outgoing(b"v"), Broker(error).publish))

    assert raised.value is error
    assert traced.only.status.status_code is StatusCode.ERROR
    assert (traced.only.attributes or {})[semconv.ERROR_TYPE] == "ConnectionResetError"
    assert [event.name for event in traced.only.events] == ["exception"]


def test_error_that_the_broker_answered_goes_by_its_protocol_name() -> None:
    """The conventions want NOT_ENOUGH_REPLICAS, which is the same in every client."""

    class NotEnoughReplicasError(Exception):
        errno = 19
        message = "NOT_ENOUGH_REPLICAS"

    assert semconv.error_type(NotEnoughReplicasError()) == "NOT_ENOUGH_REPLICAS"
    assert semconv.error_type(OSError(5, "LOOKS_LIKE_ONE")) == "OSError"
    assert semconv.error_type(asyncio.QueueFull()) == "asyncio.queues.QueueFull"


def test_span_of_a_send_ends_with_the_delivery() -> None:
    """A send returns at once; its span lasts until the broker has answered."""
    traced = Traced()

    async def scenario() -> Receipt:
        answered: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        delivery = traced.tracing.send("orders", Outgoing(b"v"), lambda topic, message: answered)
        assert delivery is answered
        assert not traced.spans
        answered.set_result(RECEIPT)
        receipt: Receipt = await delivery
        return receipt

    receipt = asyncio.run(scenario())

    assert receipt == RECEIPT
    assert (traced.only.attributes or {})["messaging.kafka.offset"] == 17


@pytest.mark.parametrize("error", [ConnectionResetError("gone"), None], ids=["failed", "cancelled"])
def test_span_of_a_send_that_ends_badly_says_so(error: Exception | None) -> None:
    """A delivery that fails is an error; one that is cancelled ends without being one."""
    traced = Traced()

    async def scenario() -> None:
        answered: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        delivery = traced.tracing.send("orders", Outgoing(b"v"), lambda topic, message: answered)
        if error is None:
            answered.cancel()
        else:
            answered.set_exception(error)
        await asyncio.wait([asyncio.ensure_future(delivery)])

    asyncio.run(scenario())

    failed = traced.only.status.status_code is StatusCode.ERROR
    assert failed == (error is not None)
    assert semconv.ERROR_TYPE in (traced.only.attributes or {})


def test_send_that_is_refused_or_is_a_coroutine_has_a_span_too() -> None:
    """Whatever the publisher's send is, each call ends exactly one span."""
    traced, broker = Traced(), Broker()

    def refuse(topic: str, message: Outgoing) -> asyncio.Future[Receipt]:
        raise ValueError("too large")

    async def scenario() -> None:
        await traced.tracing.send("orders", Outgoing(b"v"), broker.publish)
        with pytest.raises(ValueError, match="too large"):
            traced.tracing.send("orders", Outgoing(b"v"), refuse)

    asyncio.run(scenario())

    codes = [span.status.status_code for span in traced.spans]
    assert codes == [StatusCode.UNSET, StatusCode.ERROR]


def test_publish_keeps_everything_of_the_message_but_the_context() -> None:
    """Key, value, partition, time and the user's headers reach the broker as they were given."""
    traced, broker = Traced(), Broker()
    mine = [("a", b"1"), ("A", b"\xff"), ("a", b"1")]
    message = Outgoing(b"v", key=b"k", headers=mine, partition=3, timestamp=5)

    asyncio.run(traced.tracing.publish("orders", message, broker.publish))

    topic, sent = broker.taken[0]
    assert (topic, sent.value, sent.key) == ("orders", b"v", b"k")
    assert (sent.partition, sent.timestamp) == (3, 5)
    assert list(sent.headers)[:3] == mine
    assert message.headers == mine


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("kafka://a.example:9092", {"server.address": "a.example", "server.port": 9092}),
        ("kafka://user:pass@a.example", {"server.address": "a.example"}),
        ("nats://[::1]:4222", {"server.address": "::1", "server.port": 4222}),
        ("kafka://a:1,b:2", {}),
        ("kafka://a:99999", {}),
        ("kafka://[::1", {}),
        ("", {}),
    ],
)
def test_server_is_told_where_it_is_known(address: str, expected: object) -> None:
    """One server is named without any secret; several, or none that makes sense, are not."""
    assert semconv.server_attributes("kafka", address) == expected
