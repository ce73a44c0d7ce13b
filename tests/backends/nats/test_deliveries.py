"""Which ack stands for a commit."""

import pytest

from partita.backends.nats.deliveries import Acknowledge, Deliveries


def delivered(*offsets: int) -> Deliveries:
    """Deliveries with these offsets, each with a reply of its name."""
    deliveries = Deliveries()
    for offset in offsets:
        deliveries.add(offset, f"r{offset}")
    return deliveries


def test_a_commit_acks_the_last_message_below_its_offset() -> None:
    """Offsets of a partition have gaps, and the ack must be of a message that was delivered."""
    deliveries = delivered(3, 5, 9)

    assert deliveries.until(9) == Acknowledge("r5", 5)
    assert deliveries.until(6) == Acknowledge("r5", 5)
    assert deliveries.until(10) == Acknowledge("r9", 9)
    assert deliveries.until(3) is None


def test_what_is_acknowledged_is_forgotten_and_not_sent_again() -> None:
    """A commit of the same offset has nothing to do."""
    deliveries = delivered(3, 5, 9)

    deliveries.acknowledged(5)

    assert len(deliveries) == 1
    assert deliveries.until(6) is None


def test_a_commit_waits_for_messages_that_a_reset_brings_again() -> None:
    """The old reply subjects must not be used after a reset."""
    deliveries = delivered(3, 5, 9)
    deliveries.restart()

    with pytest.raises(LookupError):
        deliveries.until(6)
    deliveries.add(3, "new3")
    with pytest.raises(LookupError):
        deliveries.until(6)
    deliveries.add(5, "new5")
    assert deliveries.until(6) == Acknowledge("new5", 5)


def test_a_message_that_comes_out_of_turn_is_not_taken_twice() -> None:
    """The server delivers again what nobody acknowledged for a day."""
    deliveries = delivered(3, 5)

    deliveries.add(3, "again")

    assert deliveries.until(4) == Acknowledge("r3", 3)
