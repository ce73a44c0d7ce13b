"""Duplicate: calls a handler twice for each message, to test that twice does no harm."""

from partita.message import Message
from partita.middleware.compose import CallNext


async def duplicate(message: Message, call_next: CallNext) -> object:
    """
    A middleware for tests: the handler runs twice, as it does when a commit was lost.

    The second result is the one that counts. Put it before `Deduplicate` to test that one.

    Raises:
        BaseException: the handler's own error, untouched.
    """
    await call_next(message)
    return await call_next(message)
