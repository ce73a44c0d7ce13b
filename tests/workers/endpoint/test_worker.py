"""The endpoint of a running worker, from its banner to its end."""

import json
import re
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tests.workers.running import DEADLINE, Running, paragraph, run, running

WAITS = """
import asyncio
from partita import Router

router = Router()

@router.handler("orders", concurrency=1)
async def wait(order: bytes) -> None:
    print("took", order.decode(), flush=True)
    while order == b"last" and not __import__("os").path.exists("go"):
        await asyncio.sleep(0.01)
"""
ENDPOINT = ("run", "waits:router", "--health-port", "0")


def url_of(worker: Running) -> str:
    """Where the banner says that the endpoint is."""
    return worker.says("health   http://").split()[1]


def get(url: str) -> tuple[int, str]:
    """Status and body of a page."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def becomes(url: str, status: int) -> str:
    """Ask for a page until it has this status; returns what it says then."""
    deadline = time.monotonic() + DEADLINE
    while (told := get(url))[0] != status:
        assert time.monotonic() < deadline, told
        time.sleep(0.01)
    return told[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a router whose handler waits with the last message until it may go on."""
    (tmp_path / "waits.py").write_text(WAITS)
    (tmp_path / "orders.txt").write_text("".join(f"{number}\n" for number in range(200)) + "last\n")
    return tmp_path


def test_a_worker_answers_from_its_start_to_the_end_of_its_drain(folder: Path) -> None:
    """Ready when it has partitions, not while it drains, alive all the time; and it still exits 0."""
    beats = ("--heartbeat-topic", "beats", "--heartbeat-interval", "0.1")
    with running(folder, *ENDPOINT, *beats, "--feed", "orders=orders.txt") as worker:
        url = url_of(worker)
        worker.says("took last")
        probes = [get(f"{url}/{path}") for path in ("livez", "readyz", "startupz")]
        report = json.loads(get(f"{url}/health")[1])
        figures = get(f"{url}/metrics")[1]
        worker.send(signal.SIGTERM)
        worker.says("SIGTERM")
        draining, alive = becomes(f"{url}/readyz", 503), get(f"{url}/livez")
        (folder / "go").touch()
        code = worker.ends()

    assert [status for status, _ in probes] == [200, 200, 200], probes
    assert probes[1][1] == "ok: consumer partita has 4 partitions\n"
    assert report["parts"]["broker"]["healthy"]
    assert report["parts"]["heartbeat"]["healthy"]
    assert re.search(r"^partita_ready 1$", figures, re.MULTILINE)
    assert draining.startswith("no: draining:")
    assert alive == (200, "ok\n")
    assert code == 0


def test_a_worker_under_attack_does_its_work(folder: Path) -> None:
    """A thousand connections that say nothing, large requests and cut ones: all messages are handled."""
    (folder / "go").touch()
    held = []

    with running(folder, *ENDPOINT, "--feed", "orders=orders.txt") as worker:
        url = url_of(worker)
        host, port = url.removeprefix("http://").split(":")
        for number in range(1_000):
            client = socket.create_connection((host, int(port)), timeout=10)
            held.append(client)
            if number % 2:
                client.sendall(b"GET /" + b"x" * (number * 10))
        worker.says("took last")
        alive = get(f"{url}/livez")
        worker.send(signal.SIGTERM)
        summary, code = worker.says("handled 201"), worker.ends()
    for client in held:
        client.close()

    assert (alive, code) == ((200, "ok\n"), 0)
    assert "failed 0" in summary


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--health-port", "{port}"), "another program listens there"),
        (("--health-port", "0", "--health-host", "192.0.2.1"), "this machine has no such address"),
        (("--health-port", "0", "--health-host", "no-such-name.invalid"), "no-such-name.invalid"),
    ],
)
def test_a_place_that_cannot_be_listened_at_ends_with_4_before_anything_is_joined(
    flags: tuple[str, ...], told: str, folder: Path
) -> None:
    """One paragraph that names the port or the address."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = run(folder, "run", "waits:router", *[each.format(port=port) for each in flags])

    assert done.returncode == 4
    assert told in paragraph(done)
    assert b"bus " not in done.stdout


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_a_port_that_is_none_is_refused(port: str, folder: Path) -> None:
    """As a flag with 2, from the environment with 4."""
    flag = run(folder, "run", "waits:router", f"--health-port={port}")
    variable = run(folder, "run", "waits:router", environ={"PARTITA_HEALTH_PORT": port})

    assert (flag.returncode, variable.returncode) == (2, 4)
    assert repr(port) in paragraph(variable)
