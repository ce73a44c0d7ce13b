"""A worker whose broker is down: no busy loop, few lines, an end in time that tells what is not stored."""

import signal
from pathlib import Path

import pytest
from tests.brokers import Server
from tests.faults.outages import MODULE, publish, watch
from tests.workers.running import running


@pytest.mark.parametrize("broker", ["kafka", "nats"])
def test_a_stop_while_the_broker_is_down_ends_in_time_and_says_what_is_not_stored(
    broker: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A message is finished after the broker has gone: exit code 5, and the line that says so."""
    server: Server = request.getfixturevalue(f"own_{broker}")
    (tmp_path / "working.py").write_text(MODULE)
    url = f"{broker}://{server.address}"
    publish(url, b"early", b"late", create=True)
    arguments = ("run", "working:router", "--bus", url, "--group", "g", "--log-format", "json")

    with running(tmp_path, *arguments) as worker:
        worker.says("handled early")
        worker.says("took late")  # which may be on its way still
        server.kill()
        (tmp_path / "go").touch()
        worker.says("handled late")
        meanwhile = watch(worker, 3.0)
        worker.send(signal.SIGTERM)
        code = worker.ends()

        assert code == 5
        assert "orders" in worker.says("are not stored")
        worker.says("uncommitted ")
        assert meanwhile.share < 0.05
        assert meanwhile.lines <= 1, meanwhile.cause
