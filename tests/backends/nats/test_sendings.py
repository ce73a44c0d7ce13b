"""The book of messages on their way: order, window, repetition, giving up, and flush."""

import asyncio
from collections.abc import Callable

from nats.errors import TimeoutError as NatsTimeoutError

from partita.backends.nats.sendings import ANSWER_SECONDS, GIVE_UP_SECONDS, IN_FLIGHT, Sending, Sendings
from partita.core.ports import Outgoing, Receipt

RECEIPT = Receipt("t", 0, 1, 0)


def in_a_loop(scenario: Callable[[Sendings], None]) -> None:
    """Futures need a loop; nothing here waits for one."""

    async def run() -> None:
        scenario(Sendings())

    asyncio.run(run())


def add(book: Sendings, count: int = 1, now: float = 0.0) -> list["asyncio.Future[Receipt]"]:
    """Give messages to the book."""
    results = [asyncio.get_running_loop().create_future() for _ in range(count)]
    for result in results:
        book.add("t", Outgoing(b""), result, now)
    return results


def send(book: Sendings, count: int = 1, now: float = 0.0) -> list[Sending]:
    """Send what is next."""
    sent = []
    for _ in range(count):
        head = book.head()
        assert head is not None
        book.start(head, 100)
        head.sent(now, 120.0)
        sent.append(head)
    return sent


def test_the_window_holds_back_what_is_too_much_and_lets_it_go_in_order() -> None:
    """Memory is bounded by what is under way, and nobody overtakes."""

    def scenario(book: Sendings) -> None:
        add(book, IN_FLIGHT + 2)
        sent = send(book, IN_FLIGHT)
        assert book.head() is None

        book.done(sent[5], RECEIPT)

        head = book.head()
        assert head is not None
        assert head.number == IN_FLIGHT + 1

    in_a_loop(scenario)


def test_after_a_lost_connection_all_that_is_unanswered_is_due_again_in_order() -> None:
    """Order within a partition survives a reconnect."""

    def scenario(book: Sendings) -> None:
        add(book, 4)
        sent = send(book, 4)
        book.done(sent[1], RECEIPT)

        book.repeat_all(1.0)

        assert [one.number for one in book.due(1.0)] == [1, 3, 4]

    in_a_loop(scenario)


def test_a_message_is_due_again_when_no_answer_came_in_time() -> None:
    """On a connection that stays up."""

    def scenario(book: Sendings) -> None:
        add(book)
        sent = send(book)

        assert book.due(ANSWER_SECONDS - 1) == []
        assert book.due(ANSWER_SECONDS + 1) == sent

    in_a_loop(scenario)


def test_a_message_fails_with_the_clients_timeout_before_its_id_is_forgotten() -> None:
    """Sent again later it could be stored twice."""

    def scenario(book: Sendings) -> None:
        add(book)
        [sending] = send(book)
        sending.give_up_at = 10.0

        assert list(book.expired(9.0)) == []
        [(failed, error)] = book.expired(10.0)

        assert failed is sending
        assert isinstance(error, NatsTimeoutError)

    in_a_loop(scenario)


def test_a_queue_that_moves_never_times_out_and_one_that_stands_does() -> None:
    """A long queue is no fault; a server that is away is."""

    def scenario(book: Sendings) -> None:
        add(book, 3)
        book.progress_at = 20.0

        assert list(book.expired(GIVE_UP_SECONDS + 10.0)) == []
        assert len(list(book.expired(GIVE_UP_SECONDS + 20.0))) == 3

    in_a_loop(scenario)


def test_flush_waits_for_what_was_added_before_it_and_not_for_what_comes_after() -> None:
    """Failed messages count as settled."""

    def scenario(book: Sendings) -> None:
        first, second = add(book, 2)
        sent = send(book, 2)
        waiter = asyncio.get_running_loop().create_future()
        book.flush(waiter)
        add(book)

        book.done(sent[1], RECEIPT)
        assert not waiter.done()
        book.done(sent[0], ValueError("refused"))

        assert waiter.done()
        assert isinstance(first.exception(), ValueError)
        assert second.result() == RECEIPT

    in_a_loop(scenario)


def test_flush_of_nothing_is_done_at_once() -> None:
    """A bus that sent nothing closes at once."""

    def scenario(book: Sendings) -> None:
        waiter = asyncio.get_running_loop().create_future()

        book.flush(waiter)

        assert waiter.done()

    in_a_loop(scenario)


def test_tells_what_is_not_stored_yet_and_since_when() -> None:
    """What was sent with its size on the wire, what waits with its payload, and the oldest of both."""

    def scenario(book: Sendings) -> None:
        idle = (book.pending_bytes, book.pending_since)
        add(book, 1, now=5.0)
        book.add("t", Outgoing(b"12345"), asyncio.get_running_loop().create_future(), 7.0)
        waiting = (book.pending_bytes, book.pending_since)
        (first,) = send(book)
        under_way = (book.pending_bytes, book.pending_since)
        book.done(first, RECEIPT)

        assert idle == (0, None)
        assert (waiting, under_way) == ((5, 5.0), (105, 5.0))
        assert (book.pending_bytes, book.pending_since) == (5, 7.0)

    in_a_loop(scenario)
