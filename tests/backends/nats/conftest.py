"""A network to the shared server that a test can break."""

from collections.abc import Iterator

import pytest
from tests.faults.byte_proxy import ByteProxy, byte_proxy


@pytest.fixture
def proxy(nats: str) -> Iterator[ByteProxy]:
    """A network of the test's own."""
    with byte_proxy(nats) as made:
        yield made
