"""What observes: the part of a bus that tells how it and its broker are."""

import asyncio
from collections.abc import Collection, Mapping, Sequence

from partita.backlogs import Backlogs
from partita.core.backlog import Backlog, BacklogLimits, PublisherBacklog
from partita.core.health import Health, Part
from partita.core.metrics import Number, Series, added_up
from partita.core.standing import Standing
from partita.core.states import PartitionState
from partita.heartbeats import Heartbeats
from partita.opened import Opened
from partita.probe import BrokerProbe
from partita.running import Running

HEALTH_SECONDS = 5.0
UNACKNOWLEDGED_SECONDS = 10.0
HEARTBEAT_SECONDS = 10.0


class Observing(Opened):
    """Observes what runs on one bus."""

    def _observe(self, running: Running) -> None:
        self._running = running
        self._probe = BrokerProbe(self._backend)
        self._backlogs = Backlogs(self._backend, running)
        self._heartbeats = Heartbeats(self._backend)

    def metrics(self) -> Mapping[Series, Number]:
        """
        What was published, consumed, handled, failed and retried here since the bus was opened.

        Plain numbers under names as Prometheus writes them, such as
        `partita_published_messages_total{topic="orders",partition="0"}`: text, with `.name` and `.labels`.
        Those that grow never shrink while the bus is open, and stay after it is closed. What a handler sees
        of its own partition may be behind by the messages that were handled in the last 2 ms.
        """
        published = self._backend.publisher.published
        return added_up([*published.samples(), *self._running.samples(), *self._heartbeats.samples()])

    async def health_check(self, *, timeout: float = HEALTH_SECONDS) -> Health:
        """
        Ask the broker, and report it together with every consumer and parked message, and with the publisher
        when a message has waited for its acknowledgement for more than 10 s.

        Args:
            timeout: seconds that the broker has for its answer.
        """
        self._check_open()
        broker = await self._probe.ask(timeout)
        parts = {**self._publisher_parts(), **self._heartbeats.parts, **self._running.parts}
        return Health({"broker": broker, **parts})

    async def start_heartbeat(self, topic: str, *, interval: float = HEARTBEAT_SECONDS) -> None:
        """
        Publish a small record now and then, fetch it again, and tell by the health whether that works.

        It ends when the bus is closed. Reading takes a consumer of its own: on Kafka two more connections.

        Args:
            topic: what the records go through; one for this purpose, which several processes may share.
            interval: seconds between two of them. A record that is not back after as long is unhealthy, so
                at most two intervals after fetching or publishing stopped.

        Raises:
            SettingsError: a value cannot be used, or the bus has a heartbeat already.
            TopicMissing: the topic does not exist.
            Exception: the client's own error.
        """
        self._check_open()
        await self._heartbeats.start(topic, interval)

    async def check_backlog(
        self,
        group: str,
        *,
        max_lag: int | None = None,
        max_age: float | None = 30.0,
        topics: Collection[str] | None = None,
        start: str = "earliest",
    ) -> Backlog:
        """
        What waits for a group, wherever its members run. Asked over the connections that the bus has.

        Rates, and what does not move, are known from the second call for the same group and topics on.

        Args:
            group: the consumer group.
            max_lag: messages that may wait; with more it is behind. Default None: any number.
            max_age: seconds that the oldest of them may have waited. Default 30; None: any time.
            topics: those that it reads; default: those that it has a member for or has committed
                something of. A topic of which it has committed nothing must be named while it has no member.
            start: where the group begins without a commit, "earliest" (the default) or "latest"; for a
                group that runs on this bus it is known.

        Raises:
            SettingsError: a value cannot be used, or the broker knows nothing of the group and no topic is
                named.
            TopicMissing: a topic does not exist, on a broker.
            Exception: the client's own error.
        """
        self._check_open()
        limits = BacklogLimits(max_lag, max_age)
        return (await self._backlogs.look(group, topics, start)).judged(limits)

    def publisher_backlog(self) -> PublisherBacklog:
        """What was published here and waits for its acknowledgement. The broker is not asked."""
        self._check_open()
        publisher, now = self._backend.publisher, asyncio.get_running_loop().time()
        since = publisher.pending_since
        return PublisherBacklog(publisher.pending_bytes, 0.0 if since is None else max(0.0, now - since))

    def _publisher_parts(self) -> Mapping[str, Part]:
        """The publisher, when what it has sent is not acknowledged for too long."""
        waits = self.publisher_backlog()
        if waits.age <= UNACKNOWLEDGED_SECONDS:
            return {}
        reason = f"{waits.bytes} bytes are not acknowledged, the oldest message for {waits.age:.0f} s"
        return {"publisher": Part(healthy=False, reason=reason, since=waits.age - UNACKNOWLEDGED_SECONDS)}

    def standing(self) -> Standing:
        """
        Whether what runs here is alive, ready and started, each with a reason. The broker is not asked.

        `ready` is false before the first join, while a group deals out its partitions, when a consumer has
        not polled for 10 s, and from the beginning of a drain on.
        """
        return self._running.standing

    def states(self) -> Sequence[PartitionState]:
        """
        What each partition of every consumer that runs here is doing; asks no broker.

        Raises:
            Closed: the bus is not open.
        """
        self._check_open()
        return self._running.states
