"""The NATS server of a command: the one that is named in PARTITA_TEST_NATS, or one of its own."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.brokers import given_address, running


@contextmanager
def nats() -> Iterator[str]:
    """HOST:PORT of a NATS server that answers."""
    if address := given_address("nats"):
        yield address
        return
    with tempfile.TemporaryDirectory() as folder, running("nats", Path(folder)) as server:
        yield server.address
