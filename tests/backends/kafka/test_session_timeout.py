"""A session timeout that the broker does not take."""

import asyncio

import pytest
from aiokafka.errors import InvalidSessionTimeoutError
from tests.backends.kafka.members import fresh

from partita import Router, SettingsError, open_bus


def test_a_session_below_the_brokers_minimum_ends_the_run_with_the_option_and_its_limits(kafka: str) -> None:
    """Row 97: only the broker knows its limits, and its error tells no number."""
    url = f"kafka://{kafka}?session_timeout_ms=50&heartbeat_interval_ms=20"
    router = Router()

    async def scenario() -> None:
        topic = fresh("session")
        async with open_bus(url) as bus:
            await bus.create_topic(topic, partitions=1)

            @router.handler(topic)
            async def ignore(value: bytes) -> None: ...

            with pytest.raises(SettingsError, match="session_timeout_ms=50: it permits") as refused:
                await bus.run(router, group=topic)
            assert isinstance(refused.value.__cause__, InvalidSessionTimeoutError)

    asyncio.run(scenario())
