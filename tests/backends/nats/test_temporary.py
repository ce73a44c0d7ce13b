"""Groups that nobody comes back to are forgotten by the server."""

import asyncio

import pytest
from nats import connect
from tests.backends.nats.members import Member, bus, publish, topic_on

from partita.backends.nats.names import stream_name
from partita.core.ports import Membership


@pytest.mark.parametrize(("temporary", "seconds"), [(True, 60), (False, None)])
def test_only_a_temporary_group_is_forgotten_after_a_minute(
    temporary: bool, seconds: int | None, nats: str
) -> None:
    """Its durable consumers say so to the server; those of other groups never go away by themselves."""

    async def scenario() -> float | None:
        async with bus(nats) as backend, topic_on(backend) as topic:
            await publish(backend, topic, [b"1"])
            membership = Membership("reader", frozenset({topic}), temporary=temporary)
            subscription = backend.subscription(membership)
            await subscription.start(Member(subscription))
            client = await connect(f"nats://{nats}")
            (found,) = await client.jetstream().consumers_info(stream_name(topic))
            await client.close()
            await subscription.close()
            return found.config.inactive_threshold

    assert (asyncio.run(scenario()) or None) == seconds
