"""Addresses: which backend, which options, and what is refused."""

import pytest

from partita import SettingsError, open_bus
from partita.opening import split_address


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("kafak://127.0.0.1:9092", "scheme 'kafak'; did you mean 'kafka'"),
        ("rabbit://127.0.0.1", "scheme 'rabbit'; known are: kafka, memory, nats, tls"),
        ("127.0.0.1:9092", "scheme ''; known are"),
        ("", "scheme ''"),
        ("os://x", "scheme 'os'"),
        ("memory://?partitions=1&partitions=2", "'partitions' is given twice"),
        ("memory://?partition=1", "did you mean 'partitions'"),
        ("memory://?partitions=", "give a whole number"),
        ("memory://me:secret@x", "memory://NAME and no more"),
        ("memory://x/y", "memory://NAME and no more"),
        ("kafka://me:secret@[::1", "cannot be read; write kafka://HOST:PORT"),
        ("nats://me:secret@[::1?name=x", "cannot be read; write nats://HOST:PORT"),
        ("nats://127.0.0.1#secret", "cannot be read"),
    ],
)
def test_refuses_an_address_that_names_no_bus(url: str, told: str) -> None:
    """One paragraph that says what to write."""
    with pytest.raises(SettingsError) as caught:
        open_bus(url)

    assert told in str(caught.value)
    assert "secret" not in str(caught.value)


def test_options_follow_in_the_query_as_they_are_written() -> None:
    """Decoded, with blank values kept, and out of the address."""
    address, options = split_address("kafka://a:1,b:2?client_id=x%20y&rack=&flag=1")

    assert address == "kafka://a:1,b:2"
    assert options == {"client_id": "x y", "rack": "", "flag": "1"}


def test_memory_is_the_default() -> None:
    """No broker is needed to begin."""
    assert open_bus().address == "memory://"
