"""Every way that a message may take stays in its trace, one test for each."""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import nullcontext
from functools import partial

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, format_trace_id
from tests import simulated
from tests.telemetry.fakes import Broker, Letter, LetterReader, Traced, TracedBus, identity

from partita import Batch, Retry, Router
from partita.core.ports import Outgoing, Receipt
from partita.telemetry import semconv
from partita.telemetry.trail import NONE, Trail

TWICE = Retry(attempts=2, backoff=1.0, jitter=0.0)


def attempts_of(spans: Sequence[ReadableSpan]) -> list[object]:
    """The attempt that each span tells; 1 where it tells none."""
    return [(span.attributes or {}).get(semconv.ATTEMPT, 1) for span in spans]


def links_of(span: ReadableSpan) -> list[int]:
    """The spans that a span links."""
    return [link.context.span_id for link in span.links]


def parent_of(span: ReadableSpan) -> int:
    """The id of a span's parent; 0: none."""
    return span.parent.span_id if span.parent else 0


def trace_ids(spans: Sequence[ReadableSpan]) -> set[int]:
    """The traces that spans belong to."""
    return {identity(span).trace_id for span in spans}


def test_a_retry_is_a_span_of_its_own_that_links_the_first_attempt() -> None:
    """All attempts are children of the publish, so one look at the trace shows how often it was tried."""
    router = Router()

    @router.handler("orders", retry=Retry(attempts=3, backoff=1.0))
    async def charge(order: bytes) -> None:
        if len(bus.named("process orders")) < 2:
            raise ValueError("no")

    async def scenario() -> None:
        async with bus:
            await bus.publish("orders", b"7")
            assert (await bus.run(router, burst=True)).handled == 1

    bus = TracedBus()
    simulated.run(scenario())

    (sent,) = bus.named("publish orders")
    first, second, third = bus.named("process orders")
    assert attempts_of([first, second, third]) == [1, 2, 3]
    assert {parent_of(each) for each in (first, second, third)} == {identity(sent).span_id}
    assert links_of(first) == [identity(sent).span_id]
    assert links_of(second) == links_of(third) == [identity(sent).span_id, identity(first).span_id]
    assert len(trace_ids(bus.traced.spans)) == 1


def test_attempts_of_a_message_without_a_context_are_one_trace() -> None:
    """Its first attempt begins the trace; the next must not begin another."""
    traced = Traced()
    letter = Letter()

    async def scenario() -> None:
        call = traced.traced(fail)
        for attempt in (1, 2, 3, 1):
            with pytest.raises(ValueError, match="no"):
                await call(letter, attempt)

    asyncio.run(scenario())

    first, second, third, anew = traced.spans
    assert (parent_of(first), links_of(first)) == (0, [])
    for later in (second, third):
        assert (parent_of(later), links_of(later)) == (identity(first).span_id, [identity(first).span_id])
    assert (parent_of(anew), links_of(anew)) == (0, []), "what a former lease left was taken for its own"


def test_waiting_in_a_lane_is_an_event_with_its_duration() -> None:
    """The message behind a slow one of its key tells how long it waited; one of another key has not."""
    router = Router()

    @router.handler("orders", order="key")
    async def charge(order: bytes) -> None:
        await simulated.pass_time(2.0)

    async def scenario() -> None:
        async with bus:
            for key in (b"a", b"b", b"a"):
                await bus.publish("orders", b"7", key=key)
            await bus.run(router, burst=True)

    bus = TracedBus()
    simulated.run(scenario())

    events = {
        str((span.attributes or {})["partita.offset"]): [
            (event.name, list((event.attributes or {}).items())) for event in span.events
        ]
        for span in bus.named("process orders")
    }
    ((_, ((name, seconds),)),) = events["2"]
    assert (events["0"], events["1"], name) == ([], [], semconv.WAITED_SECONDS)
    assert seconds == pytest.approx(2.0, abs=0.1)


def test_a_dead_letter_and_its_replay_continue_the_trace() -> None:
    """From the publish over each attempt, the letter and its replay to the handler that succeeds at last."""
    router, mended = Router(), list[bool]()

    @router.handler("orders", retry=TWICE, dead_letter="orders.dlq")
    async def charge(order: bytes) -> None:
        if not mended:
            raise ValueError("no")

    async def scenario() -> None:
        async with bus:
            await bus.publish("orders", b"7")
            await bus.run(router, burst=True)
            (letter,) = [each async for each in bus.dead_letters("orders.dlq")]
            assert letter.trace_id == format_trace_id(identity(bus.traced.spans[0]).trace_id)
            mended.append(True)
            await bus.dead_letters("orders.dlq").replay()
            await bus.run(router, burst=True)

    bus = TracedBus()
    simulated.run(scenario())

    sent, again = bus.named("publish orders")
    first, second, last = bus.named("process orders")
    (dead,) = bus.named("publish orders.dlq")
    chain = [(sent, 0), (first, sent), (second, sent), (dead, second), (again, dead), (last, again)]
    assert [parent_of(span) for span, _ in chain] == [
        identity(parent).span_id if isinstance(parent, ReadableSpan) else 0 for _, parent in chain
    ]
    assert [(each.attributes or {}).get(semconv.DEAD_LETTER) for each in (sent, dead, again)] == [
        None,
        True,
        None,
    ]
    assert attempts_of([first, second, last]) == [1, 2, 1]
    assert len(trace_ids(bus.traced.spans)) == 1


async def fail(record: object, attempt: int) -> object:
    """A handler that does."""
    raise ValueError("no")


def test_a_letter_that_is_refused_first_still_hangs_at_the_last_attempt() -> None:
    """A dead-letter topic may be away; the letter that it takes in the end continues the trace."""
    traced, letter = Traced(), Letter()
    handling = traced.tracing.handling(LetterReader(), "billing")
    away, taken = Broker(ConnectionError("away")), Broker()

    async def scenario() -> str | None:
        with pytest.raises(ValueError, match="no"):
            await handling.traced(fail)(letter, 1)
        for broker in (away, taken):
            with nullcontext() if broker is taken else pytest.raises(ConnectionError):
                await handling.bury(letter, "dlq", Outgoing(b"v"), partial(publish, broker))
        return handling.trace_id(letter)

    def publish(broker: Broker, topic: str, message: Outgoing) -> Awaitable[Receipt]:
        return traced.tracing.publish(topic, message, broker.publish)

    trace_id = asyncio.run(scenario())

    failed, refused, dead = traced.spans
    assert parent_of(refused) == parent_of(dead) == identity(failed).span_id
    assert trace_id is None, "a message that is buried was remembered"


def test_a_batch_links_its_messages() -> None:
    """One span for all, the root of a trace of its own, with a link to each context that messages carry."""
    traced, broker = Traced(), Broker()
    handling = traced.tracing.handling(LetterReader(), "billing")

    async def store(records: Sequence[object], attempt: int) -> object:
        await traced.tracing.publish("bills", Outgoing(b"b"), broker.publish)
        return len(records)

    async def scenario() -> object:
        letters = [Letter(offset=1)]
        for offset in (2, 3):
            await traced.tracing.publish("orders", Outgoing(b"v"), broker.publish)
            letters.append(Letter(offset=offset, headers=broker.headers))
        return await handling.traced_batch(store)(letters, 1)

    result = asyncio.run(scenario())

    first, second, billed, batch = traced.spans
    assert result == 3
    assert links_of(batch) == [identity(first).span_id, identity(second).span_id]
    assert (parent_of(batch), parent_of(billed)) == (0, identity(batch).span_id)
    attributes = dict(batch.attributes or {})
    assert (batch.name, attributes[semconv.BATCH_COUNT]) == ("process orders", 3)
    assert (attributes[semconv.PARTITION], attributes[semconv.GROUP]) == ("2", "billing")


def test_a_batch_that_is_tried_again_links_its_first_attempt_too() -> None:
    """Half of it perhaps, as a bisection does; and a letter out of it stays in its own message's trace."""
    traced, broker = Traced(), Broker()
    handling = traced.tracing.handling(LetterReader(), "billing")

    async def store(records: Sequence[object], attempt: int) -> object:
        raise ValueError("no")

    def publish(topic: str, message: Outgoing) -> Awaitable[Receipt]:
        return traced.tracing.publish(topic, message, broker.publish)

    async def scenario() -> None:
        await publish("orders", Outgoing(b"v"))
        letters = [Letter(offset=1, headers=broker.headers), Letter(offset=2)]
        for attempt, part in ((1, letters), (2, letters[:1]), (2, letters[1:])):
            with pytest.raises(ValueError, match="no"):
                await handling.traced_batch(store)(part, attempt)
        for letter in letters:
            await handling.bury(letter, "dlq", Outgoing(b"v"), publish)

    asyncio.run(scenario())

    sent, whole, left, right, dead, stray = traced.spans
    assert links_of(left) == [identity(sent).span_id, identity(whole).span_id]
    assert links_of(right) == [identity(whole).span_id]
    assert attempts_of([whole, left, right]) == [1, 2, 2]
    assert parent_of(dead) == identity(sent).span_id
    assert parent_of(stray) == identity(right).span_id


def test_what_is_remembered_of_failed_and_waiting_messages_is_bounded() -> None:
    """A partition that was lost never tells how its messages went on."""
    trail = Trail(LetterReader(), most=2)
    span = SpanContext(1, 2, is_remote=False)
    letters = [Letter(offset=offset) for offset in range(3)]

    for letter in letters:
        trail.failed(letter, NONE, span)
        trail.waits(letter, 1.0)

    assert [trail.take(each).first.is_valid for each in letters] == [False, True, True]
    assert [trail.waited_since(each) for each in letters] == [None, 1.0, 1.0]
    assert [trail.waited_since(each) for each in letters] == [None, None, None]


def test_a_batch_on_the_bus_is_one_span_that_links_the_publish_of_each_of_its_messages() -> None:
    """From a message's trace the batch that it was handled in is one link away, also when it was halved."""
    router = Router()

    @router.batch_handler("events", size=2, within=0.1, retry=Retry(attempts=1), on_exhausted="drop")
    async def store(batch: Batch) -> None:
        if b"bad" in batch.values:
            raise ValueError("no")

    async def scenario() -> None:
        async with bus:
            for value in (b"good", b"bad"):
                await bus.publish("events", value, partition=0)
            assert (await bus.run(router, burst=True)).failed == 1

    bus = TracedBus()
    simulated.run(scenario())

    sent = [identity(each).span_id for each in bus.named("publish events")]
    whole, *halves = bus.named("process events")
    assert links_of(whole) == sent
    assert [links_of(each)[:1] for each in halves] == [[each] for each in sent]
