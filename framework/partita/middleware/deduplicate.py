"""Deduplicate: a message whose id was handled before is finished without its handler."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from partita.core.errors import SettingsError
from partita.message import Message
from partita.middleware.compose import CallNext, hold

MessageId = Callable[[Message], bytes | None]
_log = logging.getLogger("partita.middleware")


class SeenStore(Protocol):
    """Remembers ids. One in a database outlives the process and is shared by all of a group."""

    async def seen(self, key: bytes) -> bool:
        """Whether *key* was added and is not forgotten yet."""
        ...

    async def add(self, key: bytes) -> None:
        """Remember *key*; adding it twice is adding it once."""
        ...


class SeenInMemory:
    """
    Remembers the ids that were added last, in this process.

    Args:
        size: how many ids; the oldest is forgotten first. Default 100,000: about 20 MB of ids of a UUID's
            length.

    Raises:
        SettingsError: the size is below 1.
    """

    def __init__(self, size: int = 100_000) -> None:
        if not isinstance(size, int) or size < 1:
            raise SettingsError(f"SeenInMemory(size={size!r}): give a whole number of 1 or more")
        self._size = size
        # A plain dict finds its oldest key by passing over every place that was emptied before.
        self._keys: OrderedDict[bytes, None] = OrderedDict()

    async def seen(self, key: bytes) -> bool:
        """Whether *key* is among the last *size*."""
        return key in self._keys

    async def add(self, key: bytes) -> None:
        """Remember *key* as the newest."""
        self._keys[key] = None
        self._keys.move_to_end(key)
        if len(self._keys) > self._size:
            self._keys.popitem(last=False)

    def __len__(self) -> int:
        return len(self._keys)


class Deduplicate:
    """
    A middleware that lets each message id through once for each group and handler.

    An id is remembered when its handler, with what `to=` publishes, has succeeded: what failed is tried
    again. Messages of one id that are in hand at once wait for each other. Delivery stays at least
    once: a process that dies between the handler's end and `SeenStore.add` handles the message again.

    Args:
        key: the name of the header that holds the id, or a function of the message that returns it. A
            message without an id (no such header, None) always goes through. Topic and offset are no
            id: a message that was published twice has two of them.
        store: where ids are remembered; default: `SeenInMemory()`.

    Raises:
        SettingsError: *key* is neither.
    """

    def __init__(self, key: str | MessageId, *, store: SeenStore | None = None) -> None:
        if not (callable(key) or (isinstance(key, str) and key)):
            raise SettingsError(f"Deduplicate({key!r}): give a header's name or a function of the message")
        self._id = key if callable(key) else _header(key)
        self._store = SeenInMemory() if store is None else store
        self._scope = b""
        self._in_hand: dict[bytes, list[asyncio.Future[None]]] = {}

    def for_route(self, route: str) -> "Deduplicate":
        """The same for one route: same store, ids of its own."""
        bound = Deduplicate(self._id, store=self._store)
        bound._scope = route.encode() + b"\0"
        bound._in_hand = self._in_hand
        return bound

    async def __call__(self, message: Message, call_next: CallNext) -> object:
        """
        Handle *message* unless its id was handled before.

        Raises:
            Postponed: its partition goes away while it waits for another message of its id.
            BaseException: the handler's own error, or the store's, untouched.
        """
        found = self._id(message)
        if found is None:
            return await call_next(message)
        key = self._scope + found
        while key in self._in_hand:
            await self._wait(message, self._in_hand[key])
        waiting = self._in_hand[key] = []
        try:
            if await self._store.seen(key):
                _log.debug("%s was handled before", message)
                return None
            result = await call_next(message)
            await self._store.add(key)
            return result
        finally:
            del self._in_hand[key]
            for ready in waiting:
                if not ready.done():
                    ready.set_result(None)

    async def _wait(self, message: Message, waiting: "list[asyncio.Future[None]]") -> None:
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(ready)
        await hold(message, ready, "another message of its id")

    def __repr__(self) -> str:
        return f"<Deduplicate, {len(self._in_hand)} in hand>"


def _header(name: str) -> MessageId:
    def read(message: Message) -> bytes | None:
        return next((value for each, value in message.headers if each == name), None)

    return read
