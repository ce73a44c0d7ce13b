"""Rows 13 and 16, and their like: answers of the group's protocol and of the log that tell errors."""

import asyncio
from collections.abc import Sequence

import pytest
from tests.faults.clusters import Broker
from tests.faults.invariants import all_handled, commits_are_safe, in_key_order
from tests.faults.kafka_proxy import KafkaProxy
from tests.faults.members import group, until

from partita import Message

MESSAGES, TIMES = 100, 2
OPTIONS = {
    "session_timeout_ms": "1500", "heartbeat_interval_ms": "200", "request_timeout_ms": "1500",
    "metadata_max_age_ms": "500",
}  # fmt: skip
GROUP = [
    ("JoinGroup", "COORDINATOR_LOAD_IN_PROGRESS"),
    ("JoinGroup", "NOT_COORDINATOR"),
    ("JoinGroup", "UNKNOWN_MEMBER_ID"),
    ("SyncGroup", "REBALANCE_IN_PROGRESS"),
    ("SyncGroup", "UNKNOWN_MEMBER_ID"),
    ("SyncGroup", "COORDINATOR_NOT_AVAILABLE"),
    ("Heartbeat", "REBALANCE_IN_PROGRESS"),
    ("Heartbeat", "ILLEGAL_GENERATION"),
    ("Heartbeat", "UNKNOWN_MEMBER_ID"),
    ("Heartbeat", "NOT_COORDINATOR"),
    ("OffsetFetch", "COORDINATOR_LOAD_IN_PROGRESS"),
    ("OffsetFetch", "NOT_COORDINATOR"),
    ("OffsetCommit", "COORDINATOR_LOAD_IN_PROGRESS"),
    ("OffsetCommit", "COORDINATOR_NOT_AVAILABLE"),
]
LOG = [
    ("Fetch", "NOT_LEADER_OR_FOLLOWER"),
    ("Fetch", "UNKNOWN_TOPIC_OR_PARTITION"),
    ("Fetch", "FENCED_LEADER_EPOCH"),
    ("Fetch", "OFFSET_OUT_OF_RANGE"),
    ("Fetch", "NETWORK_EXCEPTION"),
    ("Fetch", "KAFKA_STORAGE_ERROR"),
    ("Fetch", "UNKNOWN_TOPIC_ID"),
    ("Metadata", "UNKNOWN_TOPIC_OR_PARTITION"),
    ("Metadata", "LEADER_NOT_AVAILABLE"),
]


async def brief(message: Message) -> None:
    """Wait as a handler does that asks another service."""
    await asyncio.sleep(0.005)


async def survives(broker: Broker, proxy: KafkaProxy, api: str, error: str, named: str) -> int:
    """
    Handle messages while some answers of a kind tell an error; a member goes on without help.

    Returns how many answers did.
    """
    async with group(broker.server.address) as used:
        used.address = proxy.address
        after = 2 if named == "topic" else 0  # when some messages have been read
        rule = proxy.rewrite(api, error, after=after, times=TIMES, **{named: used.name})
        await used.publish(MESSAGES)
        await used.join("a", brief, order="key", concurrency=8, options=OPTIONS)
        await until(lambda: rule.hits == TIMES, f"{api} is answered with {error}")
        await used.publish(MESSAGES)
        await used.all_done()
        events = used.log.events

        all_handled(events, used.published)
        in_key_order([each for each in events if each.name == "done"])
        commits_are_safe(events, used.watch.answers)
        return rule.hits


@pytest.mark.parametrize(("cases", "named"), [(GROUP, "group"), (LOG, "topic")], ids=["group", "log"])
def test_a_member_outlives_every_error_that_passes(
    broker: Broker, proxied: KafkaProxy, cases: Sequence[tuple[str, str]], named: str
) -> None:
    """Whatever the broker answers twice, everything is handled and committed, each key in order. The cases
    run side by side, each in a group and a topic of its own."""

    async def scenario() -> list[int]:
        return await asyncio.gather(*[survives(broker, proxied, *case, named) for case in cases])

    told = asyncio.run(scenario())

    assert told == [TIMES] * len(cases)
