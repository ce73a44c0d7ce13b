"""
What a process of a pool does: import one handler by name, call it for each message, send back what came.

It is started with `python -c`, reads frames (`core.frames`) from a socket that it inherits, and ends when
it is told so. When the other end is gone, it ends at once, in mid-handler too: an orphan must not go on.
"""

import mmap
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from queue import SimpleQueue

from partita.addresses import Address
from partita.backends.memory.records import MemoryReader, MemoryRecord
from partita.calls import bind_handler
from partita.codecs.codec import payload_of_result
from partita.core.failures import pack_error
from partita.core.frames import LENGTH, Field, Kind, answer, message_of, parcels, report
from partita.core.health import describe
from partita.core.ports import Outgoing, Receipt
from partita.handlers import Call, plan_handler
from partita.message import Scope

REPORT_NS, LATE_SECONDS = 1_000_000, 0.002
BOARD_BYTES = 16


class Child:
    """
    One process.

    Args:
        given: "socket" and "board", inherited descriptors; "module" and "name" of the handler; "results",
            whether what it returns is wanted.
    """

    def __init__(self, given: Mapping[str, object]) -> None:
        self._given = given
        self._socket = socket.socket(fileno=_number(given, "socket"))
        # How many messages have ended, and when the one in hand was begun, in ns; 0: none is. It can be
        # read when this process is dead, and so tells which message it died of.
        self._board = memoryview(mmap.mmap(_number(given, "board"), BOARD_BYTES)).cast("Q")
        self._inbox: SimpleQueue[bytes] = SimpleQueue()
        self._answers: list[bytes] = []
        self._began = 0
        self._sending = threading.Lock()
        self._held = threading.Lock()
        self._held.acquire()

    def run(self) -> None:
        """Serve until told to end."""
        for number in (signal.SIGINT, signal.SIGTERM):
            # Ctrl-C reaches the whole terminal, and a stop the whole service: the process that handed the
            # messages over drains, and ends this one after that. Not SIG_IGN, which what a handler starts
            # would inherit.
            signal.signal(number, lambda number, frame: None)
        try:
            call = self._call()
        # Whatever the import raised, a SystemExit too: it is told, and then this process ends.
        except BaseException as error:  # noqa: BLE001
            self._send(0, [answer(Kind.REFUSED, describe(error).encode())])
            return
        self._send(0, [answer(Kind.READY)])
        for job in (self._read, self._tell_late):
            threading.Thread(target=_vital, args=(job,), daemon=True).start()
        while batch := self._inbox.get():
            self._handle(call, batch)

    def _call(self) -> Call:
        function = Address(str(self._given["module"]), str(self._given["name"])).find()
        if not callable(function):
            raise TypeError("it is no function here")
        return bind_handler(plan_handler(function), MemoryReader(), Scope("", None, _publish), None)

    def _read(self) -> None:
        while (header := self._exactly(LENGTH.size)) != LENGTH.pack(0):
            self._inbox.put(self._exactly(LENGTH.unpack(header)[0]))
        self._inbox.put(b"")

    def _exactly(self, length: int) -> bytes:
        data = bytearray()
        while len(data) < length:
            part = self._socket.recv(min(length - len(data), 1 << 20))
            if not part:
                os._exit(1)
            data += part
        return bytes(data)

    def _handle(self, call: Call, batch: bytes) -> None:
        began = self._began = time.monotonic_ns()
        for fields in parcels(batch):
            self._board[1] = began
            answered = self._answer(call, fields)
            self._board[1] = 0
            self._board[0] += 1
            began = time.monotonic_ns()
            with self._sending:
                self._answers.append(answered)
            # What took long is told at once, and quick ones together.
            if began - self._began > REPORT_NS:
                self._tell()
            elif self._held.locked():
                self._held.release()
        self._tell()

    def _tell(self) -> None:
        with self._sending:
            answers, self._answers = self._answers, []
            # The message that is in hand is not among them, nor is its time.
            now = self._board[1] or time.monotonic_ns()
            if answers:
                self._send(now - self._began, answers)
            self._began = now

    def _tell_late(self) -> None:
        """Tell of quick messages when the one behind them takes long."""
        while self._held.acquire():
            time.sleep(LATE_SECONDS)
            self._tell()

    def _answer(self, call: Call, fields: list[Field]) -> bytes:
        try:
            result = _result(call, fields)
            if sys.stdout is not None:
                sys.stdout.flush()  # what was printed must not wait in a buffer that a kill would take
            if not self._given["results"] or result is None:
                return answer(Kind.DONE)
            if (payload := payload_of_result(result)) is not None:
                return answer(Kind.RESULT, payload)
            raise TypeError(
                f"{self._given['name']} returned {type(result).__name__}; a route with to= and "
                "run='process' publishes bytes, a value of a class with a codec, or nothing for None"
            )
        # A barrier: whatever a handler raises is its message's outcome.
        except BaseException as error:  # noqa: BLE001
            return answer(Kind.FAILED, pack_error(error, traceback.format_exc()))

    def _send(self, spent_ns: int, answers: list[bytes]) -> None:
        try:
            self._socket.sendall(report(spent_ns // 1000, answers))
        except OSError:
            os._exit(1)  # the other end is gone


def _vital(job: Callable[[], None]) -> None:
    """Without what this thread does the messages in hand would wait for ever, so the process ends with it."""
    try:
        job()
    except Exception:  # noqa: BLE001 - told, and what was in hand is handed to another process
        traceback.print_exc()
        os._exit(1)


def _number(given: Mapping[str, object], name: str) -> int:
    return int(str(given[name]))


def _result(call: Call, fields: list[Field]) -> object:
    """What the handler returns: its call is a coroutine that has nothing to wait for."""
    alone = len(fields) == 1
    record = MemoryRecord("", 0, 0, 0, None, fields[0], ()) if alone else MemoryRecord(*message_of(fields))
    running = call(record, 1).__await__()
    try:
        next(running)
    except StopIteration as end:
        return end.value
    running.close()
    raise TypeError("the handler awaits something; run='process' is for a plain def")


async def _publish(topic: str, message: Outgoing) -> Receipt:
    raise RuntimeError("no handler in a process of its own has a Context to publish with")


def main(given: Mapping[str, object]) -> None:
    """Be a process of a pool."""
    Child(given).run()
