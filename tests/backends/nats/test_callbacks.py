"""A program's own callbacks beside ours."""

import asyncio
import logging

import pytest

from partita import NatsSettings, open_bus
from partita.backends.nats.callbacks import both, users_of


def test_ours_is_called_first_and_what_theirs_raises_goes_no_further(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The client's task would end with it, and with the task the connection."""
    called: list[str] = []

    async def ours(*told: object) -> None:
        called.append("ours")

    async def theirs(*told: object) -> None:
        called.append("theirs")
        raise RuntimeError("planted")

    joined = both({"closed_cb": ours, "error_cb": ours}, {"closed_cb": theirs, "lame_duck_mode_cb": theirs})

    with caplog.at_level(logging.ERROR):
        asyncio.run(_call_all(joined))

    assert called == ["ours", "theirs", "ours", "theirs"]
    assert caplog.text.count("a callback failed: RuntimeError") == 2


async def _call_all(joined: object) -> None:
    assert isinstance(joined, dict)
    for each in joined.values():
        await each()


def test_callbacks_are_told_from_options() -> None:
    """Which are all that is left for the client to be given as they are."""
    assert users_of({"closed_cb": _call_all, "name": "x"}) == ({"name": "x"}, {"closed_cb": _call_all})


def test_the_client_calls_them(nats: str) -> None:
    """On a real server, at the end of the bus."""
    closed: list[str] = []

    async def on_close() -> None:
        closed.append("closed")

    async def scenario() -> None:
        async with open_bus(f"nats://{nats}", settings=NatsSettings(options={"closed_cb": on_close})) as bus:
            assert await bus.health_check()

    asyncio.run(scenario())

    assert closed == ["closed"]
