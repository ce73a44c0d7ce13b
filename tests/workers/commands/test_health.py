"""`worker health`: how a running worker is, in words and as an exit code."""

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.workers.running import DEADLINE, Running, paragraph, run, running

from partita_worker.cli import main
from partita_worker.commands.health import lines, read

SHOP = """
from partita import Retry, Router

router = Router()

@router.handler("orders", retry=Retry(attempts=1))
async def charge(order: bytes) -> None:
    int(order)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a router, and a message that its handler cannot handle."""
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "orders.txt").write_text("seven\n")
    return tmp_path


@pytest.fixture
def healthy(folder: Path) -> Iterator[str]:
    """The port of a worker that is fine."""
    with running(folder, "run", "shop:router", "--health-port", "0") as worker:
        yield port_of(worker)
        worker.send(signal.SIGTERM)
        assert worker.ends() == 0


def port_of(worker: Running) -> str:
    """The port that the banner tells, once the worker has its partitions."""
    url = worker.says("health   http://").split()[1]
    worker.says("assigned")
    return url.rpartition(":")[2]


def test_a_healthy_worker_is_told_in_words_and_ends_with_0(healthy: str, folder: Path) -> None:
    """By port, by URL and by the variable that its worker was started with."""
    url = f"http://127.0.0.1:{healthy}"
    by_port = run(folder, "health", "--port", healthy)
    by_url = run(folder, "health", "--url", f"{url}/", "--probe", "ready")
    by_variable = run(folder, "health", "--json", environ={"PARTITA_HEALTH_PORT": healthy})

    assert [0, 0, 0] == [each.returncode for each in (by_port, by_url, by_variable)], by_port.stdout
    assert by_port.stdout.decode().splitlines() == [
        f"the worker at {url} is healthy",
        "live              ok",
        "ready             ok: consumer partita has 4 partitions",
        "started           ok",
        "broker            ok",
        "consumer partita  ok",
    ]
    assert by_url.stdout == b"ok: consumer partita has 4 partitions\n"
    assert json.loads(by_variable.stdout)["healthy"] is True


def test_an_unhealthy_worker_is_told_with_its_reason_and_ends_with_8(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The part in trouble is named; a probe that is not concerned says yes."""
    with running(folder, "run", "shop:router", "--health-port", "0", "--feed", "orders=orders.txt") as worker:
        port, code, deadline = port_of(worker), 0, time.monotonic() + DEADLINE
        while code == 0 and time.monotonic() < deadline:
            time.sleep(0.02)
            capsys.readouterr()
            code = main(["health", "--port", port])
        told = capsys.readouterr().out
        live = main(["health", "--port", port, "--probe", "live", "--json"])

    assert code == 8
    assert "is NOT healthy" in told
    assert "in charge: ValueError" in told
    assert (live, json.loads(capsys.readouterr().out)["healthy"]) == (0, True)


def test_a_worker_that_is_gone_ends_with_9(tmp_path: Path) -> None:
    """One paragraph that says where none answers and how one would."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    done = run(tmp_path, "health", "--port", str(port))

    assert done.returncode == 9
    assert f"no worker answers at http://127.0.0.1:{port} (Connection refused)" in paragraph(done)


def test_a_worker_that_hangs_ends_with_9_after_the_timeout(capsys: pytest.CaptureFixture[str]) -> None:
    """Its socket takes the request; its event loop does not turn."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = main(["health", "--url", f"http://127.0.0.1:{server.getsockname()[1]}", "--timeout", "0.1"])

    assert code == 9
    assert "gave no answer within 0.1 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\n\r\nok\n", b"HTTP/1.1 200 OK\r\n\r\n{}"]
)
def test_something_else_at_the_port_is_no_worker(answer: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever it says, it is not healthy."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(4096)
                client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        code = main(["health", "--port", str(server.getsockname()[1])])
        thread.join()

    assert code == 9
    assert "worker: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "--port N or --url URL"),
        (["--url", "https://127.0.0.1:1"], "http://HOST:PORT"),
        (["--url", "127.0.0.1:8080"], "http://HOST:PORT"),
        (["--url", "http://:8080"], "http://HOST:PORT"),
        (["--url", "http://a:99999"], "http://HOST:PORT"),
    ],
)
def test_a_command_that_names_no_worker_ends_with_2(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to write instead."""
    code = main(["health", *arguments])

    assert code == 2
    assert told in capsys.readouterr().err


def test_a_red_part_is_told_with_its_reason_and_for_how_long() -> None:
    """In capitals, to be seen at a glance."""
    ok, red = (
        {"healthy": True, "reason": "", "since": 0.0},
        {"healthy": False, "reason": "away", "since": 12.7},
    )
    told = {"healthy": False, "live": ok, "ready": red, "started": ok, "parts": {"broker": red}}

    assert list(lines("http://x:1", read("", json.dumps(told)))) == [
        "the worker at http://x:1 is NOT healthy",
        "live     ok",
        "ready    NO: away, for 13 s",
        "started  ok",
        "broker   NO: away, for 13 s",
    ]
