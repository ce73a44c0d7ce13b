"""One Kafka with every kind of listener for all tests here."""

from collections.abc import Iterator

import pytest
from tests.security.broker import Secure


@pytest.fixture(scope="package")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    """A broker that asks for certificates and logins; each test uses topics, groups and rules of its own."""
    broker = Secure(tmp_path_factory.mktemp("secure"))
    broker.server.start()
    try:
        yield broker
    finally:
        broker.server.end()
