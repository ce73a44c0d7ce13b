"""Members come, go, stall and come back: what is repeated, who owns what, what is committed."""

import asyncio

import pytest
from tests.backends.kafka.members import Listener, backend, fresh, member
from tests.backends.kafka.test_subscription import polling
from tests.faults.invariants import all_handled, commits_are_safe, in_key_order, repeated, single_owner
from tests.faults.members import QUICK, Group, group, until

from partita import Message, SettingsError, Summary


async def brief(message: Message) -> None:
    """Wait as a handler does that asks another service."""
    await asyncio.sleep(0.002)


async def grows(used: Group, name: str, by: int = 200) -> None:
    """Wait until a member has handled so many more messages."""
    target = used.log.count(worker=name) + by
    await until(lambda: used.log.count(worker=name) >= target, f"{name} handles messages")


def test_joins_and_leaves_under_load_repeat_nothing(kafka: str) -> None:
    """1, 2, 3 members and 2 again while messages come in: none is handled twice, each has one owner at a
    time, and no commit covers what is not done."""

    async def scenario() -> None:
        async with group(kafka, partitions=8) as used:
            async with used.load():
                first = await used.join("a", brief, order="key", concurrency=8)
                await grows(used, "a")
                for name in ("b", "c"):
                    await used.join(name, brief, order="key", concurrency=8)
                    await grows(used, name)
                await first.leave()
                await asyncio.gather(grows(used, "b"), grows(used, "c"))
            await used.all_done()
            events = used.log.events

            all_handled(events, used.published)
            assert repeated(events) == set()
            in_key_order(events)
            single_owner(events)
            commits_are_safe(events, used.watch.answers)

    asyncio.run(scenario())


def test_a_late_completion_of_a_former_owner_moves_nothing(kafka: str) -> None:
    """Partitions go from one member to another and back while the first one's handlers still run: these
    count for nothing when they end, and the partitions go on."""
    release, held = asyncio.Event(), set[tuple[int, int]]()

    async def stubborn(message: Message) -> None:
        if message.offset == 0 and message.partition not in {at for at, _ in held}:
            held.add((message.partition, message.offset))
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue

    async def scenario() -> None:
        async with group(kafka, partitions=2) as used:
            await used.publish(100)
            await used.join("a", stubborn, order="partition", drain_timeout=0.2)
            await until(lambda: len(held) == 2, "both partitions hang in a")
            second = await used.join("b", brief, order="partition")
            await grows(used, "b", by=1)
            await until(lambda: used.watch.sum() > 0, "b commits")
            await second.leave()
            await until(lambda: used.log.count("start") == 100, "a has both again")
            release.set()
            await used.all_done()
            events = used.log.events

            all_handled(events, used.published)
            commits_are_safe(events, used.watch.answers)
            assert repeated(events) == held

    asyncio.run(scenario())


def test_a_drain_is_cut_at_its_deadline_and_the_member_stays(kafka: str) -> None:
    """A handler runs twice as long as a rebalance may take: the others need not wait for it, its message
    is not committed but handled again, and its member is never thrown out."""
    hung: list[tuple[int, int]] = []
    options = {**QUICK, "rebalance_timeout_ms": "2000"}

    async def slow(message: Message) -> None:
        if message.offset == 0 and len(hung) < 2:
            hung.append((message.partition, message.offset))
            await asyncio.sleep(4.0)

    async def scenario() -> Summary:
        async with group(kafka, partitions=2) as used:
            await used.publish(100)
            first = await used.join("a", slow, drain_timeout=0.3, options=options)
            await until(lambda: len(hung) == 2, "both partitions hang in a")
            await used.join("b", slow, options=options)
            await used.all_done()
            events = used.log.events

            all_handled(events, used.published)
            commits_are_safe(events, used.watch.answers)
            single_owner([each for each in events if each.place not in hung])
            assert repeated(events) == set(hung)
            assert {each.worker for each in events if each.name == "done"} == {"a", "b"}
            return await first.leave()

    summary = asyncio.run(scenario())

    assert summary.abandoned == 2


@pytest.mark.parametrize("trouble", ["raises", "hangs"])
def test_a_revocation_in_trouble_does_not_hold_up_the_group(
    trouble: str, kafka: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether giving partitions up fails or takes for ever: it is logged, and the other member gets them."""

    async def revoke(partitions: object) -> None:
        if trouble == "raises":
            raise ValueError("not now")
        await asyncio.Event().wait()

    async def scenario() -> None:
        topic = fresh("revoke")
        async with backend(kafka, heartbeat_interval_ms="200", rebalance_timeout_ms="1500") as used:
            await used.create_topic(topic, partitions=4, replication=1)
            membership, listeners = member(topic), (Listener(revoke), Listener())
            polls = []
            for each in listeners:
                subscription = used.subscription(membership)
                await subscription.start(each)
                polls.append(asyncio.ensure_future(polling(subscription)))
                await until(lambda: all(e.owned for e in listeners[: len(polls)]), "all have partitions")
            await until(lambda: len(listeners[1].owned) == 2, "the second has half")
            for poll in polls:
                poll.cancel()

            assert listeners[0].names().count("assigned") == 2

    asyncio.run(scenario())

    said = "giving up partitions failed" if trouble == "raises" else "were not given up within"
    assert said in caplog.text


def test_a_member_without_partitions_takes_over_when_one_leaves(kafka: str) -> None:
    """It has nothing to read for longer than the client's poll interval, and is still there when needed."""
    options = {**QUICK, "max_poll_interval_ms": "1000"}

    async def scenario() -> None:
        async with group(kafka, partitions=2) as used:
            members = {
                name: await used.join(name, brief, options=options, order="key") for name in ("a", "b", "c")
            }
            async with used.load():
                clock = asyncio.get_running_loop()
                await until(lambda: used.log.count() > 0, "messages are handled")
                since = clock.time()
                await until(lambda: clock.time() > since + 1.5, "the poll interval is over")
                before = len(used.log.events)
                await grows(used, used.log.events[-1].worker)
                busy = {each.worker for each in used.log.events[before:]}
                await members[min(busy)].leave()
                (idle,) = members.keys() - busy
                await grows(used, idle, by=1)
            await used.all_done()

            assert len(busy) == 2
            all_handled(used.log.events, used.published)

    asyncio.run(scenario())


def test_a_static_member_that_restarts_quickly_disturbs_nobody(
    kafka: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It gets its own partitions back, and no other member gives any up."""

    async def scenario() -> tuple[dict[str, set[int]], int]:
        async with group(kafka) as used:
            first = await used.join("a", brief, options={**QUICK, "group_instance_id": "one"})
            await used.join("b", brief, options={**QUICK, "group_instance_id": "two"})
            await used.publish(400)
            await until(lambda: used.log.count(worker="b") > 0, "b has joined")
            await used.publish(400)
            await used.all_done()
            await first.leave()
            before = caplog.text.count(": assigned ")
            await used.join("c", brief, options={**QUICK, "group_instance_id": "one"})
            await used.publish(400)
            await used.all_done()
            owned: dict[str, set[int]] = {}
            for each in used.log.events[-1600:]:
                owned.setdefault(each.worker, set()).add(each.partition)
            all_handled(used.log.events, used.published)
            assert repeated(used.log.events) == set()
            return owned, caplog.text.count(": assigned ") - before

    caplog.set_level("INFO", logger="partita.consumer")

    owned, assignments = asyncio.run(scenario())

    assert owned["c"] == owned["a"]
    assert assignments == 1


def test_of_two_members_with_one_instance_id_one_is_told_and_the_other_goes_on(
    kafka: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It stops with an error that names the id, after a few changes of hand, and everything is handled."""
    options = {**QUICK, "group_instance_id": "twin"}

    async def scenario() -> None:
        async with group(kafka) as used:
            twins = [await used.join(name, brief, options=options, order="key") for name in ("a", "b")]
            async with used.load():
                await asyncio.wait([each.running for each in twins], return_when=asyncio.FIRST_COMPLETED)
                (told,) = [each for each in twins if each.running.done()]
                with pytest.raises(SettingsError, match="group_instance_id='twin'"):
                    await told.leave()
            await used.all_done()
            all_handled(used.log.events, used.published)
            commits_are_safe(used.log.events, used.watch.answers, zombies=("a", "b"))

    caplog.set_level("WARNING", logger="partita.consumer")

    asyncio.run(scenario())

    assert caplog.text.count(": lost ") <= 6
