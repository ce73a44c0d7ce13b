"""How many TCP connections a bus has, counted from the process's own table of sockets."""

import asyncio

from tests.faults.load import load
from tests.faults.sockets import connections, port_of

KAFKA = 4  # producer 1, group consumer 2, admin 1
NATS = 2  # publishing and asking 1, group member 1


def test_a_bus_has_four_connections_to_one_kafka(kafka: str) -> None:
    """Under load, while health, backlog, group and topic are asked for; none when it is closed."""
    port = port_of(kafka)

    async def scenario() -> None:
        async with load(f"kafka://{kafka}", port) as used:
            await used.goes_on()
            assert connections(port) == KAFKA
            await used.ask()
            await used.goes_on()
            assert connections(port) == used.most == KAFKA
        assert connections(port) == 0

    asyncio.run(scenario())


def test_connections_that_were_idle_are_made_again_and_not_beside_the_old_ones(kafka: str) -> None:
    """The client closes them after `connections_max_idle_ms`, 9 minutes by default; here after 0.3 s."""
    port = port_of(kafka)

    async def scenario() -> None:
        async with load(f"kafka://{kafka}?connections_max_idle_ms=300", port) as used:
            await used.goes_on()
            for _ in range(3):
                async with asyncio.timeout(30):
                    while connections(port) == KAFKA:
                        await asyncio.sleep(0.02)  # the admin's is not used meanwhile
                await used.ask()
                assert connections(port) <= KAFKA
            assert used.most <= KAFKA

    asyncio.run(scenario())


def test_a_bus_has_two_connections_to_nats(nats: str) -> None:
    """One for all that it publishes and asks, one for each member of a group."""
    port = port_of(nats)

    async def scenario() -> None:
        async with load(f"nats://{nats}", port) as used:
            await used.goes_on()
            await used.ask()
            await used.goes_on()
            assert connections(port) == used.most == NATS
        assert connections(port) == 0

    asyncio.run(scenario())
