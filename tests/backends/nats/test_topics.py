"""Topics are listed while the servers elect a leader."""

from collections.abc import Mapping

import pytest
from nats import errors
from tests.simulated import run

from partita.backends.nats.answers import Answer
from partita.backends.nats.client import REQUEST_SECONDS, Connection
from partita.backends.nats.settings import NatsSetup
from partita.backends.nats.topics import Topics

STREAM = {"config": {"subjects": ["a.0", "a.1"], "metadata": {"partita-topic": "a"}}}


class Electing(Connection):
    """A connection to servers that do not answer the first few requests."""

    def __init__(self, silent: int) -> None:
        super().__init__(NatsSetup(("nats://127.0.0.1:1",), "nats://127.0.0.1:1", {}), "test")
        self.silent, self.asked = silent, 0

    async def ask(
        self, call: str, body: Mapping[str, object] | None = None, timeout: float = REQUEST_SECONDS
    ) -> Answer:
        """Answer, or not yet."""
        self.asked += 1
        if self.asked <= self.silent:
            raise errors.TimeoutError
        return Answer({"streams": [STREAM], "total": 1})


def test_a_listing_that_is_not_answered_is_asked_again() -> None:
    """Servers that elect a leader answer nobody for a moment."""
    connection = Electing(silent=2)

    assert run(Topics(connection).listed())[0] == {"a": 2}
    assert connection.asked == 3


def test_a_listing_that_is_never_answered_fails_with_the_clients_own_error() -> None:
    """After four requests."""
    connection = Electing(silent=100)

    with pytest.raises(errors.TimeoutError):
        run(Topics(connection).listed())

    assert connection.asked == 4
