"""A local broker: started, found, stopped, and refused in words."""

import socket
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs
import pytest
from tests.brokers import Server

from partita_worker.devbroker.broker import KINDS, Broker
from partita_worker.devbroker.errors import BrokerError, DownloadFailed, ExtraMissing, PortTaken
from partita_worker.devbroker.nats import Nats
from partita_worker.devbroker.ports import free_port, port_is_free
from partita_worker.devbroker.state import Registry


@attrs.define
class Script:
    """A broker kind that is a Python script and never answers."""

    script: str
    name: str = "nats"
    title: str = "the script"
    default_port: int = 1
    start_seconds: float = 0.2
    stop_seconds: float = 5.0

    def command(self, folder: Path, port: int, say: Callable[[str], None]) -> Sequence[str]:
        """Python with the script."""
        return [sys.executable, "-c", self.script]

    def answers(self, port: int) -> bool:
        """Never."""
        return False


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A NATS server that is not up yet, and is down at the end."""
    made = Broker(KINDS["nats"], free_port(), Registry(tmp_path / "state"))
    yield made
    made.stop()


def test_a_broker_that_is_up_is_left_alone(broker: Broker) -> None:
    """Starting twice is starting once."""
    first = broker.start()

    assert broker.start() == first


def test_a_stopped_broker_frees_its_port_and_keeps_its_folder(broker: Broker) -> None:
    """What was stored is there at the next start."""
    first = broker.start()

    broker.stop()

    assert broker.state is None
    assert port_is_free(broker.port)
    assert (broker.folder / "data" / "jetstream").is_dir()
    assert broker.start().folder == first.folder


def test_a_taken_port_is_refused_and_nothing_is_made(broker: Broker) -> None:
    """The text names the port and the way out; no folder and no process is left behind."""
    taken = pytest.raises(PortTaken, match=rf"port {broker.port} .* --port")
    with socket.create_server(("127.0.0.1", broker.port)), taken:
        broker.start()

    assert not broker.folder.exists()


def test_a_running_broker_with_other_data_is_refused(broker: Broker, tmp_path: Path) -> None:
    """Whoever names a data folder is never given a broker with other data."""
    broker.start()

    with pytest.raises(BrokerError, match="keeps its data in"):
        Broker(broker.kind, broker.port, Registry(tmp_path / "state"), tmp_path / "other").start()


def test_a_data_folder_is_used_by_one_broker_at_a_time(broker: Broker, tmp_path: Path) -> None:
    """Two servers on one folder would destroy it."""
    broker.start()

    with pytest.raises(BrokerError, match="is in use by nats://"):
        Broker(broker.kind, free_port(), Registry(tmp_path / "state"), broker.folder).start()


@pytest.mark.parametrize(
    ("script", "told"),
    [("raise SystemExit(1)", "ended before it answered"), ("input(); import time; time.sleep(600)", "ended")],
)
def test_a_server_that_ends_at_once_is_told_with_its_log(tmp_path: Path, script: str, told: str) -> None:
    """The text says where to look; the broker is not remembered."""
    broken = Broker(Script(script, start_seconds=60.0), free_port(), Registry(tmp_path))

    with pytest.raises(BrokerError, match=f"{told}.*server.log"):
        broken.start()

    assert broken.state is None


def test_a_server_that_never_answers_is_stopped(tmp_path: Path) -> None:
    """A start that failed leaves no process."""
    script = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)"
    silent = Broker(Script(script), free_port(), Registry(tmp_path))

    with pytest.raises(BrokerError, match="did not answer within"):
        silent.start()

    assert silent.state is None
    assert not Path(f"/proc/{(silent.folder / 'pid').read_text()}").exists()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """The text names the folder."""
    (tmp_path / "file").write_text("")

    with pytest.raises(BrokerError, match="cannot be started in"):
        Broker(KINDS["nats"], free_port(), Registry(tmp_path), tmp_path / "file" / "data").start()


def test_a_server_answers_neither_down_nor_frozen(own_nats: Server) -> None:
    """Being ready is what the server itself says, not an open port."""
    port = int(own_nats.address.split(":")[1])
    assert Nats().answers(port)

    own_nats.freeze()
    frozen = Nats().answers(port)
    own_nats.thaw()
    own_nats.kill()

    assert not frozen
    assert not Nats().answers(port)


def test_errors_name_what_failed_by_its_common_name() -> None:
    """No host and no address of a registry is in a text; each says what to do."""
    assert "Maven Central did not answer" in str(DownloadFailed("Kafka 4.4.0", "Maven Central"))
    assert "pip install 'partita[brokers]'" in str(ExtraMissing("Kafka 4.4.0"))


def test_the_servers_program_is_executable() -> None:
    """The wheel's program can be run as it lies there."""
    program = Path(Nats().command(Path(), 1, print)[0])

    assert program.stat().st_mode & stat.S_IXUSR
