"""Handlers that do nothing, each with one thing more around it: what each layer of the framework costs."""

from collections.abc import Awaitable, Callable, Mapping

import attrs
from aiokafka.structs import ConsumerRecord

from partita import Message, Router

Count = Callable[[], None]


async def _pass_on(message: Message, call_next: Callable[[Message], Awaitable[object]]) -> object:
    return await call_next(message)


def _record(router: Router, topic: str, count: Count) -> None:
    @router.handler(topic)
    async def handle(record: "ConsumerRecord[bytes, bytes]") -> None:
        count()


def _bytes(router: Router, topic: str, count: Count) -> None:
    @router.handler(topic)
    async def handle(value: bytes) -> None:
        count()


@attrs.frozen
class Order:
    """What a payload of 1 KB says."""

    number: int
    note: str


def _decoded(router: Router, topic: str, count: Count) -> None:
    @router.handler(topic)
    async def handle(order: Order) -> None:
        count()


def _message(router: Router, topic: str, count: Count) -> None:
    @router.handler(topic)
    async def handle(message: Message) -> None:
        count()


def _middleware(router: Router, topic: str, count: Count) -> None:
    @router.handler(topic, middleware=[_pass_on])
    async def handle(value: bytes) -> None:
        count()


def _to(router: Router, topic: str, count: Count) -> None:
    @router.handler(topic, to=f"{topic}.out", order="none", concurrency=500)
    async def handle(value: bytes) -> bytes:
        count()
        return value


def _tracing(router: Router, topic: str, count: Count) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    trace.set_tracer_provider(TracerProvider(sampler=ALWAYS_OFF))
    _bytes(router, topic, count)


HANDLERS: Mapping[str, Callable[[Router, str, Count], None]] = {
    "record": _record,
    "bytes": _bytes,
    "message": _message,
    "middleware": _middleware,
    "to": _to,
    "tracing": _tracing,
    "decoded": _decoded,
}


def router(name: str, topic: str, count: Count) -> Router:
    """A router with one handler of *topic* that counts."""
    made = Router()
    HANDLERS[name](made, topic, count)
    return made
