"""A broker that dies and comes back under a running worker, which goes on by itself."""

import signal
from pathlib import Path

import pytest
from tests.brokers import Server
from tests.workers.fleet import Fleet, end_of, wait_until


@pytest.mark.parametrize("broker", ["kafka", "nats"])
def test_a_worker_goes_on_when_its_broker_is_back(
    broker: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """kill -9 of the broker, a start on the same port, and the same process handles what comes then."""
    server: Server = request.getfixturevalue(f"own_{broker}")
    fleet = Fleet(tmp_path, f"{broker}://{server.address}")
    fleet.create()
    worker = fleet.start()
    fleet.publish(1000)
    wait_until(lambda: fleet.lines() >= 1000, "what came before is handled")

    server.kill()
    server.start()
    fleet.publish(1000)
    wait_until(lambda: len({(e.partition, e.offset) for e in fleet.handled}) == 2000, "the rest is handled")
    worker.send_signal(signal.SIGTERM)
    code, output = end_of(worker)

    print(f"{broker}: {fleet.repeats} of 2000 handled twice over the restart")
    assert (0, {worker.pid}) == (code, fleet.pids()), output
