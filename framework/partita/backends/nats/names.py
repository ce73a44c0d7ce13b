"""
Names on the server: of streams, consumers, subjects and API requests.

A topic is a stream and a partition of it is one subject, `<topic>.<number>`. Names of streams and
consumers may not hold `.`, `*`, `>`, `/`, blanks or control characters, so every byte that is not a plain
letter, digit, `_` or `-` stands as `=XX`.
"""

from hashlib import sha256

# Keys of a stream's metadata.
TOPIC = "partita-topic"
MADE = "partita-made"

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
# The server takes 255 bytes; what is added to a name afterwards needs some of them.
_LONGEST = 200


def escaped(text: str) -> str:
    """
    *text* as a name that the server takes; different texts have different names.

    A result above 200 characters is cut and ends in `==` and a digest of the whole.
    """
    raw = text.encode("utf-8", "surrogatepass")
    name = "".join(chr(byte) if byte in _PLAIN else f"={byte:02X}" for byte in raw)
    if len(name) <= _LONGEST:
        return name
    return f"{name[:160]}=={sha256(raw).hexdigest()[:32]}"


def stream_name(topic: str) -> str:
    """The stream of a topic."""
    return escaped(topic)


def consumer_name(group: str, partition: int) -> str:
    """The durable consumer of a group for one partition."""
    return f"{escaped(group)}-{partition}"


def owner_subject(group: str) -> str:
    """
    Where a member asks whether the owner of a pin is alive; members of the group listen there.

    Nothing is stored. Where an account may not use it, a partition of another member counts as unread.
    """
    return f"_PARTITA.owner.{escaped(group)}"


def subject(topic: str, partition: int) -> str:
    """The subject of a partition."""
    return f"{topic}.{partition}"


def topic_of(subject: str) -> str:
    """The topic that a partition's subject belongs to."""
    return subject.rpartition(".")[0]


def partition_of(subject: str) -> int:
    """The number of the partition that a subject is; 0 for a subject that nobody numbered."""
    number = subject.rpartition(".")[2]
    return int(number) if number.isascii() and number.isdigit() else 0
