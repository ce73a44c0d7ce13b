"""The Kafka of a command: the one that is named in PARTITA_TEST_KAFKA, or one of its own."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.brokers import given_address, running


@contextmanager
def kafka() -> Iterator[str]:
    """HOST:PORT of a Kafka that answers."""
    if address := given_address("kafka"):
        yield address
        return
    with tempfile.TemporaryDirectory() as folder, running("kafka", Path(folder)) as server:
        yield server.address
