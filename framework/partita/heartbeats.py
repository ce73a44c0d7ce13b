"""The heartbeat of one bus: started once, told with its health, and gone with it."""

import asyncio
from collections.abc import Iterator, Mapping

from partita.actors.heartbeat import Heartbeat
from partita.core.errors import SettingsError, TopicMissing
from partita.core.health import Part
from partita.core.metrics import Sample, Series
from partita.core.ports import Backend
from partita.core.pulse import Pulse, check_interval
from partita.core.settings import check_topic_name


class Heartbeats:
    """
    At most one heartbeat.

    Args:
        backend: what it goes through.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._heartbeat: Heartbeat | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, topic: str, interval: float) -> None:
        """
        Beat in the background from now on.

        Raises:
            SettingsError: a value cannot be used, or there is one already.
            TopicMissing: the topic does not exist.
            Exception: the client's own error.
        """
        check_topic_name(topic)
        seconds = check_interval(interval)
        if self._backend.system != "memory" and topic not in await self._backend.list_topics():
            raise TopicMissing(topic)
        if self._heartbeat is not None:
            raise SettingsError("this bus has a heartbeat already; one is enough")
        loop = asyncio.get_running_loop()
        pulse, backend = Pulse(seconds, loop.time()), self._backend
        self._heartbeat = Heartbeat(topic, pulse, backend.publisher, backend.subscription, backend.reader)
        self._task = loop.create_task(self._heartbeat.run())

    @property
    def parts(self) -> Mapping[str, Part]:
        """Its health, if there is one."""
        if self._heartbeat is None:
            return {}
        return {"heartbeat": self._heartbeat.pulse.judge(asyncio.get_running_loop().time())}

    def samples(self) -> Iterator[Sample]:
        """Its figures, if there is one."""
        if self._heartbeat is None:
            return
        pulse = self._heartbeat.pulse
        yield Series("partita_heartbeats_sent_total", {}), pulse.sent
        yield Series("partita_heartbeats_returned_total", {}), pulse.back
        if pulse.latency is not None:
            yield Series("partita_heartbeat_seconds", {}), pulse.latency

    async def stop(self) -> None:
        """Leave its group; takes a bounded time."""
        if self._heartbeat is None or self._task is None:
            return
        self._heartbeat.stop()
        await asyncio.wait([self._task])
        self._heartbeat = None
