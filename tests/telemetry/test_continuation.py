"""A dead letter and its replay stay in the trace of the message."""

import asyncio

from opentelemetry import trace
from tests.letters import Record, letter_of
from tests.telemetry.fakes import Broker, Traced, identity

from partita.core.dead_letters import read_dead_letter, replayed
from partita.core.ports import Outgoing, Receipt
from partita.telemetry.continuation import continuing


def test_death_and_replay_are_children_of_what_came_before_them() -> None:
    """One trace from the message over its dead letter to the replay, each sent by a span of its own."""
    traced, broker = Traced(), Broker()

    async def scenario() -> None:
        def send(topic: str, message: Outgoing) -> asyncio.Future[Receipt]:
            return asyncio.ensure_future(traced.tracing.send(topic, message, broker.publish))

        await send("orders", Outgoing(b"v"))
        letter = letter_of(Record(headers=broker.headers))
        await continuing(send)("orders.dlq", letter)
        back = replayed(b"v", None, broker.headers)
        await continuing(send)("orders", back)

        notice = read_dead_letter(letter.headers)
        assert notice is not None
        assert notice.trace_id == trace.format_trace_id(identity(traced.spans[0]).trace_id)

    asyncio.run(scenario())

    first, dead, again = traced.spans
    assert len({identity(span).trace_id for span in traced.spans}) == 1
    parents = [span.parent.span_id if span.parent else 0 for span in (dead, again)]
    assert parents == [identity(first).span_id, identity(dead).span_id]
