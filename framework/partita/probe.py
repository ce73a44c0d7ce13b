"""Ask the broker whether it answers: one question under way at a time, never cancelled."""

import asyncio

from partita.core.health import Part, describe
from partita.core.ports import Backend


class BrokerProbe:
    """
    The health of one broker.

    Args:
        backend: asks the question on a connection that it has already.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._question: asyncio.Task[None] | None = None
        self._red_since: float | None = None

    async def ask(self, timeout: float) -> Part:
        """Whether the broker answers within *timeout* seconds."""
        if self._question is None or self._question.done():
            self._question = asyncio.get_running_loop().create_task(self._backend.ping())
            # One that fails when nobody waits any more is told by the next.
            self._question.add_done_callback(lambda done: done.cancelled() or done.exception())
        # A question that hangs at a frozen broker is left alone: cancelling a client call can break the
        # client. The next look waits for the same one.
        await asyncio.wait([self._question], timeout=timeout)
        return self._judge(self._question, timeout)

    def _judge(self, question: asyncio.Task[None], timeout: float) -> Part:
        now = asyncio.get_running_loop().time()
        if not question.done():
            reason = f"no answer within {timeout:g} s"
        elif question.cancelled():
            reason = "the connection was closed"
        elif (error := question.exception()) is not None:
            reason = describe(error)
        else:
            self._red_since = None
            return Part(healthy=True)
        if self._red_since is None:
            self._red_since = now
        return Part(healthy=False, reason=reason, since=now - self._red_since)

    async def close(self) -> None:
        """Let go of a question that will not be answered any more. The connection is closed already."""
        if self._question is None:
            return
        self._question.cancel()
        await asyncio.wait([self._question])
        if not self._question.cancelled():
            # Whatever it said, nobody asks any more; reading it keeps the loop from reporting it.
            self._question.exception()
