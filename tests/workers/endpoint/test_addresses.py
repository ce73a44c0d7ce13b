"""What is read over HTTP does not tell where the brokers are."""

import pytest

from partita_worker.endpoint.addresses import without_addresses


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "Unable to bootstrap from [('10.0.0.7', 19092, <AddressFamily.AF_UNSPEC: 0>)]",
            "Unable to bootstrap from [((address), <AddressFamily.AF_UNSPEC: 0>)]",
        ),
        ("Connection at kafka-1.internal:9092 closed", "Connection at (address) closed"),
        ("Connect call failed ('::1', 4222, 0, 0)", "Connect call failed ((address), 0, 0)"),
        ("no route to fe80::1:2", "no route to (address)"),
        ("[fd00::7]:9092 is away", "(address) is away"),
        ("10.1.2.3 refused", "(address) refused"),
        ("broker:9092", "(address)"),
        ("nats://user:secret@example:4222, gone", "(address), gone"),
        ("<AIOKafkaConnection host=kafka-1 port=9092>", "<AIOKafkaConnection (address)>"),
    ],
)
def test_addresses_are_left_out(text: str, told: str) -> None:
    """Of machines, with and without a port, as clients and the system write them."""
    assert without_addresses(text) == told


@pytest.mark.parametrize(
    "text",
    [
        "orders/3@17 in charge: ValueError: no",
        "no answer within 5 s",
        "consumer billing is to be started again: Outage: away",
        "NoServersError: nats: no servers available for connection",
        "consumer g has no partition: its group has more members than partitions",
    ],
)
def test_other_words_stay(text: str) -> None:
    """A reason without its words helps nobody."""
    assert without_addresses(text) == text
