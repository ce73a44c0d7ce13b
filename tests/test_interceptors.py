"""Functions at the client's edge: what may be given, and that nothing stands in the way without them."""

import asyncio

import pytest
from tests.faulty import FaultyBackend

from partita import EventBus, Outgoing, SettingsError, open_bus
from partita.interceptors import Interceptors, intercepted


async def waits(topic: str, message: Outgoing) -> Outgoing:
    """A function that would have to be awaited."""
    return message


def test_only_plain_functions_are_taken() -> None:
    """What must be awaited would be sent unseen."""
    with pytest.raises(SettingsError, match=r"on_publish=.*they are not awaited"):
        open_bus(on_publish=[waits])  # type: ignore[list-item]
    with pytest.raises(SettingsError, match="on_consume=5"):
        open_bus(on_consume=[5])  # type: ignore[list-item]


def test_what_is_no_message_is_refused_by_the_functions_name() -> None:
    """One that forgets to return, and one that returns what no broker can carry."""

    def forgets(topic: str, message: Outgoing) -> Outgoing:
        return None  # type: ignore[return-value]

    def breaks(topic: str, message: Outgoing) -> Outgoing:
        return Outgoing("text")  # type: ignore[arg-type]

    async def scenario() -> None:
        for function, told in (
            (forgets, "returned a NoneType"),
            (breaks, "bytes or None, not str"),
        ):
            backend = FaultyBackend()
            async with EventBus(backend, interceptors=Interceptors([function])) as bus:
                with pytest.raises(TypeError, match=told):
                    await bus.publish("orders", b"1")
                with pytest.raises(TypeError, match=told):
                    await bus.send("orders", b"1")
            assert backend.publisher.sent == []

    asyncio.run(scenario())


def test_without_functions_nothing_stands_in_the_way() -> None:
    """The call is the one that there is without any of this."""

    async def call(record: object, attempt: int) -> object:
        return record

    assert intercepted(call, ()) is call
    assert intercepted(call, [str]) is not call
