"""Several worker processes on one topic: what a crash and a clean stop repeat, from the handlers' own log."""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.workers.fleet import Fleet, end_of, wait_until

MESSAGES = 100_000
MakeFleet = Callable[[str], Fleet]


@pytest.fixture
def make_fleet(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[MakeFleet]:
    """Makes a fleet on a broker by its name; what still runs is ended."""
    made: list[Fleet] = []
    options = {"kafka": "?session_timeout_ms=3000&heartbeat_interval_ms=500", "nats": "?pin_timeout=3"}

    def make(broker: str) -> Fleet:
        address: str = request.getfixturevalue(broker)
        made.append(Fleet(tmp_path, f"{broker}://{address}{options[broker]}"))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize("broker", ["kafka", "nats"])
def test_after_kill_9_a_second_worker_handles_everything(broker: str, make_fleet: MakeFleet) -> None:
    """A worker is killed in the middle of 100,000 messages on four partitions; none is lost."""
    fleet = make_fleet(broker)
    fleet.create()
    fleet.publish(MESSAGES)

    first = fleet.start()
    wait_until(lambda: fleet.lines() > MESSAGES // 3, "a third is handled")
    first.send_signal(signal.SIGKILL)
    first.wait()
    killed_at = fleet.lines()
    code, output = end_of(fleet.start("--burst"))

    places = {(each.partition, each.offset) for each in fleet.handled}
    print(f"{broker}: killed at {killed_at}, {fleet.repeats} of {MESSAGES} handled twice")
    assert (0, MESSAGES) == (code, len(places)), output
    assert killed_at < MESSAGES
    # What finished since the last commit: at most 10,000 or a second's worth, and one in hand each.
    assert fleet.repeats <= killed_at


@pytest.mark.parametrize("broker", ["kafka", "nats"])
def test_a_worker_that_leaves_by_sigterm_repeats_nothing(broker: str, make_fleet: MakeFleet) -> None:
    """Two workers share a topic; one leaves by SIGTERM under load, the other goes on: no duplicate."""
    fleet = make_fleet(broker)
    fleet.create()
    leaving, staying = fleet.start(), fleet.start()
    sent = 0
    # On NATS the server may give one of the two every partition: then that one is asked to leave.

    def both_read() -> bool:
        nonlocal sent
        fleet.publish(100)
        sent += 100
        return len(fleet.pids()) >= (2 if broker == "kafka" else 1)

    wait_until(both_read, "the workers read")
    if leaving.pid not in fleet.pids():
        leaving, staying = staying, leaving

    with ThreadPoolExecutor() as pool:
        publishing = pool.submit(fleet.publish, MESSAGES)
        wait_until(lambda: fleet.lines() > sent + MESSAGES // 5, "a fifth is handled")
        leaving.send_signal(signal.SIGTERM)
        left = end_of(leaving)
        publishing.result()
    unread = sent + MESSAGES - sum(each.pid == leaving.pid for each in fleet.handled)
    wait_until(lambda: fleet.lines() >= sent + MESSAGES, "everything is handled")
    staying.send_signal(signal.SIGTERM)
    stayed = end_of(staying)

    print(f"{broker}: {unread} left to the one that stayed; {fleet.repeats} handled twice")
    assert (0, 0) == (left[0], stayed[0]), left[1] + stayed[1]
    assert sent + MESSAGES == len({(each.partition, each.offset) for each in fleet.handled})
    assert (0, True) == (fleet.repeats, unread > 0)
