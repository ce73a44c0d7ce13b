"""What a program may say about a broker's client, as values that are not checked yet."""

from collections.abc import Mapping

import attrs


@attrs.frozen
class KafkaSettings:
    """
    Options of aiokafka's three clients, under the client's own names, in Python's own types.

    They are checked against the installed client when the bus is made. An option in the address wins over
    them, and one for a single client over one for all.

    Args:
        options: for every client that has the option.
        consumer: for `AIOKafkaConsumer`.
        producer: for `AIOKafkaProducer`.
        admin: for `AIOKafkaAdminClient`.
        buffer_bytes: how many bytes of messages may wait for their acknowledgement, default 32 MiB; above it
            `publish` waits for room, in the order of the calls, and `send` refuses.
    """

    options: Mapping[str, object] = attrs.field(factory=dict, repr=False, kw_only=True)
    consumer: Mapping[str, object] = attrs.field(factory=dict, repr=False, kw_only=True)
    producer: Mapping[str, object] = attrs.field(factory=dict, repr=False, kw_only=True)
    admin: Mapping[str, object] = attrs.field(factory=dict, repr=False, kw_only=True)
    buffer_bytes: int = attrs.field(default=32 * 2**20, kw_only=True)

    @property
    def said(self) -> Mapping[str, object]:
        """Every option that is given, whichever client it is for."""
        return _joined(self.options, self.consumer, self.producer, self.admin)


@attrs.frozen
class NatsSettings:
    """
    Options of `nats.connect`, under the client's own names, in Python's own types.

    They are checked against the installed client when the bus is made. An option in the address wins over
    them.

    Args:
        options: parameters of `nats.connect`, and `pin_timeout` and `domain` of ours.
    """

    options: Mapping[str, object] = attrs.field(factory=dict, repr=False, kw_only=True)

    @property
    def said(self) -> Mapping[str, object]:
        """Every option that is given."""
        return _joined(self.options)


def _joined(*tables: object) -> Mapping[str, object]:
    """One mapping of several; what is none is told of when they are checked."""
    found = [each for each in tables if isinstance(each, Mapping)]
    return {name: value for each in found for name, value in each.items()}


GivenSettings = KafkaSettings | NatsSettings
