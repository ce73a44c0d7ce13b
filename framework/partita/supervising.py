"""Tasks of the user's own under the supervision that a consumer has: restarted, and told by health."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, get_args

from partita.actors.supervisor import Supervisor
from partita.core.errors import PartitaError, RestartLimitReached, SettingsError
from partita.core.health import Part, describe
from partita.core.ports import Backend
from partita.core.restarts import FailureKind, Supervision, judge_outside
from partita.core.settings import nearest

RestartMode = Literal["permanent", "transient", "temporary"]
LongLived = Callable[[], Awaitable[object]]
MODES = get_args(RestartMode)
# A task that has run for as long after a failure counts as mended.
MENDED_SECONDS = 5.0
STOP_SECONDS = 10.0
_log = logging.getLogger("partita.supervisor")


class Supervised:
    """
    One supervised task. Made by `EventBus.supervise`.

    Args:
        function: called without arguments; what it returns is awaited.
        name: what logs and health call it.
        restart: when it is called again.
        judge: what kind of failure an error is.
        on_end: told of an error that no restart helps, or of its wish that the process should end.

    Attributes:
        name: what logs and health call it.
        calls: how often it was called.
    """

    def __init__(
        self,
        function: LongLived,
        name: str,
        restart: RestartMode,
        judge: Callable[[BaseException], FailureKind],
        on_end: Callable[[BaseException], None],
    ) -> None:
        self.name, self.calls = name, 0
        self._function, self._restart = function, restart
        self._judge, self._on_end = judge, on_end
        self._began: float | None = None
        self._trouble: tuple[str, float] | None = None
        self._supervisor = Supervisor("bus", Supervision(), lambda _, error: self._failed(error))
        self._supervisor.add(name, self._live)
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def running(self) -> bool:
        """Whether it runs, or will be called again."""
        return not self._task.done()

    @property
    def part(self) -> Part:
        """Red from a failure on until it has run for five seconds since, and for good if it has given up."""
        now = asyncio.get_running_loop().time()
        if self._began is not None and now - self._began >= MENDED_SECONDS:
            self._trouble = None
        if self._trouble is None:
            return Part(healthy=True)
        reason, since = self._trouble
        return Part(healthy=False, reason=reason, since=now - since)

    async def _run(self) -> None:
        try:
            await self._supervisor.run()
        # Past the limit, or what no restart helps: whoever runs the bus is told.
        except Exception as error:  # noqa: BLE001
            if not isinstance(error, RestartLimitReached):
                _log.error("%s gives up: %s", self.name, describe(error))
            self._on_end(error)

    async def _live(self) -> None:
        self.calls += 1
        self._began = asyncio.get_running_loop().time()
        try:
            await self._function()
        except (SystemExit, KeyboardInterrupt) as error:
            # Raised out of a task it would end the loop at once, with messages in hand.
            self._on_end(error)
            return
        except Exception as error:
            if self._restart != "temporary":
                raise
            self._note(error)
            _log.error("%s failed: %s; it is not started again", self.name, describe(error))
            return
        finally:
            self._began = None
        if self._restart == "permanent":
            raise RuntimeError("it returned, and is to run for as long as the bus is open")

    def _failed(self, error: BaseException) -> FailureKind:
        self._note(error)
        return self._judge(error)

    def _note(self, error: BaseException) -> None:
        since = self._trouble[1] if self._trouble else asyncio.get_running_loop().time()
        self._trouble = describe(error), since

    async def stop(self) -> None:
        """Cancel it and wait for its end, 10 s at the most. It is not called again. Raises nothing."""
        self._task.cancel()
        done, _ = await asyncio.wait({self._task}, timeout=STOP_SECONDS)
        if not done:
            _log.warning("%s has not ended within %g s of its cancellation", self.name, STOP_SECONDS)

    def __repr__(self) -> str:
        return (
            f"<Supervised {self.name!r} {'running' if self.running else 'ended'}, called {self.calls} times>"
        )


class SupervisedTasks:
    """
    Those of one bus.

    Args:
        backend: knows what a client's error means.
        on_end: told of an error that no restart helps, or of the wish that the process should end.
    """

    def __init__(self, backend: Backend, on_end: Callable[[BaseException], None]) -> None:
        self._backend, self._on_end = backend, on_end
        self._tasks: dict[str, Supervised] = {}

    def add(self, function: LongLived, name: str, restart: RestartMode) -> Supervised:
        """
        Start one.

        Raises:
            SettingsError: the name is in use, or there is no such way to restart.
        """
        if restart not in MODES:
            raise SettingsError(f"restart={restart!r}: {nearest(restart, MODES)}")
        if not name or (name in self._tasks and self._tasks[name].running):
            raise SettingsError(f"name={name!r}: give each supervised task a name of its own")
        self._tasks[name] = Supervised(function, name, restart, self._judge, self._on_end)
        return self._tasks[name]

    def _judge(self, error: BaseException) -> FailureKind:
        if isinstance(error, PartitaError) or self._backend.is_refused(error):
            return FailureKind.PROTOCOL
        return judge_outside(self._backend, error)

    @property
    def parts(self) -> Mapping[str, Part]:
        """The health of each."""
        return {f"task {name}": each.part for name, each in self._tasks.items()}

    async def stop(self) -> None:
        """End all, the last started first."""
        while self._tasks:
            _, last = self._tasks.popitem()
            await last.stop()
