"""`worker run` from its banner to its exit code, and what it does to bytes."""

import asyncio
import json
import shlex
import subprocess
import uuid
from pathlib import Path

import pytest
from tests.workers.running import command, run, running

from partita import open_bus

LINES = {
    "empty": b"",
    "one newline": b"\n",
    "no newline at the end": b"one\ntwo",
    "blank lines": b"\n\none\n\n",
    "carriage returns": b"one\r\ntwo\r\n",
    "nul bytes": b"a\x00b\n\x00\n",
    "not utf-8": b"\xff\xfe\n\x80abc\n",
    "900 KB": b"x" * 900_000 + b"\nshort\n",
}
COLLECTS = """
import os, sys
from partita import Router

router = Router()

@router.handler(os.environ.get("TOPIC", "lines"))
async def collect(line: bytes) -> None:
    with open("collected", "ab") as file:
        file.write(repr(line).encode() + b"\\n")
"""
SHOP = """
from partita import Retry, Router

router = Router()

@router.handler("orders", retry=Retry(attempts=2, backoff=0.01))
async def charge(order: bytes) -> None:
    int(order)
"""


def collected(folder: Path) -> list[str]:
    """What the handler was given, sorted."""
    file = folder / "collected"
    return sorted(file.read_text().splitlines()) if file.exists() else []


def expected(content: bytes) -> list[str]:
    """The lines of a file, sorted: what the handler is to be given."""
    lines = content.split(b"\n")
    return sorted(map(repr, lines[:-1] if lines[-1] == b"" else lines))


@pytest.mark.parametrize("content", LINES.values(), ids=LINES.keys())
def test_lines_are_fed_byte_for_byte_on_memory(content: bytes, tmp_path: Path) -> None:
    """Every line arrives as it stands in the file, without its newline and nothing else."""
    (tmp_path / "collects.py").write_text(COLLECTS)
    (tmp_path / "lines.bin").write_bytes(content)

    done = run(tmp_path, "run", "collects:router", "--feed", "lines=lines.bin", "--burst")

    assert done.returncode == 0, done.stderr
    assert expected(content) == collected(tmp_path)
    assert f"handled {len(expected(content))}, failed 0".encode() in done.stdout


@pytest.mark.parametrize("broker", ["kafka", "nats"])
def test_lines_are_published_byte_for_byte_on_brokers(
    broker: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`worker publish` and `worker run` together lose and change no byte, on each broker."""
    topic, content = f"bytes.{uuid.uuid4().hex[:8]}", b"".join(LINES.values())
    monkeypatch.setenv("TOPIC", topic)
    bus = ("--bus", f"{broker}://{request.getfixturevalue(broker)}")
    (tmp_path / "collects.py").write_text(COLLECTS)

    made = run(tmp_path, "topics", "create", topic, *bus)
    published = run(tmp_path, "publish", topic, *bus, given=content)
    done = run(tmp_path, "run", "collects:router", *bus, "--group", topic, "--burst")

    assert [0, 0, 0] == [made.returncode, published.returncode, done.returncode], done.stderr
    assert expected(content) == collected(tmp_path)


@pytest.mark.parametrize("broker", ["kafka", "nats"])
def test_a_line_above_the_limit_is_refused_by_name_and_the_rest_goes(
    broker: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The line's number, its size and the limit are told, both others arrive, and the exit code is 7."""
    topic = f"large.{uuid.uuid4().hex[:8]}"
    bus = ("--bus", f"{broker}://{request.getfixturevalue(broker)}")
    run(tmp_path, "topics", "create", topic, *bus)

    published = run(tmp_path, "publish", topic, *bus, given=b"first\n" + b"x" * 5_000_000 + b"\nlast\n")
    tailed = run(tmp_path, "tail", topic, *bus, "--from-beginning", "--max", "2")

    told = published.stderr.decode()
    assert (7, True, True) == (published.returncode, "line 2" in told, "above the limit" in told), told
    assert sorted(tailed.stdout.splitlines()) == [b"first", b"last"]


def test_a_parked_message_ends_a_burst_with_7_and_its_place(tmp_path: Path) -> None:
    """The list names topic, partition, offset, handler and error."""
    (tmp_path / "shop.py").write_text(SHOP)

    done = run(tmp_path, "run", "shop:router", "--feed", "orders=-", "--burst", given=b"7\nseven\n8\n")

    assert done.returncode == 7, done.stderr
    assert b"failed 1" in done.stdout
    assert b"parked orders/" in done.stdout
    assert b"in charge: ValueError" in done.stdout


def test_the_banner_says_what_runs_and_how(tmp_path: Path) -> None:
    """Bus, group, routes with concurrency and order, start position, loop, tracing and why."""
    (tmp_path / "shop.py").write_text(SHOP)

    done = run(tmp_path, "run", "shop:router", "--group", "cashier", "--burst")

    banner = done.stdout.decode().splitlines()[:6]
    assert banner[:4] == [
        "bus      memory://",
        "group    cashier",
        "routes   orders -> charge (concurrency 64, order partition, inline)",
        "start    earliest, where nothing was committed yet",
    ]
    assert banner[4] in ("loop     asyncio", "loop     uvloop")
    assert banner[5] == "tracing  off: no OTEL_EXPORTER_OTLP_ENDPOINT, no --trace"


def test_json_logs_are_one_object_a_line(tmp_path: Path) -> None:
    """Standard error holds JSON only, each with time, level, logger and event."""
    (tmp_path / "shop.py").write_text(SHOP)
    feed = ("--feed", "orders=-", "--burst", "--log-format", "json")

    done = run(tmp_path, "run", "shop:router", *feed, given=b"seven\n")

    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert lines
    assert all({"time", "level", "logger", "event"} <= set(line) for line in lines)
    assert any(line["level"] == "error" and "parked" in line["event"] for line in lines)


def test_a_feed_while_running_goes_on_after_the_file(tmp_path: Path) -> None:
    """Without --burst the worker handles what is fed and stays."""
    (tmp_path / "collects.py").write_text(COLLECTS + "    print('got', line.decode(), flush=True)\n")
    (tmp_path / "lines").write_text("one\ntwo\n")

    with running(tmp_path, "run", "collects:router", "--feed", "lines=lines") as worker:
        worker.says("got one")
        worker.says("got two")
        still_running = worker.process.poll() is None

    assert still_running


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (("--feed", "lines=missing.txt"), 2, "missing.txt"),
        (("--bus", "kafka://127.0.0.1:1", "--group", "g"), 3, "worker broker up kafka"),
        (("--bus", "nats://127.0.0.1:1", "--group", "g"), 3, "worker broker up nats"),
        (("--bus", "rabbit://127.0.0.1"), 4, "memory"),
        (("--bus", "memory://?partition=3"), 4, "did you mean 'partitions'"),
    ],
)
def test_what_cannot_be_run_is_told_in_one_paragraph(
    flags: tuple[str, ...], code: int, said: str, tmp_path: Path
) -> None:
    """Its exit code, a sentence that says what to do, and no traceback."""
    (tmp_path / "shop.py").write_text(SHOP)

    done = run(tmp_path, "run", "shop:router", "--burst", *flags)

    told = done.stderr.decode()
    assert (code, True) == (done.returncode, said in told), told
    assert "Traceback" not in told


def test_a_group_is_required_on_a_broker(nats: str, tmp_path: Path) -> None:
    """Without --group the exit code is 4, and nothing is consumed."""
    (tmp_path / "shop.py").write_text(SHOP)

    done = run(tmp_path, "run", "shop:router", "--bus", f"nats://{nats}", "--create-topics", "--burst")

    assert (4, b"") == (done.returncode, done.stdout)
    assert b"name a consumer group" in done.stderr


async def make(address: str, topic: str) -> None:
    """Make a topic."""
    async with open_bus(address) as bus:
        await bus.create_topic(topic)


def test_a_topic_for_dead_letters_is_told_when_it_is_missing_and_made_when_asked_for(
    nats: str, tmp_path: Path
) -> None:
    """Messages may do without it, so its absence stops no worker; what would go there is parked meanwhile."""
    orders, bus = f"orders.{uuid.uuid4().hex[:8]}", ("--bus", f"nats://{nats}")
    shop = SHOP.replace('"orders", ', f'"{orders}", dead_letter="{orders}.dlq", ')
    (tmp_path / "shop.py").write_text(shop)
    (tmp_path / "orders.txt").write_text("seven\n")
    asyncio.run(make(f"nats://{nats}", orders))

    flags = (*bus, "--group", orders, "--burst")
    checked = run(tmp_path, "check", "shop:router", *bus, "--group", orders)
    told = run(tmp_path, "run", "shop:router", *flags, "--feed", f"{orders}=orders.txt")
    made = run(tmp_path, "run", "shop:router", *flags, "--create-topics")

    assert (checked.returncode, f"missing  {orders}.dlq".encode() in checked.stdout) == (2, True)
    assert (told.returncode, f"missing  {orders}.dlq: ".encode() in told.stdout) == (7, True)
    assert f"created  {orders}.dlq with 4 partitions".encode() in made.stdout
    assert (b"\nparked " in told.stdout, b"\nparked " in made.stdout) == (True, False)


@pytest.mark.parametrize("end", ["0>&-", ">&-", "<&- >&- 2>&-", "| true"])
def test_a_worker_without_standard_streams_does_its_work_and_tells_by_its_code(
    end: str, tmp_path: Path
) -> None:
    """Whoever starts it without them, such as a daemon, or reads one line of what it prints."""
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "orders.txt").write_text("7\nseven\n")
    worker = shlex.join(command("run", "shop:router", "--feed", "orders=orders.txt", "--burst"))
    script = f"{worker} {end}; exit ${{PIPESTATUS[0]}}"

    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, check=False)

    assert done.returncode == 7
