"""Worker processes of one group, which a test kills, freezes and asks to end."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
from tests.faults.members import QUICK, Group, group

MODULE = """
import asyncio, os, sys, time
from partita import Message, Retry, Router
from tests.faults.eventlog import FileLog

log = FileLog(os.environ["EVENTS"], os.environ["WORKER"])
router = Router()


@router.handler(os.environ["TOPIC"], {route})
async def handle(message: Message) -> None:
    log.note("start", message)
    {work}
    log.note("done", message)
"""
ROOT = Path(__file__).parents[2]  # where the module finds `tests`
ENDS = 60.0  # seconds that an end may take on a busy machine


@attrs.define
class Worker:
    """One `worker run`, and all that it has printed."""

    process: Process
    _output: "asyncio.Task[bytes]"

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    async def end(self) -> tuple[int, str]:
        """Wait for the end; its exit code and what it printed."""
        async with asyncio.timeout(ENDS):
            code = await self.process.wait()
            return code, (await self._output).decode()

    async def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        self.send(signal.SIGKILL)
        await self.end()

    async def terminate(self) -> tuple[int, str]:
        """SIGTERM, and wait for the end; its exit code and what it printed."""
        self.send(signal.SIGTERM)
        return await self.end()


async def _all_of(process: Process) -> bytes:
    return await process.stdout.read() if process.stdout else b""


class Fleet:
    """
    Workers that run one module.

    Args:
        used: the group that they join.
        folder: where the module and the log are.
        work: the statement that the handler consists of; it knows `message`, `asyncio`, `os`, `sys`, `time`.
        route: the options of its route, as source text.
    """

    def __init__(self, used: Group, folder: Path, work: str, route: str = 'order="key"') -> None:
        self._used, self._folder = used, folder
        (folder / "faulty.py").write_text(MODULE.format(work=work, route=route))
        self._workers: list[Worker] = []

    async def start(
        self, name: str, *flags: str, options: Mapping[str, str] = QUICK, output: str | None = None
    ) -> Worker:
        """
        Start a worker.

        Args:
            name: its name in the log.
            flags: of the command line.
            options: of the client.
            output: a file that it prints to; default: what it prints is kept.
        """
        query = "&".join(f"{key}={value}" for key, value in options.items())
        target = PIPE if output is None else os.open(output, os.O_WRONLY)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "partita_worker", "run", "faulty:router", *flags,
            "--bus", f"kafka://{self._used.address}?{query}", "--group", self._used.name,
            cwd=self._folder,
            env={**os.environ, **self._told(name)},
            stdout=target,
            stderr=STDOUT,
        )  # fmt: skip
        if output is not None:
            os.close(target)
        self._workers.append(Worker(process, asyncio.ensure_future(_all_of(process))))
        return self._workers[-1]

    def _told(self, name: str) -> dict[str, str]:
        path = os.pathsep.join([str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
        told = {"EVENTS": str(self._folder), "WORKER": name, "TOPIC": self._used.topic}
        return {**told, "PYTHONPATH": path.rstrip(os.pathsep)}

    async def close(self) -> None:
        """Kill what still runs."""
        for each in self._workers:
            if each.process.returncode is None:
                await each.kill()


@asynccontextmanager
async def fleet(
    address: str, folder: Path, work: str = "pass", route: str = 'order="key"', partitions: int = 4
) -> AsyncIterator[tuple[Group, Fleet]]:
    """A group, and worker processes for it; whatever still runs at the end is killed."""
    async with group(address, partitions, folder) as used:
        made = Fleet(used, folder, work, route)
        try:
            yield used, made
        finally:
            await made.close()
