"""Asking the user's own functions and files for secrets: one question at a time, each with a deadline."""

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs
from aiokafka.errors import KafkaTimeoutError

from partita.backends.kafka.calls import begin, ended
from partita.core.errors import SettingsError

Function = Callable[[], object]


class Question:
    """
    A function that is asked for a secret.

    A call that hangs is not repeated: whoever asks next waits for the same one.

    Args:
        name: what it is, for errors.
        function: plain or `async`; a plain one is called in a thread, so it may block.
        seconds: how long an answer is waited for.
    """

    def __init__(self, name: str, function: Function, seconds: float = 10.0) -> None:
        self._name, self._function, self._seconds = name, function, seconds
        self._asked: asyncio.Task[Hidden] | None = None

    async def ask(self) -> object:
        """
        What the function returns.

        Raises:
            KafkaTimeoutError: nothing in time.
            Exception: what the function raised.
        """
        asked = self._asked
        if asked is None or asked.get_loop() is not asyncio.get_running_loop():
            asked = self._asked = begin(self._call())
        if not await ended(asked, self._seconds):
            raise KafkaTimeoutError(f"{self._name} gave nothing within {self._seconds:g} s")
        if self._asked is asked:
            self._asked = None
        return asked.result().value

    async def _call(self) -> "Hidden":
        if inspect.iscoroutinefunction(self._function):
            return Hidden(await self._function())
        found = (await in_a_thread(self._function)).value
        return Hidden(await found if isinstance(found, Awaitable) else found)


@attrs.frozen
class Hidden:
    """
    A secret on its way through the loop, whose debug mode writes results of tasks and arguments of callbacks
    to the log.

    Args:
        value: the secret.
    """

    value: object = attrs.field(repr=False)


async def in_a_thread(function: Function) -> Hidden:
    """
    What a function returns that may block.

    In a thread that nobody waits for at the end of the process: one that hangs must not hold it up, as those
    of the loop's own pool would.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Hidden] = loop.create_future()

    def work() -> None:
        try:
            found, error = Hidden(function()), None
        # It is the asker's, who waits for this future; in a thread of ours nobody else would see it.
        except BaseException as raised:  # noqa: BLE001
            found, error = Hidden(None), raised
        try:
            loop.call_soon_threadsafe(_settle, answer, found, error)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    threading.Thread(target=work, name="partita-secret", daemon=True).start()
    return await answer


def _settle(answer: asyncio.Future[Hidden], found: Hidden, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(found)
    else:
        answer.set_exception(error if isinstance(error, Exception) else RuntimeError(repr(error)))


def reading(name: str, path: Path) -> Function:
    """
    A function that reads a secret from a file; a line end after it does not count.

    It raises SettingsError when the file cannot be read or is empty.
    """

    def read() -> str:
        try:
            text = path.read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{name} cannot be read: {path}: {type(error).__name__}") from error
        if not text:
            raise SettingsError(f"{name} names a file that is empty: {path}")
        return text

    return read
