"""Each backend in turn, as the contract sees it."""

import asyncio
import uuid
from collections.abc import Iterator

import pytest
from tests.contract.world import Inbox, World


@pytest.fixture(params=["memory", "kafka", "nats"])
def world(request: pytest.FixtureRequest) -> World:
    """Each backend in turn, on a server that all tests share."""
    if request.param == "memory":
        return World("memory", f"memory://{uuid.uuid4().hex}")
    address: str = request.getfixturevalue(request.param)
    return World(request.param, f"{request.param}://{address}")


@pytest.fixture(params=["memory", "kafka", "nats"])
def own_world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Each backend in turn, on a server of its own that the test may restart."""
    if request.param == "memory":
        yield World("memory", f"memory://{uuid.uuid4().hex}")
        return
    server = request.getfixturevalue(f"own_{request.param}")

    async def restart() -> None:
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)

    yield World(request.param, f"{request.param}://{server.address}", restart)


@pytest.fixture
def inbox() -> Inbox:
    """Where a test's handlers put what they receive."""
    return Inbox()
