"""Publishing and consuming over each kind of listener of a real broker."""

import asyncio
import uuid
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.security.broker import PASSWORD, USER, Secure
from tests.security.tokens import token

from partita import KafkaSettings, Router, open_bus

LOGIN = {"sasl_plain_username": USER, "sasl_plain_password": PASSWORD}
WAYS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "tls": ("tls", {}),
    "mutual tls": ("mutual", {"ssl_certfile": "otto.crt.pem", "ssl_keyfile": "otto.key.pem"}),
    "plain": ("sasl", {"sasl_mechanism": "PLAIN", **LOGIN}),
    "scram-256": ("sasl", {"sasl_mechanism": "SCRAM-SHA-256", **LOGIN}),
    "scram-512": ("sasl", {"sasl_mechanism": "SCRAM-SHA-512", **LOGIN}),
    "bearer": ("sasl", {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_file": "token"}),
    "clear on this machine": ("open", LOGIN),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_message_goes_to_the_broker_and_back_over_each_listener(way: str, secure: Secure) -> None:
    """Admin, producer and consumer all connect with what the address says, files among it."""
    topic, seen = f"listeners.{uuid.uuid4().hex[:8]}", list[bytes]()
    listener, options = WAYS[way]
    folder = secure.papers.client.key.parent
    (folder / "token").write_text(f"{token(3600)}\n")
    given = {name: placed(name, value, folder) for name, value in options.items()}
    router = Router()

    @router.handler(topic)
    async def take(value: bytes) -> None:
        seen.append(value)

    async def scenario() -> None:
        async with open_bus(secure.url(listener, **given)) as bus:
            await bus.create_topic(topic, partitions=1)
            await bus.publish(topic, b"hello")
            await bus.run(router, group=topic, burst=True)
            healthy = (await bus.health_check()).healthy
            await bus.delete_topic(topic)

            assert seen == [b"hello"]
            assert healthy

    asyncio.run(scenario())


def test_tokens_come_from_a_function_of_the_program(secure: Secure) -> None:
    """It is asked once, though each connection shows the token."""
    asked = list[int]()

    def provide() -> tuple[str, float]:
        asked.append(1)
        return token(600), 600.0

    async def scenario() -> None:
        url = secure.url("sasl", sasl_mechanism="OAUTHBEARER")
        settings = KafkaSettings(options={"sasl_oauth_token_provider": provide})
        async with open_bus(url, settings=settings) as bus:
            await bus.list_topics()

            assert len(asked) == 1

    asyncio.run(scenario())


def placed(name: str, value: str, folder: Path) -> str:
    """Files are named by where they are."""
    return str(folder / value) if name.endswith("file") else value
