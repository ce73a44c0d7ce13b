"""The values that cross the seam."""

from partita import Outgoing, Receipt
from partita.core.ports import Fetch, Membership, TopicPartition


def test_a_partition_reads_as_topic_and_number() -> None:
    """The same spelling in every log line and error."""
    assert str(TopicPartition("orders", 3)) == "orders/3"


def test_a_fetch_is_itself_and_nobody_else() -> None:
    """Its records are read once, so two fetches are never equal."""
    at = TopicPartition("orders", 3)

    assert Fetch(at, [], 0, 0, 0) != Fetch(at, [], 0, 0, 0)


def test_an_outgoing_message_says_nothing_by_default() -> None:
    """No key, no headers, any partition, now."""
    message = Outgoing(b"1")

    assert (message.key, message.headers, message.partition, message.timestamp) == (None, (), None, None)


def test_a_membership_begins_at_the_earliest_message() -> None:
    """A new group must not lose what is there."""
    assert Membership("billing").start == "earliest"


def test_a_receipt_says_where() -> None:
    """Topic, partition, offset, timestamp."""
    assert Receipt("orders", 3, 17, 1000) == ("orders", 3, 17, 1000)
