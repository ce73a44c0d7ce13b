"""Who looks at a worker while it runs: the HTTP endpoint, its host, systemd, and whoever sends SIGUSR1."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import attrs

from partita import EventBus, Summary
from partita_worker.control.requests import Requests
from partita_worker.control.server import Control, controlled
from partita_worker.endpoint.endpoint import seen_of, serving
from partita_worker.endpoint.server import Place
from partita_worker.host.link import Link
from partita_worker.host.reporting import Reporting
from partita_worker.stacks import told_on_request
from partita_worker.systemd import Notifier


@attrs.define
class Observers:
    """
    Those of one worker.

    Args:
        place: where health and metrics are answered; None: nowhere.
        control: the path of the control socket, and whether it was said; None: there is none.
        link: the line to its host; None: it is none of a host's.
        notifier: tells systemd.

    Attributes:
        url: where the endpoint is, while there is one.
    """

    place: Place | None = None
    control: tuple[Path, bool] | None = None
    link: Link | None = None
    notifier: Notifier = attrs.field(factory=lambda: Notifier({}))
    url: str | None = attrs.field(default=None, init=False)
    _reporting: Reporting | None = attrs.field(default=None, init=False)

    @asynccontextmanager
    async def around(self, bus: EventBus, groups: Collection[str]) -> AsyncIterator[None]:
        """Let all of them look inside the block, from before the bus is open until after it was closed."""
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            stack.enter_context(told_on_request(bus, loop))
            stack.enter_context(_task(loop.create_task(self.notifier.run(bus.standing))))
            if self.place is not None:
                self.url = await stack.enter_async_context(serving(bus, groups, self.place))
            if self.control is not None:
                number = None if self.link is None else self.link.number
                control = Control(Requests(bus, number).answer)
                await stack.enter_async_context(controlled(self.control[0], control))
            if self.link is not None:
                await self._report(stack, self.link, bus, groups)
            yield

    async def _report(
        self, stack: AsyncExitStack, link: Link, bus: EventBus, groups: Collection[str]
    ) -> None:
        if link.figures:
            seen = seen_of(bus, groups)
            await stack.enter_async_context(seen.looking())
            self._reporting = Reporting(link, bus, seen.look, seen.figures)
        else:
            self._reporting = Reporting(link, bus)
        stack.enter_context(_task(asyncio.get_running_loop().create_task(self._reporting.run())))

    def end(self, summary: Summary) -> None:
        """The worker has ended, and this is what it has done."""
        if self._reporting is not None:
            self._reporting.last(summary.handled, summary.failed)


@contextmanager
def _task(task: asyncio.Task[None]) -> Iterator[None]:
    try:
        yield
    finally:
        task.cancel()
