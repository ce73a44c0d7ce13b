"""`worker run --processes N` as real processes on a real broker: stopped, killed, orphaned and restarted."""

import asyncio
import os
import re
import signal
import socket
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
from tests.workers.running import DEADLINE, Running, run, running

from partita import Outgoing, open_bus

MODULE = """
import asyncio, os
from partita import Message, Router

router = Router()
log = os.open(os.environ["HANDLED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

@router.handler(os.environ["TOPIC"], order="key", concurrency=4)
async def handle(message: Message) -> None:
    os.write(log, b"%d %d %d\\n" % (os.getpid(), message.partition, message.offset))
"""


def wait_until(condition: Callable[[], object]) -> None:
    """Look again and again, for a minute at most."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)


@attrs.define
class Hosted:
    """A host under test, and what its handlers have handled."""

    host: Running
    url: str
    topic: str
    log: Path

    @property
    def handled(self) -> list[tuple[int, int, int]]:
        """Process, partition and offset of each call."""
        lines = self.log.read_text().split("\n")[:-1] if self.log.exists() else []
        return [(int(pid), int(partition), int(offset)) for pid, partition, offset in map(str.split, lines)]

    def publish(self, count: int) -> None:
        """Publish messages over all partitions."""

        async def scenario() -> None:
            async with open_bus(self.url) as bus:
                messages = [Outgoing(b"x", key=b"%d" % n, partition=n % 4) for n in range(count)]
                await bus.publish_batch(self.topic, messages)

        asyncio.run(scenario())

    def pids(self) -> dict[int, int]:
        """The process of each number, as the host tells them."""
        before = len(self.host.lines)
        self.host.send(signal.SIGUSR1)
        wait_until(lambda: len(self._told(before)) == 2)
        return self._told(before)

    def _told(self, since: int) -> dict[int, int]:
        found = [
            re.fullmatch(r"process (\d): .*, pid (\d+), \d+ restarts", e) for e in self.host.lines[since:]
        ]
        return {int(each[1]): int(each[2]) for each in found if each is not None}


@contextmanager
def hosting(url: str, folder: Path, module: str = MODULE) -> Iterator[Hosted]:
    """Two processes on a new topic of four partitions."""
    topic = f"hosted.{uuid.uuid4().hex[:10]}"
    (folder / "hosted_module.py").write_text(module)
    command = ["run", "hosted_module:router", "--bus", url, "--group", topic, "--create-topics"]
    environ = {"HANDLED": str(folder / "handled"), "TOPIC": topic, "PYTHONUNBUFFERED": "1"}
    command += ["--processes", "2", "--health-port", "0"]
    with running(folder, *command, environ=environ) as host:
        yield Hosted(host, url, topic, folder / "handled")


def read(url: str, path: str) -> tuple[int, str]:
    """One page."""
    try:
        with urllib.request.urlopen(f"{url}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and no corpse of one."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1][:3]
    except OSError:
        return False


def test_a_host_is_one_worker_in_what_it_tells_and_does(kafka: str, tmp_path: Path) -> None:
    """
    Its processes share the partitions; its endpoint adds up what they handled; one that is killed is started
    again while the other goes on; and one signal ends all in good order, nothing handled twice.
    """
    quick = f"kafka://{kafka}?session_timeout_ms=3000&heartbeat_interval_ms=500"
    with hosting(quick, tmp_path) as hosted:
        endpoint = hosted.host.says("health   http://").split()[1]
        wait_until(lambda: read(endpoint, "/readyz")[0] == 200)
        pids = hosted.pids()
        hosted.publish(400)
        wait_until(lambda: len(hosted.handled) == 400)
        wait_until(lambda: _handled(endpoint) == 400)
        first = Counter(pid for pid, _, _ in hosted.handled)

        os.kill(pids[1], signal.SIGKILL)
        hosted.host.says("process 1 ended with signal 9; it is started again in 0.5 s")
        wait_until(lambda: read(endpoint, "/readyz")[0] == 503)
        wait_until(lambda: read(endpoint, "/readyz")[0] == 200)
        again = hosted.pids()
        hosted.publish(400)
        wait_until(lambda: len({each[1:] for each in hosted.handled}) == 800)
        hosted.host.send(signal.SIGTERM)
        code = hosted.host.ends()

    assert code == 0, hosted.host.lines
    assert set(first) == {pids[0], pids[1]}
    assert again[0] == pids[0]
    assert again[1] != pids[1]
    assert not any(map(is_alive, [*pids.values(), *again.values()]))
    told = re.search(r"handled (\d+), failed 0, by all processes", "\n".join(hosted.host.lines))
    assert told is not None


def _handled(endpoint: str) -> int:
    body = read(endpoint, "/metrics")[1]
    found = re.findall(r"^partita_handled_messages_total\{[^}]*\} (\d+)$", body, re.MULTILINE)
    return sum(map(int, found))


def test_a_rolling_restart_under_load_loses_and_repeats_nothing(kafka: str, tmp_path: Path) -> None:
    """SIGHUP: one after the other drains, ends and comes back, while messages keep coming."""
    with hosting(f"kafka://{kafka}", tmp_path) as hosted:
        endpoint = hosted.host.says("health   http://").split()[1]
        wait_until(lambda: read(endpoint, "/readyz")[0] == 200)
        before = hosted.pids()
        published = 0

        hosted.host.send(signal.SIGHUP)
        while not any("process 1 restarts" in line for line in hosted.host.lines):
            hosted.publish(100)
            published += 100
        wait_until(lambda: not is_alive(before[1]))
        wait_until(lambda: read(endpoint, "/readyz")[0] == 200)
        hosted.publish(100)
        published += 100
        wait_until(lambda: len(hosted.handled) >= published)
        after = hosted.pids()
        hosted.host.send(signal.SIGTERM)
        code = hosted.host.ends()

    calls = Counter(each[1:] for each in hosted.handled)
    assert code == 0
    assert not {*before.values()} & {*after.values()}
    assert (published, 1) == (len(calls), max(calls.values()))


def test_processes_end_in_good_order_when_their_host_is_killed(nats: str, tmp_path: Path) -> None:
    """They notice that it is gone, finish what is in hand, commit, and are nobody's orphans."""
    with hosting(f"nats://{nats}", tmp_path) as hosted:
        endpoint = hosted.host.says("health   http://").split()[1]
        wait_until(lambda: read(endpoint, "/readyz")[0] == 200)
        pids = hosted.pids()

        hosted.host.send(signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, pids.values())))
        hosted.host.ends()
        wait_until(lambda: sum("SIGTERM: taking nothing new" in line for line in hosted.host.lines) == 2)


def test_a_second_signal_ends_all_at_once(nats: str, tmp_path: Path) -> None:
    """With 128 and its number, whatever their handlers do."""
    stuck = MODULE + "    await asyncio.sleep(600)\n"
    with hosting(f"nats://{nats}", tmp_path, stuck) as hosted:
        endpoint = hosted.host.says("health   http://").split()[1]
        wait_until(lambda: read(endpoint, "/readyz")[0] == 200)
        pids = hosted.pids()
        hosted.publish(4)
        wait_until(lambda: hosted.log.read_text())

        hosted.host.send(signal.SIGINT)
        hosted.host.says("SIGINT: all processes finish what is in hand")
        hosted.host.send(signal.SIGINT)
        code = hosted.host.ends()

    assert code == 128 + signal.SIGINT
    assert not any(map(is_alive, pids.values()))


def test_a_module_that_cannot_be_imported_ends_the_host_with_its_reason(nats: str, tmp_path: Path) -> None:
    """Once, and not five times."""
    (tmp_path / "broken.py").write_text("raise LookupError('no such table')\n")

    command = ["run", "broken:router", "--bus", f"nats://{nats}", "--group", "g", "--processes", "3"]

    done = run(tmp_path, *command)

    assert done.returncode == 2
    assert done.stderr.decode().count("LookupError: no such table") == 1


def test_several_processes_on_memory_are_refused(tmp_path: Path) -> None:
    """Each would have a broker of its own."""
    done = run(tmp_path, "run", "any:router", "--processes", "2")

    assert done.returncode == 2
    assert "'worker broker up kafka'" in done.stderr.decode()


def test_a_port_in_use_is_told_before_anything_is_started(nats: str, tmp_path: Path) -> None:
    """With the port, and exit code 4."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run(
            tmp_path, "run", "any:router", "--bus", f"nats://{nats}", "--group", "g",
            "--processes", "2", "--health-port", port,
        )  # fmt: skip

    assert done.returncode == 4
    assert f"port {port}" in done.stderr.decode()
