"""Context variables of a message: what its handler sets ends with it, in the same task, however it ends."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, Token

import pytest

from partita import Message, Retry, Router, open_bus
from partita.middleware import CallNext

customer = ContextVar("customer", default="nobody")
Handler = Callable[[bytes], Awaitable[None]]


def run(router: Router, *values: bytes) -> int:
    """Handle *values*, one after the other; returns how many were handled."""

    async def scenario() -> int:
        async with open_bus("memory://?partitions=1") as bus:
            for value in values:
                await bus.publish("orders", value)
            return (await bus.run(router, burst=True)).handled

    return asyncio.run(scenario())


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("isolated", [False, True])
def test_what_a_handler_sets_is_seen_by_the_next_message_unless_it_is_isolated(
    isolated: bool, waits: bool
) -> None:
    """A worker task goes on from message to message, and its variables with it."""
    router, seen = Router(), list[str]()

    @router.handler("orders", isolate_context=isolated)
    async def handle(value: bytes) -> None:
        seen.append(customer.get())
        customer.set(value.decode())
        if waits:
            await asyncio.sleep(0)
        seen.append(customer.get())

    assert run(router, b"anna", b"bert") == 2

    assert seen == ["nobody", "anna", "nobody" if isolated else "anna", "bert"]


def test_a_handler_that_is_cancelled_at_its_deadline_leaves_nothing() -> None:
    """It still sees its own variables while it cleans up."""
    router, seen = Router(), list[str]()

    @router.handler("orders", isolate_context=True, timeout=0.01, retry=Retry(attempts=2, backoff=0.0))
    async def handle(value: bytes) -> None:
        seen.append(customer.get())
        customer.set(f"{value.decode()} {len(seen)}")
        try:
            if len(seen) == 1:
                await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            seen.append(customer.get())

    assert run(router, b"anna") == 1

    assert seen == ["nobody", "anna 1", "nobody", "anna 3"]


def test_an_error_and_a_reset_go_through() -> None:
    """A token is reset in the context that made it, and a failure is the failure that was raised."""
    router, seen = Router(), list[str]()
    tokens = list[Token[str]]()

    @router.handler("orders", isolate_context=True, retry=Retry(attempts=2, backoff=0.0))
    async def handle(value: bytes) -> None:
        tokens.append(customer.set("somebody"))
        await asyncio.sleep(0)
        customer.reset(tokens.pop())
        seen.append(customer.get())
        if len(seen) == 1:
            customer.set("left behind")
            raise ValueError("no")

    assert run(router, b"anna") == 1

    assert seen == ["nobody", "nobody"]


def test_tasks_timeouts_and_middlewares_of_an_isolated_handler_behave() -> None:
    """It runs in a real task, and what its middlewares set is its own too."""
    router, seen = Router(), list[str]()

    async def greet(message: Message, call_next: CallNext) -> object:
        seen.append(customer.get())
        customer.set("set by the middleware")
        return await call_next(message)

    async def inner() -> None:
        seen.append(customer.get())

    @router.handler("orders", isolate_context=True, middleware=[greet])
    async def handle(value: bytes) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(inner())
        assert asyncio.current_task() is not None

    assert run(router, b"anna", b"bert") == 2

    assert seen == ["nobody", "set by the middleware"] * 2
