"""Dead letters on the memory bus: read, replayed in order, at a rate, and not past failures."""

import asyncio

import pytest
from tests import simulated
from tests.desk import desk
from tests.letters import letter

from partita import DeadLetter, Outgoing, SettingsError, open_bus
from partita.core.dead_letters import REPLAYS
from partita.core.ports import TopicPartition


def test_letters_come_with_their_story_and_other_messages_are_passed_over() -> None:
    """What somebody else put into the topic neither stops the reading nor shows up."""

    async def scenario() -> None:
        async with desk(letter(b"a"), Outgoing(b"stranger"), letter(b"b")) as at:
            found = [each async for each in at.bus.dead_letters("dlq")]

            assert [each.message.value for each in found] == [b"a", b"b"]
            assert (found[1].topic, found[1].offset, found[1].message.offset) == ("orders", 17, 2)
            assert (await at.bus.dead_letters("dlq").replay()).replayed == 2
            assert (await at.bus.dead_letters("dlq").find(0, 1)) is None

    asyncio.run(scenario())


def test_a_replay_publishes_the_message_that_died() -> None:
    """With its own headers, and with one replay counted."""

    async def scenario() -> None:
        async with desk(letter(b"a", key=b"k")) as at:
            await at.bus.dead_letters("dlq").replay()

            (record,) = at.broker.log(TopicPartition("orders", 0))
            assert (record.value, record.key) == (b"a", b"k")
            assert record.headers == (("own", b"1"), (REPLAYS, b"1"))

    asyncio.run(scenario())


def test_equal_keys_keep_their_order_and_others_do_not_wait() -> None:
    """Never two of one key are under way, and many of different keys are."""
    letters = [letter(b"%d" % n, key=b"%d" % (n % 7)) for n in range(200)]

    async def scenario() -> None:
        async with desk(*letters) as at:
            summary = await at.bus.dead_letters("dlq").replay(stop_after_failures=50)

            arrived = at.values("orders")
            assert summary.replayed == 200
            assert 1 < at.publisher.most <= 7
            for key in range(7):
                mine = [int(v) for v in arrived if v is not None and int(v) % 7 == key]
                assert mine == sorted(mine)

    asyncio.run(scenario())


def test_after_a_failure_its_key_stays_and_the_rest_goes_on() -> None:
    """A letter that overtook one with its key would break the order; it goes with the next replay."""
    letters = [
        letter(b"a1", b"a"),
        letter(b"b1", b"b"),
        letter(b"a2", b"a"),
        letter(b"c1"),
        letter(b"b2", b"b"),
    ]

    async def scenario() -> None:
        async with desk(*letters) as at:
            at.publisher.refused = {b"a1"}
            first = await at.bus.dead_letters("dlq").replay()
            at.publisher.refused = set()
            second = await at.bus.dead_letters("dlq").replay()

            assert (first.replayed, first.left, first.failed) == (3, 1, 1)
            assert [type(error) for error in first.errors] == [ConnectionError]
            assert (second.replayed, second.left, second.failed) == (2, 0, 0)
            assert sorted(at.values("orders"), key=str) == [b"a1", b"a2", b"b1", b"b2", b"c1"]
            assert at.values("orders").index(b"a1") < at.values("orders").index(b"a2")

    asyncio.run(scenario())


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_replay_ends_after_so_many_failures_and_not_later(limit: int) -> None:
    """What it has not looked at by then is not sent, and all of it is there for the next one."""
    letters = [letter(b"%d" % n) for n in range(40)]

    async def scenario() -> None:
        async with desk(*letters) as at:
            at.publisher.refused = {b"%d" % n for n in range(10, 40)}
            first = await at.bus.dead_letters("dlq").replay(stop_after_failures=limit)
            at.publisher.refused = set()
            second = await at.bus.dead_letters("dlq").replay()

            assert (first.failed, first.replayed, second.replayed) == (limit, 10, 30)
            assert len(at.values("orders")) == 40

    asyncio.run(scenario())


def test_a_dry_run_counts_and_changes_nothing() -> None:
    """Neither is anything published, nor is anything remembered."""

    async def scenario() -> None:
        async with desk(letter(b"a"), letter(b"b", handler="refund")) as at:
            letters = at.bus.dead_letters("dlq")
            dry = await letters.replay(dry_run=True, handler="refund")

            assert (dry.replayed, dry.left) == (1, 1)
            assert at.values("orders") == []
            assert (await letters.replay()).replayed == 2

    asyncio.run(scenario())


def test_a_user_chooses_letters_with_a_function() -> None:
    """Whatever can be told of a letter can be chosen by."""

    def wanted(each: DeadLetter) -> bool:
        return each.message.value == b"b"

    async def scenario() -> None:
        async with desk(letter(b"a"), letter(b"b")) as at:
            summary = await at.bus.dead_letters("dlq").replay(wanted)

            assert (summary.replayed, summary.left) == (1, 1)
            assert at.values("orders") == [b"b"]

    asyncio.run(scenario())


def test_letters_may_go_to_another_topic_but_not_to_where_they_are() -> None:
    """One that names the dead-letter topic as its own would come back for ever, and is refused."""

    async def scenario() -> None:
        async with desk(letter(b"a"), letter(b"loop", topic="dlq")) as at:
            letters = at.bus.dead_letters("dlq")
            with pytest.raises(SettingsError, match="dlq"):
                await letters.replay(to="dlq")
            first = await letters.replay()
            second = await letters.replay(to="elsewhere")

            assert (first.replayed, first.refused, second.replayed) == (1, 1, 1)
            assert (at.values("orders"), at.values("elsewhere")) == ([b"a"], [b"loop"])

    asyncio.run(scenario())


def test_a_letter_that_dies_during_a_replay_waits_for_the_next_one() -> None:
    """A replay ends where the topic ended when it began, or a poisonous message would turn round in it."""

    async def scenario() -> None:
        async with desk(letter(b"a"), letter(b"b")) as at:
            seen: list[tuple[int, int]] = []

            def watch(done: int, total: int) -> None:
                seen.append((done, total))
                at.broker.append("dlq", letter(b"again"))

            first = await at.bus.dead_letters("dlq").replay(watch=watch)

            assert (first.replayed, seen) == (2, [(1, 2), (2, 2)])
            assert (await at.bus.dead_letters("dlq").replay()).replayed == 2

    asyncio.run(scenario())


def test_a_replay_keeps_to_its_rate() -> None:
    """Ten letters at two a second take nine pauses of half a second, however fast the broker is."""

    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        async with desk(*[letter(b"%d" % n) for n in range(10)]) as at:
            began = loop.time()
            await at.bus.dead_letters("dlq").replay(rate=2)
            return loop.time() - began

    seconds, _ = simulated.run(scenario())

    assert seconds == pytest.approx(4.5)


def test_a_replay_that_is_cancelled_remembers_what_it_sent() -> None:
    """The next one goes on behind it and repeats nothing."""

    async def scenario() -> None:
        async with desk(*[letter(b"%d" % n) for n in range(30)]) as at:
            half = asyncio.Event()
            task = asyncio.ensure_future(
                at.bus.dead_letters("dlq").replay(
                    rate=500, watch=lambda done, _: half.set() if done == 15 else None
                )
            )
            await half.wait()
            task.cancel()
            await asyncio.wait([task])
            await at.bus.dead_letters("dlq").replay()

            assert task.cancelled()
            assert sorted(at.values("orders"), key=str) == sorted((b"%d" % n for n in range(30)), key=str)

    asyncio.run(scenario())


def test_two_replays_at_once_share_the_letters() -> None:
    """They are members of one group, so between them each letter goes out once."""
    letters = [letter(b"%d" % n, key=b"%d" % n) for n in range(60)]

    async def scenario() -> None:
        async with desk(*letters, partitions=4) as at:
            one, other = await asyncio.gather(
                at.bus.dead_letters("dlq").replay(rate=1000), at.bus.dead_letters("dlq").replay(rate=1000)
            )
            rest = await at.bus.dead_letters("dlq").replay()

            assert one.replayed + other.replayed + rest.replayed == 60
            assert sorted(at.values("orders"), key=str) == sorted((b"%d" % n for n in range(60)), key=str)

    asyncio.run(scenario())


def test_a_closed_bus_and_a_bad_name_are_refused() -> None:
    """At the call, before anything is read."""

    async def scenario() -> None:
        async with open_bus("memory://") as bus:
            with pytest.raises(SettingsError, match="no topic"):
                bus.dead_letters("no topic")

    asyncio.run(scenario())


def test_a_commit_that_is_refused_is_sent_again() -> None:
    """In a rebalance a broker refuses commits; what was replayed is remembered all the same."""

    async def scenario() -> None:
        async with desk(letter(b"a"), letter(b"b")) as at:
            at.backend.refusals = 3
            first = await at.bus.dead_letters("dlq").replay()
            second = await at.bus.dead_letters("dlq").replay()

            assert (first.replayed, second.replayed) == (2, 0)

    simulated.run(scenario())


def test_a_replay_that_cannot_be_remembered_raises_the_clients_error() -> None:
    """After five seconds of refusals the caller is told, by the very error of the client."""

    async def scenario() -> None:
        async with desk(letter(b"a")) as at:
            at.backend.refusals = 1000
            with pytest.raises(ConnectionError) as caught:
                await at.bus.dead_letters("dlq").replay()

            assert caught.value is at.backend.refusal

    _, seconds = simulated.run(scenario())

    assert 5 <= seconds < 20


def test_an_error_of_the_users_own_filter_ends_the_replay_and_keeps_what_was_sent() -> None:
    """The letters before it were sent and are remembered; it and those after it stay."""

    def broken(each: DeadLetter) -> bool:
        return bool(1 / (each.message.offset - 2))

    async def scenario() -> None:
        async with desk(*[letter(b"%d" % n) for n in range(5)]) as at:
            with pytest.raises(ZeroDivisionError):
                await at.bus.dead_letters("dlq").replay(broken)
            rest = await at.bus.dead_letters("dlq").replay()

            assert rest.replayed == 3
            assert sorted(at.values("orders"), key=str) == [b"%d" % n for n in range(5)]

    asyncio.run(scenario())
