"""
What is counted, and under which names: plain numbers, put together only when somebody asks.

A number's key is its name and labels as a line of Prometheus text has them, so that it can be printed as it
stands, and the numbers of several processes can be added up key by key.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Self

import attrs


class Series(str):
    """
    The key of one number: `name{label="value",...}`.

    Args:
        name: what is counted.
        labels: whose it is.

    Attributes:
        name: as given.
        labels: as given, each value as text.
    """

    __slots__ = ("labels", "name")

    def __new__(cls, name: str, labels: Mapping[str, object]) -> Self:
        """Write the key."""
        told = {label: str(value) for label, value in labels.items()}
        inside = ",".join(f'{label}="{_escaped(value)}"' for label, value in told.items())
        made = super().__new__(cls, f"{name}{{{inside}}}" if inside else name)
        made.name, made.labels = name, told
        return made

    name: str
    labels: Mapping[str, str]

    @property
    def family_name(self) -> str:
        """The name in `FAMILIES`: that of a histogram is shorter than those of its three numbers."""
        if self.name not in FAMILIES:
            shorter = self.name.rpartition("_")[0]
            return shorter if shorter in FAMILIES else self.name
        return self.name

    @property
    def family(self) -> "Family":
        """Its kind, and what is counted; of a name that is not known a gauge without words."""
        return FAMILIES.get(self.family_name) or Family("gauge", tuple(self.labels), "")


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


Number = int | float
Sample = tuple[Series, Number]


@attrs.frozen
class Family:
    """
    The numbers of one name.

    Args:
        kind: "counter": only grows while the bus is open; "gauge": how it is now; "histogram": three
            names, with `_bucket` (how many took up to `le`), `_sum` and `_count` behind this one.
        labels: whose each number is.
        help: what is counted, with its unit.
    """

    kind: Literal["counter", "gauge", "histogram"]
    labels: Sequence[str]
    help: str


_SENT = ("topic", "partition")
_OWNED = ("group", "topic", "partition")
_MEMBER = ("group",)
FAMILIES: Mapping[str, Family] = {
    "partita_published_messages_total": Family("counter", _SENT, "messages that the broker acknowledged"),
    "partita_published_bytes_total": Family("counter", _SENT, "bytes of their keys and values"),
    "partita_publish_seconds": Family("histogram", _SENT, "seconds from publishing to the acknowledgement"),
    "partita_publish_failures_total": Family("counter", ("topic",), "messages that were not acknowledged"),
    "partita_received_bytes_total": Family("counter", _OWNED, "bytes of keys and values that arrived"),
    "partita_consumed_messages_total": Family("counter", _OWNED, "messages that were read for a handler"),
    "partita_handled_messages_total": Family("counter", _OWNED, "messages whose handler finished"),
    "partita_failed_messages_total": Family("counter", _OWNED, "messages given up: buried or dropped"),
    "partita_dead_letters_total": Family("counter", _OWNED, "messages given up as dead letters"),
    "partita_dropped_messages_total": Family("counter", _OWNED, "messages given up and dropped"),
    "partita_handler_failures_total": Family("counter", _OWNED, "attempts of a message that failed"),
    "partita_retries_total": Family("counter", _OWNED, "times that a failed or parked message was put off"),
    "partita_handler_seconds": Family("histogram", _OWNED, "seconds of each call of a handler"),
    "partita_unfinished_messages": Family("gauge", _OWNED, "messages that are begun, or wait for such a one"),
    "partita_parked_messages": Family("gauge", _OWNED, "messages that are parked, without attempts left"),
    "partita_abandoned_messages_total": Family("counter", _MEMBER, "messages in hand when a drain was over"),
    "partita_late_completions_total": Family("counter", _MEMBER, "messages handled when it was too late"),
    "partita_restarts_total": Family("counter", _MEMBER, "restarts of a consumer, each with a new client"),
    "partita_silent_clients_total": Family("counter", _MEMBER, "those because a client was alive and silent"),
    "partita_deleted_offsets_total": Family("counter", _MEMBER, "offsets deleted before they were handled"),
    "partita_heartbeats_sent_total": Family("counter", (), "records that the heartbeat published"),
    "partita_heartbeats_returned_total": Family("counter", (), "those of them that were fetched again"),
    "partita_heartbeat_seconds": Family("gauge", (), "seconds that the last of these took"),
}  # fmt: skip


def added_up(samples: Iterable[Sample]) -> dict[Series, Number]:
    """One number for each key: those of several members of a group are one."""
    found: dict[Series, Number] = {}
    for series, number in samples:
        found[series] = found.get(series, 0) + number
    return found


def is_lasting(series: Series) -> bool:
    """Whether a number stays when what it was counted for has ended: that of a counter or histogram."""
    family = FAMILIES.get(series.name)
    return family is None or family.kind != "gauge"
