"""What SIGTERM and SIGINT do to a worker."""

import signal
from pathlib import Path

import pytest
from tests.workers.running import running

HANGS = """
import asyncio, sys, time
from partita import Router

router = Router()

@router.handler("orders")
{kind} hang(order: bytes) -> None:
    print("in hand", flush=True)
    {wait}
"""
KINDS = {
    "async": ("async def", "await asyncio.sleep(3600)"),
    "thread": ("def", "time.sleep(3600)"),
    "stubborn": ("async def", "\n    ".join([
        "while True:",
        "    try:",
        "        await asyncio.sleep(3600)",
        "    except asyncio.CancelledError:",
        "        break",
    ])),
    "blocked": ("async def", "time.sleep(3600)"),
}  # fmt: skip
FLAGS = ("run", "hangs:router", "--feed", "orders=orders.txt")


def folder_with(kind: str, folder: Path) -> Path:
    """A folder with a module whose handler never ends, and one message for it."""
    keyword, wait = KINDS[kind]
    (folder / "hangs.py").write_text(HANGS.format(kind=keyword, wait=wait))
    (folder / "orders.txt").write_text("one\n")
    return folder


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_ends_an_idle_worker_with_0(number: signal.Signals, tmp_path: Path) -> None:
    """It says what the second one does, leaves, prints its summary and exits 0."""
    (tmp_path / "idle.py").write_text(
        "from partita import Router\nrouter = Router()\n"
        "@router.handler('orders')\nasync def handle(order: bytes) -> None: print('handled', flush=True)\n"
    )
    (tmp_path / "orders.txt").write_text("one\n")

    with running(tmp_path, "run", "idle:router", "--feed", "orders=orders.txt") as worker:
        worker.says("handled")
        worker.send(number)
        told = worker.says(number.name)
        summary = worker.says("handled 1, failed 0")
        code = worker.ends()

    assert "once more ends at once" in told
    assert (0, True) == (code, summary.startswith("handled 1"))


@pytest.mark.parametrize("kind", ["async", "thread", "stubborn"])
def test_a_handler_that_does_not_end_is_left_at_the_deadline_with_5(kind: str, tmp_path: Path) -> None:
    """The drain timeout passes, the message counts as abandoned, and the exit code is 5."""
    folder = folder_with(kind, tmp_path)

    with running(folder, *FLAGS, "--drain-timeout", "0.2") as worker:
        worker.says("in hand")
        worker.send(signal.SIGTERM)
        worker.says("abandoned 1")
        code = worker.ends()

    assert code == 5


@pytest.mark.parametrize("kind", ["async", "thread", "blocked"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_second_signal_ends_at_once(kind: str, number: signal.Signals, tmp_path: Path) -> None:
    """128 plus the signal's number, also while a handler blocks the event loop."""
    folder = folder_with(kind, tmp_path)

    with running(folder, *FLAGS) as worker:
        worker.says("in hand")
        worker.send(number)
        worker.says(number.name)
        worker.send(number)
        code = worker.ends()

    assert code == 128 + number


def test_a_second_signal_commits_nothing_more(kafka: str, tmp_path: Path) -> None:
    """The message in hand is there for the next worker of the group."""
    folder = folder_with("async", tmp_path)
    (folder / "takes.py").write_text(
        "from partita import Router\nrouter = Router()\n"
        "@router.handler('orders.second')\n"
        "async def take(order: bytes) -> None: print('took', order.decode())\n"
    )
    text = (folder / "hangs.py").read_text().replace('"orders"', '"orders.second"')
    (folder / "hangs.py").write_text(text)
    bus = ("--bus", f"kafka://{kafka}?session_timeout_ms=2000&heartbeat_interval_ms=300", "--group", "second")
    feed = ("--create-topics", "--feed", "orders.second=orders.txt")

    with running(folder, "run", "hangs:router", *bus, *feed) as worker:
        worker.says("in hand")
        worker.send(signal.SIGTERM)
        worker.says("SIGTERM")
        worker.send(signal.SIGTERM)
        assert worker.ends() == 143
    with running(folder, "run", "takes:router", *bus, "--burst") as worker:
        worker.says("took one")
        code = worker.ends()

    assert code == 0
