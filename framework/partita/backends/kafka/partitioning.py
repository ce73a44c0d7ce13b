"""Which partition a message goes to."""

import struct
from collections.abc import Callable, Sequence
from typing import Any

import attrs
from aiokafka.partitioner import DefaultPartitioner

from partita.backends.kafka.batching import Batch, Slot
from partita.core.errors import SettingsError

REMEMBERED = 65_536  # keys of a generation
_LONGEST_KEY = 128  # bytes; longer ones are not remembered
_WORD, _MIX = 0xFFFFFFFF, 0x5BD1E995
_UNPACKED = 33
_unpack = [struct.Struct(f"<{words}I").unpack_from for words in range(_UNPACKED)]
_NOWHERE = Slot(0)  # while no partition is known
Partitioner = Callable[[bytes | None, Sequence[int], Sequence[int]], int]


def murmur2(key: bytes, mix: int = _MIX, mask: int = _WORD) -> int:
    """The hash of the client's own partitioner, which takes byte after byte and several times as long."""
    length = len(key)
    words = length >> 2
    mixed = 0x9747B28C ^ length
    for word in _unpack[words](key) if words < _UNPACKED else struct.unpack_from(f"<{words}I", key):
        word = word * mix & mask
        mixed = (mixed * mix ^ (word ^ word >> 24) * mix) & mask
    if length & 3:
        mixed = (mixed ^ int.from_bytes(key[words << 2 :], "little")) * mix & mask
    mixed = (mixed ^ mixed >> 13) * mix & mask
    return mixed ^ mixed >> 15


@attrs.define(eq=False)
class Slots:
    """
    The partitions of one topic, and the choice between them.

    Args:
        topic: whose they are.
        batch_bytes: where batches are cut.
        sends: bytes of the largest message that the client sends.
        partitioner: the caller's own, with the client's signature; None: the client's default.

    Attributes:
        available: tells which partitions have a leader now, for a partitioner.
        largest: bytes of the largest message that the client sends and the topic is known to take.
        plain: the same where a message needs no more than its place: partitions are known, and there is no
            partitioner; else 0.
        sticky: where messages without a key go now, until its batch is cut.
    """

    topic: str
    batch_bytes: int
    sends: int
    partitioner: Partitioner | None = None
    available: Callable[[], Sequence[int]] = list
    largest: int = attrs.field(init=False, default=attrs.Factory(lambda slots: slots.sends, takes_self=True))
    plain: int = attrs.field(init=False, default=0)
    slots: list[Slot] = attrs.field(factory=list)
    sticky: Slot = _NOWHERE
    # Two generations: what is asked for again moves to the younger one, and the older is dropped whole.
    _young: dict[bytes, Slot] = attrs.field(factory=dict)
    _old: dict[bytes, Slot] = attrs.field(factory=dict)

    def learn(self, largest: int) -> None:
        """The broker has said how large a message of the topic may be, in bytes."""
        self.largest = min(largest, self.sends)
        self.plain = min(self.plain, self.largest)

    @property
    def remembered(self) -> int:
        """How many keys' partitions are remembered."""
        return len(self._young) + len(self._old)

    def unlearn(self) -> None:
        """The topic may take larger messages by now: let the broker say."""
        self.largest = self.sends
        self.plain = self.largest if self.plain else 0

    def grow(self, partitions: int) -> None:
        """Make room for partitions that were added to the topic."""
        if partitions > len(self.slots):
            self._young, self._old = {}, {}
            self.slots += [Slot(number) for number in range(len(self.slots), partitions)]
            self.sticky = self.slots[self.sticky.number]
            self.plain = self.largest if self.partitioner is None else 0

    def forget(self) -> Sequence[Batch]:
        """No partition is known any more; returns the batches that waited at those there were."""
        slots, self.slots, self.sticky = self.slots, [], _NOWHERE
        self.plain = 0
        self._young, self._old = {}, {}
        return [batch for slot in slots for batch in slot.clear()]

    def choose(self, partition: int | None, key: bytes | None) -> Slot:
        """
        The caller's partition; else its partitioner's; else the key's, as the client's own partitioner has
        it; else the one whose batch is open.

        Raises:
            SettingsError: the topic has no such partition.
            Exception: what a partitioner raises.
        """
        if partition is None and self.partitioner is not None:
            partition = self.partitioner(key, list(range(len(self.slots))), self.available())
        if partition is not None:
            if type(partition) is not int or not 0 <= partition < len(self.slots):
                raise SettingsError(
                    f"{self.topic!r} has partitions 0 to {len(self.slots) - 1}, not {partition!r}"
                )
            return self.slots[partition]
        if key is not None:
            return self._young.get(key) or self._of_key(key)
        return self.sticky

    def _of_key(self, key: bytes) -> Slot:
        slot = self._old.get(key)
        if slot is None:
            slot = self.slots[(murmur2(key) & 0x7FFFFFFF) % len(self.slots)]
            if len(key) > _LONGEST_KEY:
                return slot
        if len(self._young) >= REMEMBERED:
            self._old, self._young = self._young, {}
        self._young[key] = slot
        return slot

    def move_on(self, slot: Slot) -> None:
        """The batch at *slot* was cut: keyless messages go to the next partition from here on."""
        if slot is self.sticky and self.slots:
            self.sticky = self.slots[(slot.number + 1) % len(self.slots)]


def own_partitioner(option: Any) -> Partitioner | None:
    """The partitioner among the client's options, if it is not the client's default."""
    return None if option is None or isinstance(option, DefaultPartitioner) else option
