"""
A host: starts its processes, hears from them, and passes on to them what it is asked.

It handles no messages and imports no handler, so nothing that a handler does can end it.
"""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from socket import socket

import attrs

from partita_worker.endpoint.server import Place, Server
from partita_worker.host.fleet import Finish, Fleet, Order, Start, State, Stop, Tell
from partita_worker.host.link import MOST_BYTES, VARIABLE, pair
from partita_worker.host.pages import HostPages
from partita_worker.host.reports import Reports
from partita_worker.systemd import Notifier

LAST_SECONDS = 2.0


@attrs.frozen
class HostSettings:
    """
    What a host was asked to do.

    Args:
        arguments: the command line, which each process is started with as well.
        processes: how many.
        burst: each ends by itself when everything is handled.
        health: where health and metrics are answered; None: nowhere.
    """

    arguments: Sequence[str]
    processes: int
    burst: bool = False
    health: Place | None = None


class Host:
    """
    Several worker processes as one.

    Args:
        settings: what to do.
        say: prints a line.
        notifier: tells systemd.
    """

    def __init__(self, settings: HostSettings, say: Callable[[str], None], notifier: Notifier) -> None:
        self._settings, self._say, self._notifier = settings, say, notifier
        self._fleet = Fleet(settings.processes, burst=settings.burst)
        self._reports = Reports(settings.processes)
        self._running: dict[int, Process] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._finished: asyncio.Future[int]
        self._signalled, self._second = False, 0
        self._terminal = _has_terminal()

    def run(self) -> int:
        """
        Run to the end; returns the exit code.

        Raises:
            SettingRefused: the health endpoint cannot listen where it was asked to.
        """
        return asyncio.run(self._main())

    async def _main(self) -> int:
        loop = asyncio.get_running_loop()
        self._finished = loop.create_future()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        loop.add_signal_handler(signal.SIGUSR1, self._tell_all)
        if self._settings.health is None:
            return await self._serve()
        async with Server(self._settings.health, HostPages(self._reports).respond) as server:
            self._say(f"health   {server.url}")
            return await self._serve()

    async def _serve(self) -> int:
        self._say(f"host     {self._settings.processes} processes, this one is {os.getpid()}")
        notifying = asyncio.create_task(self._notifier.run(lambda: self._reports.standing))
        self._follow(self._fleet.begin())
        try:
            code = await self._finished
        finally:
            notifying.cancel()
            for process in self._running.values():
                process.kill()
        handled, failed = self._reports.summary
        self._say(f"handled {handled}, failed {failed}, by all processes")
        return code

    def _follow(self, orders: Sequence[Order]) -> None:
        for order in orders:
            match order:
                case Start():
                    asyncio.get_running_loop().call_later(order.wait, self._start, order.number)
                case Stop():
                    self._send(order.number, signal.SIGTERM)
                case Tell():
                    self._say(order.text)
                case Finish() if not self._finished.done():
                    self._finished.set_result(self._second or order.code)

    def _start(self, number: int) -> None:
        # All may have been asked to end while it waited for its turn.
        if self._fleet.slots[number].state is State.DUE:
            self._fleet.started(number)
            task = asyncio.get_running_loop().create_task(self._live(number))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _live(self, number: int) -> None:
        """The life of one process."""
        ours, theirs, link = pair(number, self._settings.processes, figures=self._settings.health is not None)
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "partita_worker", *self._settings.arguments),
                stdin=None if number == 0 else asyncio.subprocess.DEVNULL,
                env={**os.environ, VARIABLE: link, "NOTIFY_SOCKET": ""},
                pass_fds=[theirs.fileno()],
                # Ctrl-C at a terminal goes to all of its group; the host alone passes it on, once.
                start_new_session=True,
            )
        except OSError as error:
            self._say(f"process {number} cannot be started: {error}")
            ours.close()
            self._follow(self._fleet.ended(number, 1, time.monotonic()))
            return
        finally:
            theirs.close()
        self._running[number] = process
        if self._fleet.slots[number].state is State.STOPPING:
            # It was asked to end before it was there.
            self._send(number, signal.SIGTERM)
        await self._hear(number, ours)
        code = await process.wait()
        del self._running[number]
        self._reports.ended(number)
        self._follow(self._fleet.ended(number, code, time.monotonic()))

    async def _hear(self, number: int, end: socket) -> None:
        """Take its reports until it has ended, and what it started no longer holds the line."""
        reader, writer = await asyncio.open_connection(sock=end, limit=MOST_BYTES)
        try:
            while line := await reader.readline():
                report = self._reports.take(number, line)
                if report["open"]:
                    self._follow(self._fleet.greeted(number))
                if report["ready"][0]:
                    self._follow(self._fleet.ready(number))
        except (OSError, ValueError) as error:
            self._say(f"process {number} cannot be understood any more: {error}")
            self._send(number, signal.SIGTERM)
        finally:
            writer.close()

    def _send(self, number: int, signalled: signal.Signals) -> None:
        process = self._running.get(number)
        if process is not None and process.returncode is None:
            process.send_signal(signalled)

    def _asked_to_stop(self, number: signal.Signals) -> None:
        if self._signalled:
            self._second = 128 + number
            for each in self._running:
                self._send(each, number)
            # They end at once by it; one that does not is killed with the host's end.
            asyncio.get_running_loop().call_later(LAST_SECONDS, self._give_up)
            return
        self._signalled = True
        self._say(f"{number.name}: all processes finish what is in hand; once more ends them at once")
        self._notifier.stopping()
        self._follow(self._fleet.stop())

    def _give_up(self) -> None:
        if not self._finished.done():
            self._finished.set_result(self._second)

    def _hung_up(self) -> None:
        if self._terminal and not _has_terminal():
            self._asked_to_stop(signal.SIGTERM)
            return
        self._follow(self._fleet.roll())

    def _tell_all(self) -> None:
        """What each process is at; they tell the rest themselves."""
        for number, slot in enumerate(self._fleet.slots):
            process = self._running.get(number)
            where = f"pid {process.pid}" if process is not None else "no process"
            self._say(f"process {number}: {slot.state.value}, {where}, {slot.restarts} restarts")
            self._send(number, signal.SIGUSR1)


def _has_terminal() -> bool:
    """Whether a terminal controls this process. When it is closed, SIGHUP means that, and no restart."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False  # which is the answer
    return True
