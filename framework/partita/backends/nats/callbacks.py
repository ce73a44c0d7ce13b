"""
The client's callbacks: ours, and after them those that a program gave.

The client calls them in its own tasks, which an error that escaped would end (nats-py 2.16.0).
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from partita.backends.nats.options import CALLBACKS

Callback = Callable[..., Awaitable[None]]
_log = logging.getLogger("partita.nats")


def users_of(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Callback]]:
    """The options without callbacks, and the callbacks among them."""
    rest = {name: value for name, value in options.items() if name not in CALLBACKS}
    return rest, {name: options[name] for name in CALLBACKS if name in options}


def both(ours: Mapping[str, Callback], theirs: Mapping[str, Callback]) -> Mapping[str, Callback]:
    """Every callback, ours first; what one of theirs raises is logged and goes no further."""
    names = [*ours, *(name for name in theirs if name not in ours)]
    return {name: _joined(ours.get(name), theirs.get(name)) for name in names}


def _joined(ours: Callback | None, theirs: Callback | None) -> Callback:
    if theirs is None:
        assert ours is not None  # one of the two is there
        return ours

    async def call(*told: object) -> None:
        if ours is not None:
            await ours(*told)
        try:
            await theirs(*told)
        # A barrier: the client's task would end with it.
        except Exception as error:  # noqa: BLE001
            _log.error("a callback failed: %s", type(error).__name__, exc_info=error)

    return call
