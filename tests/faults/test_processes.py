"""Worker processes that are killed, frozen, blocked, and replaced one by one, on a real Kafka."""

import asyncio
import signal
from pathlib import Path

import pytest
from tests.faults.commits import begun
from tests.faults.eventlog import places
from tests.faults.invariants import all_handled, commits_are_safe, in_key_order, repeated, single_owner
from tests.faults.members import until
from tests.faults.processes import fleet

SHORT = {"session_timeout_ms": "1500", "heartbeat_interval_ms": "200"}
LAST_COMMIT = 10_000  # messages that may have finished since


def test_a_rolling_restart_under_load_repeats_nothing(kafka: str, tmp_path: Path) -> None:
    """Two workers are replaced by SIGTERM one after the other while messages come in: each ends with 0,
    and no message is handled twice or by two at once."""

    async def scenario() -> None:
        async with fleet(kafka, tmp_path, "await asyncio.sleep(0.003)") as (used, workers):
            async with used.load(30):
                old = [await workers.start(name) for name in ("a", "b")]
                await until(lambda: {"a", "b"} <= used.log.workers, "both work")
                for name in ("c", "d"):
                    await workers.start(name)
                await until(lambda: len(used.log.workers) == 4, "the new ones work")
                for each in old:
                    code, output = await each.terminate()
                    assert code == 0, output
            await used.all_done()
            events = used.log.events

            all_handled(events, used.published)
            assert repeated(events) == set()
            in_key_order(events)
            single_owner(events)
            commits_are_safe(events, used.watch.answers)

    asyncio.run(scenario())


def test_after_kill_9_only_what_was_open_or_not_committed_repeats(kafka: str, tmp_path: Path) -> None:
    """Above a message that hangs too: what an earlier commit or its map mentions is handled no second time,
    and nothing that finished before the last commit."""
    hangs = 'await asyncio.sleep(3600 if message.offset == 5 and os.environ["WORKER"] == "a" else 0.001)'

    async def scenario() -> None:
        async with fleet(kafka, tmp_path, hangs, 'order="key", concurrency=16') as (used, workers):
            first = await workers.start("a", options=SHORT)
            async with used.load():
                await until(lambda: len(begun(used.watch.answers)) > 2, "there were several commits")
                await first.kill()
            stored = await used.watch.look()
            previous = begun(used.watch.answers)[-2]
            before = used.log.events
            await workers.start("b", options=SHORT)
            await used.all_done()
            events = used.log.events

            open_then = set(places(before, "start")) - set(places(before, "done"))
            since = {place for place in places(before, "done") if not stored.covers(*place)}
            all_handled(events, used.published)
            in_key_order(events)
            commits_are_safe(events, used.watch.answers)
            assert repeated(events) <= open_then | since
            assert any(stored.above.values())
            assert len(since) <= LAST_COMMIT
            assert since.isdisjoint(
                each.place for each in before if each.name == "done" and each.at < previous
            )

    asyncio.run(scenario())


@pytest.mark.parametrize("successor", ["stays", "leaves"])
def test_a_worker_that_was_frozen_moves_no_offset_back(successor: str, kafka: str, tmp_path: Path) -> None:
    """It wakes up after its session is over, whether the one that took over is still there or gone, and
    joins anew: what the other committed stays, and what both handled is what it had in hand."""

    async def scenario() -> None:
        async with fleet(kafka, tmp_path, "await asyncio.sleep(0.002)") as (used, workers):
            frozen = await workers.start("a", options=SHORT)
            async with used.load():
                await until(lambda: used.log.count(worker="a") > 300, "a works")
                frozen.send(signal.SIGSTOP)
                other = await workers.start("b", options=SHORT)
                await until(lambda: used.log.count(worker="b") > 300, "b has taken over")
            await used.all_done()
            if successor == "leaves":
                assert (await other.terminate())[0] == 0
            old = set(used.published)
            frozen.send(signal.SIGCONT)
            async with used.load():
                await until(lambda: used.log.fresh("a", old), "a handles new messages")
            await used.all_done()
            events = used.log.events

            all_handled(events, used.published)
            commits_are_safe(events, used.watch.answers, zombies="a")
            single_owner(events, zombies="a")

    asyncio.run(scenario())


def test_a_handler_that_blocks_the_loop_is_named_and_its_worker_rejoins(kafka: str, tmp_path: Path) -> None:
    """No heartbeat is sent for longer than the session lasts: the log names the line, the membership is
    lost, and then the worker joins anew and handles everything."""
    blocks = (
        'if message.offset == 5 and not os.path.exists("blocked"):\n'
        '        open("blocked", "w").close()\n'
        "        time.sleep(3)"
    )

    async def scenario() -> None:
        async with fleet(kafka, tmp_path, blocks, partitions=1) as (used, workers):
            worker = await workers.start("a", options=SHORT)
            await used.publish(100)
            await used.all_done()
            code, output = await worker.terminate()
            events = used.log.events

            assert code == 0, output
            assert "in handle" in output, output
            assert "faulty.py:" in output, output
            assert f"lost {used.topic}/0" in output, output
            all_handled(events, used.published)
            in_key_order(events)
            commits_are_safe(events, used.watch.answers)

    asyncio.run(scenario())


def test_a_hung_handler_ends_with_5_and_its_message_goes_to_the_next_worker(
    kafka: str, tmp_path: Path
) -> None:
    """SIGTERM: the drain timeout passes, everything else is committed, and only that message comes again."""
    hangs = 'await asyncio.sleep(3600 if message.offset == 5 and os.environ["WORKER"] == "a" else 0)'

    async def scenario() -> None:
        async with fleet(kafka, tmp_path, hangs, 'order="none"', partitions=1) as (used, workers):
            first = await workers.start("a", "--drain-timeout", "0.3")
            await used.publish(100)
            await until(lambda: used.log.count() == 99, "all others are handled")
            code, output = await first.terminate()
            await workers.start("b")
            await used.all_done()
            events = used.log.events

            assert code == 5, output
            all_handled(events, used.published)
            commits_are_safe(events, used.watch.answers)
            assert repeated(events) == {(0, 5)}

    asyncio.run(scenario())
