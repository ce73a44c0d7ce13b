"""Credentials that change while a bus runs, on a real broker."""

import asyncio
import shutil
import time
import uuid
from pathlib import Path

import pytest
from aiokafka.errors import SaslAuthenticationFailed
from tests.security.broker import USER, Secure
from tests.security.tokens import token
from tests.security.users import set_password

from partita import EventBus, open_bus
from partita.backends.kafka.connection import connect
from partita.backends.kafka.security import security_of

WITHIN = 15.0


async def red(bus: EventBus, said: str) -> None:
    """Wait until the bus is not healthy, for a reason that says so."""
    async with asyncio.timeout(WITHIN):
        while said not in (await bus.health_check()).parts["broker"].reason:
            await asyncio.sleep(0.02)


async def green(bus: EventBus) -> None:
    """Wait until the bus is healthy."""
    async with asyncio.timeout(WITHIN):
        while not (await bus.health_check()).healthy:
            await asyncio.sleep(0.02)


async def publishes(bus: EventBus, topic: str) -> None:
    """Publish as soon as it can be done."""
    async with asyncio.timeout(WITHIN):
        while True:
            try:
                await bus.publish(topic, b"hello")
            except SaslAuthenticationFailed:
                await asyncio.sleep(0.05)
            else:
                return


def test_a_password_that_was_changed_is_used_by_the_next_connection(secure: Secure, tmp_path: Path) -> None:
    """Row 95: the file is read at each connect, so the process need not start again."""
    user, topic, file = f"u{uuid.uuid4().hex[:8]}", f"rotation.{uuid.uuid4().hex[:8]}", tmp_path / "password"
    set_password(secure.at("clear"), user, "old-password")
    file.write_text("old-password\n")
    login = {"sasl_mechanism": "SCRAM-SHA-256", "sasl_plain_username": user, "sasl_plain_password_file": file}

    async def scenario() -> None:
        async with open_bus(secure.url("sasl", **login)) as bus:
            await bus.create_topic(topic, partitions=1)
            set_password(secure.at("clear"), user, "new-password")
            with pytest.raises(SaslAuthenticationFailed):
                await bus.publish(topic, b"with the old one")
            file.write_text("new-password\n")
            await publishes(bus, topic)

    asyncio.run(scenario())


def test_credentials_that_were_refused_are_not_shown_again_for_a_while(secure: Secure) -> None:
    """Row 93: a broker that locks an account after a few attempts sees one, and then one a second at most."""
    host, _, port = secure.at("sasl").rpartition(":")
    options = {
        "security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-256", "sasl_plain_username": USER,
        "sasl_plain_password": "wrong", "ssl_cafile": str(secure.papers.authority.file),
    }  # fmt: skip
    security, errors = security_of(options, []), list[Exception]()

    async def attempt() -> None:
        try:
            await connect(security, host, int(port), request_timeout_ms=5000)
        except SaslAuthenticationFailed as error:
            errors.append(error)

    async def scenario() -> None:
        for _ in range(20):
            await attempt()

    asyncio.run(scenario())

    assert len(errors) == 20
    assert len(set(map(id, errors))) == 1  # the error of the one attempt, told to all


def test_a_certificate_that_was_replaced_is_used_by_the_next_connection(
    secure: Secure, tmp_path: Path
) -> None:
    """Row 95: a bad one is red with its reason, and a good one mends it without a restart."""
    pair, topic = tmp_path / "client.pem", f"rotation.{uuid.uuid4().hex[:8]}"
    shutil.copy(secure.papers.client.both, pair)

    async def scenario() -> None:
        async with open_bus(secure.url("mutual", ssl_certfile=pair)) as bus:
            await bus.create_topic(topic, partitions=1)
            shutil.copy(secure.papers.mallory.both, pair)
            with pytest.raises(Exception, match="closed") as raised:
                await bus.publish(topic, b"who is it?")
            shutil.copy(secure.papers.client.both, pair)
            await bus.publish(topic, b"hello")

            assert "ALERT" in str(raised.value.__cause__)

    asyncio.run(scenario())


def test_a_token_that_ends_is_replaced_and_a_file_without_one_is_told_by_health(
    secure: Secure, tmp_path: Path
) -> None:
    """Row 94: the broker ends a session with its token; the next token goes on, a missing one is red."""
    file, topic = tmp_path / "token", f"rotation.{uuid.uuid4().hex[:8]}"
    bearer = {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_file": file}
    file.write_text(token(1.0))

    async def scenario() -> None:
        async with open_bus(secure.url("sasl", **bearer)) as bus:
            await bus.create_topic(topic, partitions=1)
            ends, published = time.monotonic() + 1.8, 0
            while time.monotonic() < ends:
                file.write_text(token(1.0))
                await bus.publish(topic, b"hello")
                published += 1
                await asyncio.sleep(0.02)
            file.write_text(token(-1))
            await red(bus, "the broker refused the token")
            file.unlink()
            await red(bus, "sasl_oauth_token_file cannot be read")
            file.write_text(token(600))
            await green(bus)
            receipt = await bus.publish(topic, b"the end")

            assert receipt.offset == published

    asyncio.run(scenario())
