"""Which partition a message goes to: by key as Kafka's default partitioner has it, else in turn."""

from partita.core.errors import SettingsError
from partita.core.ports import Outgoing

_MASK = 0xFFFFFFFF
_M = 0x5BD1E995


def murmur2(data: bytes) -> int:
    """The 32-bit hash that Kafka's clients use (`Utils.murmur2`), as an unsigned number."""
    length = len(data)
    h = (0x9747B28C ^ length) & _MASK
    whole = length - length % 4
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * _M & _MASK
        k = (k ^ k >> 24) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    if whole < length:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15


def choose(topic: str, message: Outgoing, partitions: int, turn: int) -> int:
    """
    The partition of a message.

    Args:
        topic: for the error.
        message: its own partition wins, then its key.
        partitions: how many the topic has.
        turn: a number that grows with each message without a key.

    Raises:
        SettingsError: the message names a partition that the topic has not.
    """
    if message.partition is not None:
        if not 0 <= message.partition < partitions:
            raise SettingsError(f"{topic!r} has partitions 0 to {partitions - 1}, not {message.partition}")
        return message.partition
    if message.key is not None:
        return (murmur2(message.key) & 0x7FFFFFFF) % partitions
    return turn % partitions
