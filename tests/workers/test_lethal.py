"""A message that ends the process which handles it, on real brokers with real processes."""

import asyncio
import uuid
from collections import Counter
from pathlib import Path

import pytest
from tests.workers.running import run

from partita import Message, Outgoing, Router, open_bus
from partita.core.dead_letters import read_dead_letter

DIED = 99
MODULE = """
import os

from partita import Message, Retry, Router

router = Router()
log = os.open("handled", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
topic, attempts = os.environ["TOPIC"], int(os.environ["ATTEMPTS"])


@router.handler(topic, order="key", retry=Retry(attempts=attempts), dead_letter=topic + ".dead")
async def handle(message: Message) -> None:
    # One write per line: a line is whole, or absent, whatever ends the process.
    os.write(log, b"%d\\n" % int(message.value))
    if message.value == b"13":
        os._exit(99)
"""


@pytest.mark.parametrize(
    ("kind", "options", "attempts"),
    [
        # A member that keeps its id is back at once, where the broker would wait for the dead one.
        ("kafka", "group_instance_id=one&session_timeout_ms=6000", 2),
        ("nats", "pin_timeout=2", 1),
    ],
)
def test_a_message_that_ends_every_worker_becomes_a_dead_letter(
    kind: str, options: str, attempts: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The worker is started again and again; after two ends without a known reason, and as many more as the
    route has attempts, the message is in the dead-letter topic and every other one is handled."""
    url = f"{kind}://{request.getfixturevalue(kind)}"
    topic = f"lethal.{uuid.uuid4().hex[:10]}"
    (tmp_path / "lethal_module.py").write_text(MODULE)
    environ = {"TOPIC": topic, "ATTEMPTS": str(attempts)}
    command = ("run", "lethal_module:router", "--bus", f"{url}?{options}", "--group", f"{topic}.g", "--burst")
    asyncio.run(_publish(url, topic))

    codes = [run(tmp_path, *command, environ=environ).returncode]
    while codes[-1] == DIED and len(codes) < 10:
        codes.append(run(tmp_path, *command, environ=environ).returncode)

    handled = Counter((tmp_path / "handled").read_text().split())
    assert codes.count(DIED) == handled["13"] == 2 + attempts
    assert len(codes) == 3 + attempts, codes
    assert set(handled) == {str(number) for number in range(30)}
    assert asyncio.run(_letters(url, topic)) == [
        (b"13", attempts, f"the process has ended {attempts} times while this message was handled")
    ]


async def _publish(url: str, topic: str) -> None:
    async with open_bus(url) as bus:
        await bus.create_topic(topic, partitions=1)
        await bus.create_topic(f"{topic}.dead", partitions=1)
        numbers = [Outgoing(b"%d" % number, key=b"%d" % (number % 7)) for number in range(30)]
        await bus.publish_batch(topic, numbers)


async def _letters(url: str, topic: str) -> list[tuple[bytes | None, int, str]]:
    found: list[tuple[bytes | None, int, str]] = []
    router = Router()

    @router.handler(f"{topic}.dead")
    async def take(message: Message) -> None:
        notice = read_dead_letter(message.headers)
        assert notice is not None
        found.append((message.value, notice.attempts, notice.error))

    async with open_bus(url) as bus:
        await bus.run(router, group=f"{topic}.dead", burst=True)
        for name in (topic, f"{topic}.dead"):
            await bus.delete_topic(name)
    return found
