"""`worker status`, `top`, `pause`, `resume` and `skip` on a worker that runs."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.workers.running import DEADLINE, Running, run, running

MODULE = """
import os
from partita import Retry, Router

router = Router(retry=Retry(attempts=1))

@router.handler("orders", order="key")
async def handle(order: bytes) -> None:
    if order == b"s3cret" and not os.path.exists("mended"):
        raise ValueError("cannot")
    print("handled", order.decode(), flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a router, and one message that it cannot handle."""
    (tmp_path / "orders.py").write_text(MODULE)
    (tmp_path / "lines.txt").write_text("s3cret\n")
    return tmp_path


@pytest.fixture
def worker(folder: Path) -> Iterator[Running]:
    """A worker whose message is parked."""
    environ = {"XDG_RUNTIME_DIR": str(folder)}
    with running(folder, "run", "orders:router", "--feed", "orders=lines.txt", environ=environ) as started:
        started.says("parked orders/")
        yield started


def asked(folder: Path, *words: str) -> tuple[int, str, str]:
    """What a command says."""
    done = run(folder, *words, environ={"XDG_RUNTIME_DIR": str(folder)})
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def parked_at(folder: Path) -> str:
    """Where the parked message is, as the status tells it."""
    deadline = time.monotonic() + DEADLINE
    while True:
        _, text, _ = asked(folder, "status", "--json")
        rows = [
            row for each in json.loads(text) for group in each["consumers"] for row in group["partitions"]
        ]
        for row in rows:
            if row["state"] == "parked":
                return str(row["detail"]).split()[0]
        assert time.monotonic() < deadline


def test_a_worker_is_looked_into_and_a_message_of_it_given_up(folder: Path, worker: Running) -> None:
    """The tree names states and figures and nothing of a message; what is done is told by both sides."""
    place = parked_at(folder)
    partition = place.partition("@")[0]

    code, tree, _ = asked(folder, "status")
    refused = asked(folder, "skip", f"{partition}@99")
    skipped = asked(folder, "skip", place)
    paused = asked(folder, "pause", partition)
    once = asked(folder, "top", "--once", "--json", "--interval", "0.1")
    resumed = asked(folder, "resume", partition)
    elsewhere = asked(folder, "pause", "nothing/0")
    worker.send(signal.SIGTERM)

    assert code == 0
    assert f"└─ {partition}" in tree or f"├─ {partition}" in tree
    assert f"parked ({place} in handle: ValueError: cannot)" in tree
    assert "s3cret" not in tree
    assert (2, "") == refused[:2]
    assert f"no message is parked at {partition}@99" in refused[2]
    assert (0, f"gave up {place} in handle: ValueError: cannot\n") == skipped[:2]
    assert (0, f"paused {partition}\n") == paused[:2]
    assert [row["state"] for row in _rows(once[1]) if f"{row['topic']}/{row['partition']}" == partition] == [
        "paused"
    ]
    assert (0, f"resumed {partition}, 0 parked tried again\n") == resumed[:2]
    assert elsewhere[0] == 2
    assert worker.ends() == 0
    assert asked(folder, "status")[0] == 9


def _rows(text: str) -> list[dict[str, object]]:
    told = json.loads(text)
    return [row for each in told["workers"] for group in each["consumers"] for row in group["partitions"]]


def test_a_parked_message_is_tried_again_when_somebody_says_so(folder: Path, worker: Running) -> None:
    """And not a minute later."""
    place = parked_at(folder)
    (folder / "mended").touch()

    code, told, _ = asked(folder, "resume", place)
    worker.says("handled s3cret")

    assert (code, told) == (0, f"resumed {place.partition('@')[0]}, 1 parked tried again\n")


@pytest.mark.parametrize("words", [("pause", "orders/0@1"), ("skip", "orders/0"), ("resume", "orders")])
def test_a_place_that_cannot_be_is_refused_as_usage(folder: Path, words: tuple[str, str]) -> None:
    """Before any worker is asked."""
    assert asked(folder, *words)[0] == 2


def test_a_worker_without_a_socket_cannot_be_asked(folder: Path) -> None:
    """`off` is off."""
    environ = {"XDG_RUNTIME_DIR": str(folder), "PARTITA_CONTROL_SOCKET": "off"}
    with running(folder, "run", "orders:router", environ=environ) as worker:
        worker.says("start")

        assert asked(folder, "status")[0] == 9


def test_several_workers_are_told_apart_by_their_sockets(folder: Path) -> None:
    """Whoever names none is told which there are."""
    environ = {"XDG_RUNTIME_DIR": str(folder)}
    command = ["run", "orders:router"]
    with running(folder, *command, environ=environ) as one, running(folder, *command, environ=environ) as two:
        for each in (one, two):
            each.says("start")
        code, _, told = asked(folder, "status")
        named = asked(
            folder, "status", "--control-socket", str(folder / "partita" / f"{one.process.pid}.sock")
        )

    assert code == 9
    assert "say which with --control-socket" in told
    assert named[0] == 0
    assert f"process {one.process.pid}" in named[1]
