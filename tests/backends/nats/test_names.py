"""Names of streams and consumers: legal on the server and different for different texts."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from partita.backends.nats.names import (
    consumer_name,
    escaped,
    partition_of,
    stream_name,
    subject,
    topic_of,
)

TEXTS = st.text(st.characters(exclude_categories=()), min_size=1, max_size=60)


@given(TEXTS, st.integers(0, 9999))
@example("a.b *>/\\\r\n%=é", 0)
def test_any_group_has_a_consumer_name_that_the_server_takes(group: str, partition: int) -> None:
    """Only letters, digits, "_", "-" and "=" are left, and at most 255 of them."""
    name = consumer_name(group, partition)

    assert re.fullmatch(r"[A-Za-z0-9_=-]{1,255}", name)


@given(TEXTS, TEXTS)
@example("a.b", "a=2Eb")
@example("x" * 201, "x" * 202)
def test_different_texts_have_different_names(one: str, other: str) -> None:
    """No two groups and no two topics share what is theirs."""
    assert (escaped(one) == escaped(other)) == (one == other)


@given(TEXTS, st.integers(0, 9999), TEXTS, st.integers(0, 9999))
@example("a", 10, "a-1", 0)
def test_partitions_of_different_groups_never_share_a_consumer(a: str, m: int, b: str, n: int) -> None:
    """Group and number can both be told from the name."""
    assert (consumer_name(a, m) == consumer_name(b, n)) == ((a, m) == (b, n))


def test_the_stream_of_a_topic_shows_what_was_escaped() -> None:
    """The escape is the one that the documentation gives."""
    assert stream_name("orders.dlq") == "orders=2Edlq"


@given(st.from_regex(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", fullmatch=True), st.integers(0, 9999))
def test_topic_and_number_are_read_back_from_a_subject(topic: str, partition: int) -> None:
    """A record's subject says whose it is."""
    name = subject(topic, partition)

    assert (topic_of(name), partition_of(name)) == (topic, partition)
