"""A message that is published again stays in the trace that it names."""

from collections.abc import Callable
from typing import TypeVar

from opentelemetry import context as otel_context

from partita.core.ports import Outgoing
from partita.telemetry.propagation import Propagation

T = TypeVar("T")


def continuing(send: Callable[[str, Outgoing], T]) -> Callable[[str, Outgoing], T]:
    """
    *send* such that its span is a child of what the message's own headers name.

    Without it the span would belong to whatever is current, and its context would replace the message's.

    Args:
        send: starts its span when it is called, as `Outbox.send` does; not a coroutine function.
    """
    # Imported here because it loads the formats that OTEL_PROPAGATORS names; see `Tracing`.
    from opentelemetry.propagate import get_global_textmap

    propagation = Propagation(get_global_textmap())

    def sent(topic: str, message: Outgoing) -> T:
        token = otel_context.attach(propagation.extract(message.headers))
        try:
            return send(topic, message)
        finally:
            otel_context.detach(token)

    return sent
