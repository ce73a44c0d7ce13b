"""`worker groups` and `worker topics describe` on real brokers, as a shell runs them."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.workers.running import paragraph, run

from partita import EventBus, open_bus
from partita_worker.arguments.values import instant, shift


@pytest.fixture(params=["kafka", "nats"])
def url(request: pytest.FixtureRequest) -> str:
    """The address of each broker in turn."""
    return f"{request.param}://{request.getfixturevalue(request.param)}"


def with_group(url: str, scenario: Callable[[EventBus, str, str], Awaitable[None]]) -> None:
    """A topic with two messages, and a group that has handled both and is still there."""

    async def run_it() -> None:
        async with open_bus(url) as bus:
            topic, group = f"groups.{uuid.uuid4().hex[:10]}", f"g-{uuid.uuid4().hex[:10]}"
            seen = asyncio.Semaphore(0)

            async def handle(value: bytes) -> None:
                seen.release()

            await bus.create_topic(topic, partitions=1)
            await bus.publish_batch(topic, [b"1", b"2"])
            subscription = await bus.subscribe(topic, handle, group=group)
            async with asyncio.timeout(60):
                await seen.acquire()
                await seen.acquire()
            await scenario(bus, topic, group)
            await subscription.drain()
            await bus.delete_topic(topic)

    asyncio.run(run_it())


def test_a_group_is_shown_refused_while_it_is_live_and_moved_afterwards(url: str, tmp_path: Path) -> None:
    """Each step as a shell sees it: list, describe, a refusal with its reason, a dry run, a reset."""
    environ = {"PARTITA_BUS": url}

    async def scenario(bus: EventBus, topic: str, group: str) -> None:
        async def worker(*arguments: str) -> tuple[int, str, str]:
            done = await asyncio.to_thread(run, tmp_path, *arguments, environ=environ)
            return done.returncode, done.stdout.decode(), paragraph(done) if done.returncode else ""

        code, _, told = await worker("groups", "reset", group, "--to-earliest")
        assert (code, "is live" in told) == (2, True)
        listed = await worker("groups", "list")
        assert f"{group}  {'live' if url.startswith('nats') else 'stable'}" in listed[1].splitlines()
        await bus.drain()
        code, printed, _ = await worker("groups", "describe", group, "--json")
        (partition,) = json.loads(printed)["partitions"]
        assert (code, partition["topic"], partition["lag"]) == (0, topic, 0)
        end, start = partition["committed"], partition["committed"] - 2
        dry = await worker("groups", "reset", group, "--to-time", "1h", "--topic", topic, "--dry-run")
        assert dry == (0, f"{topic}/0  would go from {end} to {start}\n", "")
        _, moved, _ = await worker("groups", "reset", group, "--to-earliest", "--json")
        assert json.loads(moved) == {
            "topic": topic, "partition": 0, "before": end, "after": start, "error": None,
        }  # fmt: skip
        assert (await bus.group_offsets(group)).get((topic, 0), 1) == start

    with_group(url, scenario)


def test_a_topic_is_described_in_words_and_as_json(url: str, tmp_path: Path) -> None:
    """The same facts, for eyes and for scripts; what is missing is named."""
    environ = {"PARTITA_BUS": url}
    config = "max_msgs=100" if url.startswith("nats") else "retention.ms=60000"
    topic = f"described.{uuid.uuid4().hex[:10]}"

    run(tmp_path, "topics", "create", topic, "--partitions", "2", "--set", config, environ=environ)
    words = run(tmp_path, "topics", "describe", topic, environ=environ).stdout.decode().splitlines()
    told = json.loads(run(tmp_path, "topics", "describe", topic, "--json", environ=environ).stdout)
    asyncio.run(deleted(url, topic))

    assert words[:2] == [f"{topic}  2 partitions", config]
    assert words[2].startswith(f"{topic}/0  offsets ")
    name, _, value = config.partition("=")
    assert told["configs"] == {name: value}
    assert [each["partition"] for each in told["partitions"]] == [0, 1]


async def deleted(url: str, topic: str) -> None:
    """Take a topic away again."""
    async with open_bus(url) as bus:
        await bus.delete_topic(topic)


def test_what_is_not_there_is_named(nats: str, tmp_path: Path) -> None:
    """A topic, a group, and a group to be moved, which says what to name."""
    environ = {"PARTITA_BUS": f"nats://{nats}"}

    missing = run(tmp_path, "topics", "describe", "no.such.topic", environ=environ)
    done = run(tmp_path, "groups", "describe", "nobody-at-all", environ=environ)
    moved = run(tmp_path, "groups", "reset", "nobody-at-all", "--to-latest", environ=environ)

    assert (missing.returncode, done.returncode, moved.returncode) == (2, 2, 2)
    assert "there is no topic 'no.such.topic'" in paragraph(missing)
    assert "there is no group 'nobody-at-all'" in paragraph(done)
    assert "name its topics" in paragraph(moved)


def test_a_time_is_a_date_or_how_long_ago() -> None:
    """In milliseconds; without a zone it is that of this machine."""
    assert instant("1970-01-01T00:00:01.5+00:00") == 1_500
    assert instant("1970-01-01T01:00:00+01:00") == 0
    assert abs(instant("1h") - instant("60m")) < 1_000
    assert abs(instant("90s") - instant("1.5m")) < 1_000
    for wrong in ("", "yesterday", "10", "10 m", "-5m", "1960-01-01T00:00:00+00:00", "99999-01-01"):
        with pytest.raises(ValueError, match="give a time"):
            instant(wrong)


def test_a_shift_has_a_sign_and_is_not_nothing() -> None:
    """Forward without one."""
    assert (shift("3"), shift("+3"), shift("-3")) == (3, 3, -3)
    for wrong in ("0", "", "1.5", "x"):
        with pytest.raises(ValueError, match="whole number other than 0"):
            shift(wrong)
