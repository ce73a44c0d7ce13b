"""The real brokers that tests share, and those that a test has to itself. None is ever skipped."""

import logging
from collections.abc import Iterator

import pytest
from tests.brokers import Server, given_address, running

from partita_worker.devbroker.errors import BrokerError


@pytest.fixture(autouse=True)
def levels_of_loggers() -> Iterator[None]:
    """A command that a test runs in this process sets levels; the tests after it look into the log."""
    names = ("", "aiokafka", "aiokafka.conn", "aiokafka.producer", "nats")
    before = {name: logging.getLogger(name or None).level for name in names}
    yield
    for name, level in before.items():
        logging.getLogger(name or None).setLevel(level)


def shared(kind: str, factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one server for the whole run; a run without it cannot mean anything, so it ends."""
    if (address := given_address(kind)) is not None:
        yield address
        return
    try:
        with running(kind, factory.mktemp(kind)) as server:
            yield server.address
    except BrokerError as error:
        pytest.exit(f"the tests need a real broker: {error}", returncode=2)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of a real Kafka that all tests share: use topics and groups of your own."""
    yield from shared("kafka", tmp_path_factory)


@pytest.fixture(scope="session")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of a real NATS server with JetStream that all tests share."""
    yield from shared("nats", tmp_path_factory)


@pytest.fixture
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real Kafka for this test alone, up already."""
    with running("kafka", tmp_path_factory.mktemp("own_kafka")) as server:
        yield server


@pytest.fixture
def own_nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real NATS server for this test alone, up already."""
    with running("nats", tmp_path_factory.mktemp("own_nats")) as server:
        yield server
