"""
A worker's endpoint while its broker is frozen, and killed; `python -m tests.chaos.endpoint_outages`.

Health and readiness are red in time and green again by themselves, liveness is never red, the process costs
next to nothing meanwhile, and it has as many connections as one without an endpoint. Takes about two minutes.
"""

import json
import os
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.brokers import Server, running
from tests.workers.running import running as worker_running

MODULE = """
from partita import Router

router = Router()

@router.handler("orders")
async def handle(order: bytes) -> None:
    pass
"""
RED_WITHIN, GREEN_WITHIN = 15.0, 20.0  # seconds: the timeout of 10 and 5 more; and what a rejoin may take
DOWN, SETTLED = 20.0, 12.0
MOST_CPU = 0.05
TICKS = os.sysconf("SC_CLK_TCK")


def get(url: str) -> int:
    """The status of a page."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def until(url: str, status: int, within: float) -> float:
    """Seconds until a page has this status."""
    begun = time.monotonic()
    while get(url) != status:
        assert time.monotonic() - begun < within, f"{url} is not {status} within {within:g} s"
        time.sleep(0.05)
    return time.monotonic() - begun


def cpu(pid: int) -> float:
    """Seconds of CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def connections(pid: int, port: int) -> int:
    """Connections of a process to a port of this machine."""
    inodes = {os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink()}
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return len([r for r in rows if r[2].endswith(f":{port:04X}") and f"socket:[{r[9]}]" in inodes])


@contextmanager
def worker(folder: Path, url: str, *flags: str) -> Iterator[tuple[int, str]]:
    """A worker's process id and the URL of its endpoint, "" if it has none."""
    arguments = ("run", "shop:router", "--bus", url, "--group", "outages", "--create-topics", *flags)
    with worker_running(folder, *arguments) as started:
        started.says("assigned" if url.startswith("kafka") else "start ")
        where = started.says("health   http://").split()[1] if flags else ""
        yield started.process.pid, where


def outage(server: Server, pid: int, url: str, away: str, back: str) -> None:
    """Take the broker away, look, and bring it back."""
    until(f"{url}/health", 200, GREEN_WITHIN)
    getattr(server, away)()
    red = until(f"{url}/health", 503, RED_WITHIN)
    unready = until(f"{url}/readyz", 503, RED_WITHIN)
    begun, used = time.monotonic(), cpu(pid)
    while time.monotonic() - begun < DOWN:
        assert get(f"{url}/livez") == 200, "liveness asks the broker"
        assert get(f"{url}/health") == 503
        time.sleep(0.5)
    share = (cpu(pid) - used) / (time.monotonic() - begun)
    getattr(server, back)()
    green = until(f"{url}/health", 200, GREEN_WITHIN)
    ready = until(f"{url}/readyz", 200, GREEN_WITHIN)
    assert get(f"{url}/livez") == 200
    print(
        f"{away}: red after {red:.1f} s, unready {unready:.1f} s later, {share:.1%} CPU meanwhile, "
        f"green {green:.1f} s after {back}, ready {ready:.1f} s later",
        flush=True,
    )
    assert share < MOST_CPU, f"{share:.1%} of a CPU while the broker is away"


def scenario(kind: str, folder: Path) -> None:
    """All of it on one kind of broker."""
    (folder / "shop.py").write_text(MODULE)
    with running(kind, folder / "data") as server:
        address, port = f"{kind}://{server.address}", int(server.address.rpartition(":")[2])
        with worker(folder, address) as (pid, _):
            time.sleep(SETTLED)
            without = connections(pid, port)
        with worker(folder, address, "--health-port", "0") as (pid, url):
            begun = time.monotonic()
            while time.monotonic() - begun < SETTLED:
                for page in ("health", "backlog", "metrics"):
                    get(f"{url}/{page}")
                time.sleep(0.05)
            print(f"{kind}: {without} connections without an endpoint, {connections(pid, port)} with one")
            assert connections(pid, port) == without
            outage(server, pid, url, "freeze", "thaw")
            outage(server, pid, url, "kill", "start")
            with urllib.request.urlopen(f"{url}/health") as answer:
                assert json.load(answer)["healthy"]


def main() -> None:
    """Run it on each."""
    for kind in ("kafka", "nats"):
        with tempfile.TemporaryDirectory() as folder:
            scenario(kind, Path(folder))


if __name__ == "__main__":
    main()
