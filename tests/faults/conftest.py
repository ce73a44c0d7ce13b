"""A real Kafka behind a proxy, for all tests here that need one."""

from collections.abc import Iterator

import pytest
from tests.faults.clusters import Broker, kafka_cluster
from tests.faults.kafka_proxy import KafkaProxy, kafka_proxy


@pytest.fixture(scope="package")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A Kafka that advertises a proxy's port as well; each test leaves it up, with topics of its own."""
    with kafka_cluster(tmp_path_factory.mktemp("proxied"), nodes=1) as cluster:
        yield cluster.brokers[1]


@pytest.fixture
def proxied(broker: Broker) -> Iterator[KafkaProxy]:
    """The proxy before it: clients that begin here stay behind the proxy."""
    with kafka_proxy(broker.behind, broker.ports.front) as proxy:
        yield proxy
