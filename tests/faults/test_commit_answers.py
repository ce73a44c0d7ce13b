"""Rows 19 and 36: commits that are refused, and commits whose answers never come."""

import asyncio

from tests.faults.clusters import Broker
from tests.faults.invariants import all_handled, commits_are_safe, in_key_order, repeated
from tests.faults.kafka_proxy import KafkaProxy
from tests.faults.members import group, until

from partita import Message

MESSAGES = 400
OPTIONS = {"session_timeout_ms": "2000", "heartbeat_interval_ms": "200", "request_timeout_ms": "1500"}


async def brief(message: Message) -> None:
    """Wait as a handler does that asks another service."""
    await asyncio.sleep(0.005)


async def survives(broker: Broker, proxy: KafkaProxy, verb: str, *error: str) -> set[tuple[int, int]]:
    """
    Handle messages while something happens to the second commit; returns what was handled twice.

    The member goes on without help, everything is handled and committed, each key in order, and no commit
    covers what is not done or is older than the one before. Calls of a lost assignment may still run when
    the next one begins, so the order is that in which messages were first done.
    """
    async with group(broker.server.address) as used:
        used.address = proxy.address
        rule = getattr(proxy, verb)("OffsetCommit", *error, group=used.name, after=1, times=1)
        await used.publish(MESSAGES)
        member = await used.join("a", brief, order="key", concurrency=8, options=OPTIONS)
        await until(lambda: rule.hits == 1, "the second commit")
        await used.publish(MESSAGES)
        await used.all_done()
        health = await member.bus.health_check()
        events = used.log.events
        await member.leave()

        assert health.healthy, health
        all_handled(events, used.published)
        in_key_order([each for each in events if each.name == "done"])
        commits_are_safe(events, used.watch.answers)
        return repeated(events)


def all_survive(broker: Broker, proxy: KafkaProxy, *cases: tuple[str, ...]) -> list[set[tuple[int, int]]]:
    """What was handled twice in each case; they run side by side, each in a group of its own."""

    async def scenario() -> list[set[tuple[int, int]]]:
        return await asyncio.gather(*[survives(broker, proxy, *case) for case in cases])

    return asyncio.run(scenario())


def test_a_commit_during_a_rebalance_is_made_after_it_and_nothing_repeats(
    broker: Broker, proxied: KafkaProxy
) -> None:
    """Row 36: whether or not the broker stored it. The partitions come back, and their commit with them."""
    error = "REBALANCE_IN_PROGRESS"

    twice = all_survive(broker, proxied, ("refuse", error), ("rewrite", error))

    assert twice == [set(), set()]


def test_a_commit_of_a_member_that_is_none_any_more_is_dropped_and_the_member_joins_again(
    broker: Broker, proxied: KafkaProxy
) -> None:
    """Row 36: what was not committed repeats, and only that."""
    errors = ("ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID")
    cases = [(verb, error) for verb in ("refuse", "rewrite") for error in errors]

    twice = all_survive(broker, proxied, *cases)

    assert all(len(each) < 2 * MESSAGES for each in twice)


def test_a_commit_without_an_answer_is_made_again(broker: Broker, proxied: KafkaProxy) -> None:
    """
    Row 19: whether the broker stored it or never saw it, whether the connection broke or fell silent.
    Where it broke, the member is one as before and nothing repeats.
    """
    broken = all_survive(broker, proxied, ("cut_answer",), ("cut",))
    all_survive(broker, proxied, ("drop_answer",), ("drop",))

    assert broken == [set(), set()]
