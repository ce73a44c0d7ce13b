"""The state machine of one partition, against a simulated server that loses, resets and takes away."""

import random
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.backends.nats.simulated import PIN_TIMEOUT, Broker, Client, serve

from partita.backends.nats.lane import Event, Fail, Lane, Look, Reset
from partita.backends.nats.pulls import BUFFER_BYTES, OpenPulls, Pull
from partita.backends.nats.statuses import Status

# Calm ones more often: only who owns something can lose it.
CALM = ["publish", "flow", "flow", "deliver", "serve", "wait", "commit", "thaw"]
NAMES = CALM * 3 + ["cut", "cut", "drop", "long", "freeze", "reset"]


def lane(pull_bytes: int = 1000) -> Lane:
    """A lane that has sent nothing yet."""
    return Lane(OpenPulls(pull_bytes, PIN_TIMEOUT))


def owner() -> Lane:
    """A lane that owns its partition and was handed offset 1."""
    owned = lane()
    owned.take_actions(0.0)
    assert owned.delivered("p", 1, 1, 0.0)
    owned.take_actions(0.0)
    return owned


def step(broker: Broker, name: str, who: int, number: int) -> None:
    """One thing that happens to the group."""
    client = broker.clients[who]
    if name == "publish":
        broker.last += number
    elif name == "deliver":
        broker.deliver()
    elif name == "flow":
        flow(broker, number)
    elif name == "serve":
        serve(broker, client, number)
    elif name in ("wait", "long"):
        broker.advance(0.5 if name == "wait" else PIN_TIMEOUT + 1)
    elif name == "reset":
        # Nobody's lane has asked for it: what `lane` says it does not survive begins with this.
        broker.disturbed = True
        broker.ask(client, Reset())
    else:
        happen(broker, name, client)


def happen(broker: Broker, name: str, client: Client) -> None:
    """One thing that happens to a member."""
    if name == "cut":
        broker.cut(client)
    elif name == "drop" and client.wire and not broker.disturbed:
        client.wire.popleft()
    elif name in ("freeze", "thaw"):
        client.frozen = name == "freeze"
    elif name == "commit" and client.lane.pin == broker.pin and client.lane.deliveries.last > 0:
        broker.acknowledge(client.lane.deliveries.last)
        client.lane.deliveries.acknowledged(client.lane.deliveries.last)


def flow(broker: Broker, rounds: int) -> None:
    """All goes well for a while."""
    for _ in range(rounds):
        for client in broker.clients:
            serve(broker, client)
        broker.deliver()


@settings(max_examples=1000, deadline=None)
@given(st.integers(0, 2**32))
def test_an_owner_is_handed_each_offset_once_in_order_and_in_the_end_none_is_missing(seed: int) -> None:
    """Whatever is lost, cut, frozen or reset: no repeat within an ownership, no gap, and all arrive."""
    broker, chance = Broker([Client(), Client()]), random.Random(seed)
    floors = [0]
    for _ in range(chance.randint(10, 120)):
        step(broker, chance.choice(NAMES), chance.randint(0, 1), chance.randint(1, 5))
        floors.append(broker.floor)

    for client in broker.clients:
        client.frozen = False
    for _ in range(60):
        for client in broker.clients:
            serve(broker, client)
        for _ in range(broker.last + 1):
            broker.deliver()
        broker.advance(1.0)

    handed = {offset for client in broker.clients for owned in client.taken for offset in owned}
    assert handed == set(range(1, broker.last + 1))
    owned_now = {offset for client in broker.clients if client.lane.pin for offset in client.taken[-1]}
    assert owned_now >= set(range(broker.floor + 1, broker.last + 1)), "left with somebody who lost it"
    for client in broker.clients:
        for owned in client.taken:
            assert all(a < b for a, b in pairwise(owned))
            # What is left out in between was acknowledged by a former owner that had handled it.
            assert all(b - a == 1 or b - 1 <= max(floors) for a, b in pairwise(owned))


def test_the_first_message_of_a_fresh_consumer_is_taken_at_once() -> None:
    """Nobody was handed anything before, so nothing needs to be reset."""
    fresh = lane()

    assert fresh.delivered("p", 7, 1, 0.0)
    assert list(fresh.events) == [Event.ASSIGNED]
    assert not any(isinstance(action, Reset) for action in fresh.take_actions(0.0))


def test_a_takeover_drops_what_comes_before_the_reset_and_is_told_after_it() -> None:
    """The messages before it come again, from the floor on."""
    taking = lane()

    assert not taking.delivered("p", 7, 4, 0.0)
    assert any(isinstance(action, Reset) for action in taking.take_actions(0.0))
    assert not taking.delivered("p", 8, 5, 0.0)
    assert not taking.events
    taking.reset_done()
    assert taking.delivered("p", 5, 1, 0.1)
    assert list(taking.events) == [Event.ASSIGNED]


def test_an_owner_with_room_keeps_two_pulls_open_and_a_standby_one() -> None:
    """An owner never waits for a round trip; a standby only has to be there."""
    assert [type(action) for action in lane().take_actions(0.0)] == [Pull]
    assert len(owner().pulls) == 2


def test_an_owner_without_room_holds_the_pin_with_pulls_of_one_byte() -> None:
    """Nothing more may come, and the partition must not go away."""
    full = owner()
    full.buffered = BUFFER_BYTES
    for token in (2, 3):
        full.status(token, Status(408, "Request Timeout"), 5.0)

    actions = full.take_actions(5.0)

    assert [action.max_bytes for action in actions if isinstance(action, Pull)] == [1]
    full.status(4, Status(409, "Message Size Exceeds MaxBytes"), 5.0)
    assert full.take_actions(5.1) == []
    assert len(full.take_actions(6.1)) == 1


def test_a_wrong_pin_loses_the_partition_and_what_waits_in_the_buffer() -> None:
    """It is somebody else's: nothing of it may be handed over any more."""
    owned = owner()
    owned.buffer.append("message")

    owned.status(2, Status(423, "Nats-Pin-Id mismatch"), 1.0)

    assert owned.pin is None
    assert not owned.buffer
    assert list(owned.events) == [Event.ASSIGNED, Event.LOST]
    assert not owned.delivered("p", 2, 2, 1.0), "a late message of the lost ownership"


def test_a_member_that_stood_still_for_the_pins_time_counts_itself_out() -> None:
    """After SIGSTOP and SIGCONT nothing may be committed, whatever the socket still holds."""
    owned = owner()

    assert not owned.lapsed(PIN_TIMEOUT)
    assert owned.lapsed(PIN_TIMEOUT + 0.1)
    assert list(owned.events) == [Event.ASSIGNED, Event.LOST]


def test_a_heartbeat_that_counts_more_deliveries_than_came_starts_a_reset() -> None:
    """The last messages before a silence can be lost as well."""
    owned = owner()

    owned.status(2, Status(100, "Idle Heartbeat", 1), 1.0)
    assert owned.take_actions(1.0) == []
    owned.status(2, Status(100, "Idle Heartbeat", 2), 2.0)
    assert any(isinstance(action, Reset) for action in owned.take_actions(2.0))


def test_two_missed_heartbeats_send_new_pulls_and_a_reset() -> None:
    """A pull that was forgotten by the server is not waited for."""
    owned = owner()

    owned.tick(3.0)

    actions = owned.take_actions(3.0)
    assert [type(action) for action in actions] == [Reset, Pull, Pull]


def test_a_standby_resets_what_a_dead_member_left_when_nothing_new_would_bring_it() -> None:
    """The server pins nobody while all is delivered."""
    waiting = lane()
    waiting.tick(0.0)
    assert any(isinstance(action, Look) for action in waiting.take_actions(0.0))

    waiting.looked(pinned=True, unacknowledged=3, pending=0, now=0.1)
    assert waiting.take_actions(0.1) == []
    waiting.looked(pinned=False, unacknowledged=3, pending=0, now=2.0)
    assert [type(action) for action in waiting.take_actions(2.0)] == [Reset]


def test_a_standby_with_nothing_to_worry_about_asks_no_more() -> None:
    """Idle partitions cost heartbeats only."""
    waiting = lane()
    waiting.tick(0.0)
    waiting.take_actions(0.0)
    waiting.looked(pinned=False, unacknowledged=0, pending=0, now=0.1)

    waiting.tick(5.0)
    assert not any(isinstance(action, Look) for action in waiting.take_actions(5.0))
    waiting.status(1, Status(100, "Idle Heartbeat", 1), 6.0)
    waiting.tick(6.0)
    assert any(isinstance(action, Look) for action in waiting.take_actions(6.0))


def test_a_deleted_consumer_ends_the_membership() -> None:
    """It is told with the server's words."""
    owned = owner()

    owned.status(2, Status(409, "Consumer Deleted"), 1.0)

    assert Fail(Status(409, "Consumer Deleted")) in owned.take_actions(1.0)
