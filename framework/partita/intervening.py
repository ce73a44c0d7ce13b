"""What intervenes: the part of a bus that pauses partitions, and decides about parked messages by hand."""

from collections.abc import Sequence

from partita.actors.consumer import Consumer
from partita.actors.interventions import give_up, go_on, pause, try_again
from partita.actors.partition import Partition
from partita.core.health import Parked
from partita.core.ports import TopicPartition
from partita.opened import Opened
from partita.running import Running


class Intervening(Opened):
    """Intervenes in what runs on one bus."""

    _running: Running

    def pause(self, topic: str, partition: int, *, group: str | None = None) -> None:
        """
        Start no more messages of a partition, until `resume` or until it goes to another member.

        Messages in hand end, and attempts of those that failed go on. What has been fetched waits, bounded by
        the limits of the bus; membership is kept.

        Args:
            topic: the topic.
            partition: its number.
            group: of which group's member here; default: of every group that has it here.

        Raises:
            LookupError: no consumer here has that partition.
        """
        for _, owned in self._here(topic, partition, group):
            pause(owned)

    def resume(
        self, topic: str, partition: int, offset: int | None = None, *, group: str | None = None
    ) -> int:
        """
        Let a partition go on, and try what is parked there again at once; returns how many messages that is.

        Args:
            topic: the topic.
            partition: its number.
            offset: try the message at this offset alone, and leave a pause as it is; default: all.
            group: as with `pause`.

        Raises:
            LookupError: no consumer here has that partition, or nothing is parked at *offset*.
        """
        here = self._here(topic, partition, group)
        if offset is None:
            for _, owned in here:
                go_on(owned)
        tried = sum(try_again(owned, offset) for _, owned in here)
        if offset is not None and not tried:
            raise _not_parked(topic, partition, offset)
        return tried

    def skip(self, topic: str, partition: int, offset: int, *, group: str | None = None) -> Parked:
        """
        Give one parked message up by name: it is logged, counts as failed, and is not handled again.

        Returns what it was parked for.

        Raises:
            LookupError: no consumer here has that partition, or nothing is parked at *offset*.
        """
        for consumer, owned in self._here(topic, partition, group):
            if (told := give_up(owned, offset)) is not None:
                consumer.idle()
                return told
        raise _not_parked(topic, partition, offset)

    def _here(self, topic: str, partition: int, group: str | None) -> Sequence[tuple[Consumer, Partition]]:
        self._check_open()
        at = TopicPartition(topic, partition)
        found = [
            (member, owned) for member, owned in self._running.owners(at) if group in (None, member.name)
        ]
        if not found:
            of = "" if group is None else f" of group {group!r}"
            raise LookupError(f"no consumer{of} here has {at}; bus.states() says which partitions are here")
        return found


def _not_parked(topic: str, partition: int, offset: int) -> LookupError:
    return LookupError(
        f"no message is parked at {topic}/{partition}@{offset}, or it is being tried just now; the health "
        "report names those that are parked"
    )
