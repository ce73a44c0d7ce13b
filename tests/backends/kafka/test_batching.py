"""Which partition a message goes to, and how batches are cut."""

import asyncio
from collections.abc import Iterator

import pytest
from aiokafka.partitioner import DefaultPartitioner

from partita.backends.kafka.batching import Mark, Sending, Slot, Slots, prepare
from partita.core.errors import MessageTooLarge, SettingsError
from partita.core.ports import Outgoing

LIMIT = 1_000_000


class Box:
    """A batch that takes a number of messages."""

    def __init__(self, room: int = 100) -> None:
        self.room, self.values = room, list[bytes | None]()

    def append(self, **message: object) -> object | None:
        """Take one more, if there is room."""
        if len(self.values) == self.room:
            return None
        value = message["value"]
        assert value is None or isinstance(value, bytes)
        self.values.append(value)
        return self


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that makes futures and never runs."""
    made = asyncio.new_event_loop()
    yield made
    made.close()


def sending(
    loop: asyncio.AbstractEventLoop, value: bytes = b"v", due: float = 10.0, size: int = 100
) -> Sending:
    """A message on its way."""
    return Sending(value, None, [], 0, None, size, due, loop.create_future())


def filled(*items: Sending | Mark) -> Slot:
    """A partition with a queue."""
    slot = Slot(0)
    for item in items:
        slot.put(item)
    return slot


def test_a_key_goes_where_the_clients_own_partitioner_puts_it() -> None:
    """Other programs that write the topic with the same keys meet the same partitions."""
    slots = Slots("t", LIMIT)
    slots.grow(7)
    theirs = DefaultPartitioner()
    keys = [b"", b"a", b"key-1", b"\x00\xff", b"x" * 300]

    ours = [slots.choose(None, key).number for key in keys]

    assert ours == [theirs(key, list(range(7)), list(range(7))) for key in keys]


def test_a_grown_topic_places_keys_anew() -> None:
    """A cached choice does not outlive the number of partitions that it was made for."""
    slots = Slots("t", LIMIT)
    slots.grow(2)
    keys = [b"%d" % number for number in range(50)]
    before = {slots.choose(None, key).number for key in keys}

    slots.grow(9)

    assert before == {0, 1}
    assert max(slots.choose(None, key).number for key in keys) > 1


def test_keyless_messages_share_a_partition_until_its_batch_is_cut() -> None:
    """One batch of a hundred beats four of twenty-five."""
    slots = Slots("t", LIMIT)
    slots.grow(3)

    first = slots.choose(None, None)
    same = slots.choose(None, None)
    slots.move_on(first)

    assert same is first
    assert slots.choose(None, None) is not first


def test_keyless_messages_leave_a_partition_whose_queue_is_long(
    loop: asyncio.AbstractEventLoop,
) -> None:
    """A slow partition does not collect everything."""
    slots = Slots("t", 150)
    slots.grow(2)
    first = slots.choose(None, None)

    first.put(sending(loop))
    first.put(sending(loop))

    assert slots.choose(None, None) is not first


@pytest.mark.parametrize("partition", [-1, 3])
def test_a_partition_that_does_not_exist_is_refused(partition: int) -> None:
    """The error says which there are."""
    slots = Slots("t", LIMIT)
    slots.grow(3)

    with pytest.raises(SettingsError, match="0 to 2"):
        slots.choose(partition, None)


def test_a_batch_takes_the_queue_in_order_until_it_is_full(loop: asyncio.AbstractEventLoop) -> None:
    """What does not fit stays at the head."""
    slot, box = filled(*[sending(loop, b"%d" % n) for n in range(5)]), Box(3)

    taken, late = slot.cut(box, LIMIT, now=0.0)

    assert box.values == [b"0", b"1", b"2"]
    assert [each.value for each in taken] == box.values
    assert not late
    assert slot.queued == 200


def test_a_message_above_the_batch_limit_is_a_batch_of_its_own(
    loop: asyncio.AbstractEventLoop,
) -> None:
    """A large message is sent, and does not hold up what is behind it."""
    slot = filled(sending(loop, size=50), sending(loop, size=500), sending(loop, size=50))

    sizes = [[each.size for each in slot.cut(Box(), 100, now=0.0)[0]] for _ in range(3)]

    assert sizes == [[50], [500], [50]]


def test_a_message_that_waited_too_long_is_in_no_batch(loop: asyncio.AbstractEventLoop) -> None:
    """Each message is given up at its own deadline."""
    slot = filled(sending(loop, b"old", due=1.0), sending(loop, b"new", due=9.0))

    taken, late = slot.cut(Box(), LIMIT, now=5.0)

    assert [each.value for each in taken] == [b"new"]
    assert [each.value for each in late] == [b"old"]


def test_a_mark_is_reached_only_after_the_batch_before_it(loop: asyncio.AbstractEventLoop) -> None:
    """A flush waits for acknowledgements, not for an empty queue."""
    mark = Mark(loop.create_future())
    slot = filled(sending(loop), mark, sending(loop))

    first, _ = slot.cut(Box(), LIMIT, now=0.0)
    reached_with_first = mark.reached.done()
    second, _ = slot.cut(Box(), LIMIT, now=0.0)

    assert len(first) == len(second) == 1
    assert not reached_with_first
    assert mark.reached.done()


def test_what_was_refused_together_is_sent_one_by_one(loop: asyncio.AbstractEventLoop) -> None:
    """One bad message does not take its neighbours with it."""
    slot = filled(*[sending(loop, b"%d" % n) for n in range(5)])
    refused, _ = slot.cut(Box(3), LIMIT, now=0.0)
    slot.put_back(refused)
    slot.singly = len(refused)

    batches = [[each.value for each in slot.cut(Box(), LIMIT, now=0.0)[0]] for _ in range(4)]

    assert batches == [[b"0"], [b"1"], [b"2"], [b"3", b"4"]]


@pytest.mark.parametrize(
    "message",
    [
        Outgoing("text"),  # type: ignore[arg-type] # what is tested
        Outgoing(b"", key=1),  # type: ignore[arg-type] # what is tested
        Outgoing(b"", headers=[("a", "b")]),  # type: ignore[list-item] # what is tested
        Outgoing(b"", headers=[(b"a", b"b")]),  # type: ignore[list-item] # what is tested
        Outgoing(b"", headers=[("a", None)]),  # type: ignore[list-item] # what is tested
    ],
)
def test_a_message_of_the_wrong_type_is_refused_before_it_is_queued(message: Outgoing) -> None:
    """It could not be put on the wire, and must not reach a batch with others."""
    with pytest.raises(TypeError):
        prepare("t", message, LIMIT, lambda: 0, 0.0)


def test_a_timestamp_outside_the_wire_format_is_refused() -> None:
    """The number has 63 bits and begins in 1970."""
    with pytest.raises(SettingsError, match="milliseconds"):
        prepare("t", Outgoing(b"", timestamp=-5), LIMIT, lambda: 0, 0.0)


def test_a_message_above_the_limit_is_refused_with_both_sizes() -> None:
    """Nothing of it is sent."""
    with pytest.raises(MessageTooLarge) as refused:
        prepare("t", Outgoing(b"x" * 100), 90, lambda: 0, 0.0)

    assert refused.value.limit == 90
    assert refused.value.size > 100


def test_bytes_that_may_change_are_copied(loop: asyncio.AbstractEventLoop) -> None:
    """A caller may use its buffer again at once."""
    buffer = bytearray(b"before")

    message = Outgoing(buffer)  # type: ignore[arg-type] # what is tested
    made = prepare("t", message, LIMIT, lambda: 0, 0.0)(loop.create_future())
    buffer[:] = b"after!"

    assert made.value == b"before"
