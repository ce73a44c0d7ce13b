"""A broker that the tests of one module may kill, freeze and start again."""

from collections.abc import Iterator

import pytest
from tests.brokers import Server, running


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real Kafka; each test leaves it up. One for the module, as each start takes seconds."""
    with running("kafka", tmp_path_factory.mktemp("own_kafka")) as server:
        yield server
