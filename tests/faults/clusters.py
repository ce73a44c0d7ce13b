"""Clusters of real brokers, each Kafka broker with a second listener that advertises a proxy's port."""

import asyncio
import shutil
import threading
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import attrs
import nats
from nats.errors import Error as NatsError
from tests.brokers import Server

from partita_worker.devbroker.kafka import (
    Kafka,
    count_brokers,
    format_storage,
    java_command,
    new_cluster_id,
    properties,
)
from partita_worker.devbroker.nats import Nats
from partita_worker.devbroker.ports import HOST, free_port

SETTLE_SECONDS = 60.0
# Three start at once and none lives long: no time for the compiler that pays off later.
QUICK = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")

# Added to the settings of a broker of one's own; a later line counts.
SETTINGS = """\
node.id={node}
controller.quorum.voters={voters}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
listeners=PLAINTEXT://{host}:{port},PROXIED://{host}:{behind},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port},PROXIED://{host}:{front}
offsets.topic.replication.factor={nodes}
transaction.state.log.replication.factor={nodes}
min.insync.replicas={enough}
transaction.state.log.min.isr={enough}
unclean.leader.election.enable=false
controlled.shutdown.retry.backoff.ms=200
replica.lag.time.max.ms=3000
log.cleaner.backoff.ms=200
log.cleaner.min.cleanable.ratio=0.01
log.retention.check.interval.ms=500
"""
# Several controllers could not talk before they know the access lists, unless as a user who may do all.
ACCESS_LISTS = """\
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
"""


@attrs.frozen
class Ports:
    """
    Where one Kafka broker listens.

    Args:
        node: its number in the cluster, from 1.
        direct: for its peers, and for clients that use no proxy.
        controller: for the controllers of its peers.
        behind: the listener that a proxy passes on to.
        front: the port that this listener advertises: the proxy's.
    """

    node: int
    direct: int
    controller: int
    behind: int
    front: int


def _places(nodes: int) -> Sequence[Ports]:
    """Ports for so many brokers, no two of them the same: chance alone gives some port twice."""
    free = iter(different_ports(4 * nodes))
    return [Ports(node, next(free), next(free), next(free), next(free)) for node in range(1, nodes + 1)]


def different_ports(count: int) -> Collection[int]:
    """So many free ports, no two of them the same."""
    found: set[int] = set()
    while len(found) < count:
        found.add(free_port())
    return found


class Storage:
    """Prepares the data folders of one cluster. The tool takes seconds, so it is run once and copied from."""

    def __init__(self) -> None:
        self._cluster = new_cluster_id()
        self._prepared: Path | None = None
        self._one_at_a_time = threading.Lock()

    def prepare(self, java: Sequence[str], folder: Path, data: Path, node: int) -> None:
        """Prepare an empty *data* folder, for a broker whose settings are in *folder*."""
        with self._one_at_a_time:
            if self._prepared is None:
                format_storage(java, folder, self._cluster)
                # A copy, for the broker may soon write to its own.
                self._prepared = folder / "prepared"
                shutil.copytree(data, self._prepared)
                return
            shutil.copytree(self._prepared, data, dirs_exist_ok=True)
            about = {
                "version": 1,
                "cluster.id": self._cluster,
                "node.id": node,
                "directory.id": new_cluster_id(),
            }
            lines = [f"{key}={value}\n" for key, value in about.items()]
            (data / "meta.properties").write_text("".join(lines), encoding="ascii")


class KafkaNode(Kafka):
    """One of several Kafkas that are a cluster."""

    def __init__(self, ports: Ports, peers: Sequence[Ports], storage: Storage, disk: Path | None) -> None:
        self._ports, self._peers, self._storage, self._disk = ports, peers, storage, disk

    def command(self, folder: Path, port: int, say: Callable[[str], None]) -> Sequence[str]:
        """Write the settings, and return what starts the broker in *folder*."""
        program, *arguments = java_command(say)
        java, ports = [program, *QUICK, *arguments], self._ports
        more = SETTINGS.format(
            node=ports.node, port=port, behind=ports.behind, front=ports.front, host=HOST,
            controller=ports.controller, nodes=len(self._peers), enough=1 + (len(self._peers) > 1),
            voters=",".join(f"{each.node}@{HOST}:{each.controller}" for each in self._peers),
        )  # fmt: skip
        more += ACCESS_LISTS if len(self._peers) == 1 else ""
        data = folder / "data" if self._disk is None else self._disk
        more += f"log.dirs={data}\n"
        (folder / "server.properties").write_text(properties(port, ports.controller) + more, encoding="ascii")
        if not (data / "meta.properties").exists():
            self._storage.prepare(java, folder, data, ports.node)
        return [*java, "kafka.Kafka", "server.properties"]


@attrs.frozen
class Broker:
    """
    One Kafka of a cluster.

    Args:
        server: starts, kills and freezes it.
        ports: where it listens.
    """

    server: Server
    ports: Ports

    @property
    def behind(self) -> str:
        """HOST:PORT that a proxy passes on to."""
        return f"{HOST}:{self.ports.behind}"


class KafkaCluster:
    """
    Kafkas that are one cluster, each of them broker and controller.

    Args:
        folder: an empty folder for their data.
        nodes: how many.
        disk: where the first one keeps its data; default: in *folder*, as the others do.
    """

    def __init__(self, folder: Path, nodes: int = 3, disk: Path | None = None) -> None:
        places, storage = _places(nodes), Storage()
        self.brokers: Mapping[int, Broker] = {
            each.node: Broker(Server(self._kind(each, places, storage, disk), folder, each.direct), each)
            for each in places
        }

    @staticmethod
    def _kind(ports: Ports, places: Sequence[Ports], storage: Storage, disk: Path | None) -> KafkaNode:
        return KafkaNode(ports, places, storage, disk if ports.node == 1 else None)

    @property
    def address(self) -> str:
        """HOST:PORT of each broker, for clients that use no proxy."""
        return ",".join(each.server.address for each in self.brokers.values())

    def start(self) -> None:
        """Start all of them, and wait until each knows of all."""
        with ThreadPoolExecutor(len(self.brokers)) as threads:
            list(threads.map(lambda each: each.server.start(), self.brokers.values()))
        self.settle()

    def settle(self) -> None:
        """Wait until each broker knows of all."""
        ports = [each.ports.direct for each in self.brokers.values()]
        wait_for(lambda: all(count_brokers(port) == len(ports) for port in ports), "the cluster is whole")

    def end(self) -> None:
        """Kill what is up: nobody wants the data any more."""
        for each in self.brokers.values():
            each.server.end()


class NatsNode(Nats):
    """One of several NATS servers that are a cluster."""

    def __init__(self, name: str, cluster: str, port: int, routes: Sequence[int]) -> None:
        self._name, self._cluster, self._port, self._routes = name, cluster, port, routes

    def command(self, folder: Path, port: int, say: Callable[[str], None]) -> Sequence[str]:
        """What starts the server in *folder*."""
        routes = ",".join(f"nats://{HOST}:{each}" for each in self._routes)
        return [
            *super().command(folder, port, say), "-n", self._name, "--cluster_name", self._cluster,
            "--cluster", f"nats://{HOST}:{self._port}", "--routes", routes,
        ]  # fmt: skip


class NatsCluster:
    """
    Three NATS servers with JetStream that are one cluster.

    Args:
        folder: an empty folder for their data.

    Attributes:
        servers: each by its name in the cluster.
    """

    def __init__(self, folder: Path) -> None:
        cluster, ports = f"c{uuid.uuid4().hex[:8]}", list(different_ports(6))
        self.servers: Mapping[str, Server] = {
            f"n{at + 1}": Server(NatsNode(f"n{at + 1}", cluster, port, ports[:3]), folder, ports[at + 3])
            for at, port in enumerate(ports[:3])
        }

    @property
    def address(self) -> str:
        """HOST:PORT of each server."""
        return ",".join(each.address for each in self.servers.values())

    def start(self) -> None:
        """Start all three, and wait until they have a leader."""
        for each in self.servers.values():
            each.start()
        self.settle()

    def settle(self) -> None:
        """Wait until those that are up have a leader; they take seconds to choose one."""
        for each in self.servers.values():
            if each.is_up:
                address = each.address
                wait_for(lambda at=address: asyncio.run(self._has_leader(at)), f"{address} has a leader")  # type: ignore[misc]

    async def _has_leader(self, address: str) -> bool:
        """Without a leader, or one that it knows of, a server does not answer what is asked of JetStream."""
        client = await nats.connect(f"nats://{address}")
        try:
            await client.jetstream(timeout=1.0).account_info()
        except NatsError:
            return False
        finally:
            await client.close()
        return True

    def end(self) -> None:
        """Kill what is up: nobody wants the data any more."""
        for each in self.servers.values():
            each.end()


def wait_for(condition: Callable[[], bool], what: str, within: float = SETTLE_SECONDS) -> None:
    """Wait for a condition of servers, which do not answer at times; fail, saying what was waited for."""

    async def look() -> None:
        async with asyncio.timeout(within):
            while not await asyncio.to_thread(_holds, condition):
                await asyncio.sleep(0.05)

    try:
        asyncio.run(look())
    except TimeoutError:
        raise AssertionError(f"not within {within:g} s: {what}") from None


def _holds(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except (OSError, NatsError):
        # Not up, or up and not ready yet: it does not hold.
        return False


@contextmanager
def kafka_cluster(folder: Path, nodes: int = 3, disk: Path | None = None) -> Iterator[KafkaCluster]:
    """A cluster that is up inside the block and gone after it; see `KafkaCluster`."""
    cluster = KafkaCluster(folder, nodes, disk)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.end()


@contextmanager
def nats_cluster(folder: Path) -> Iterator[NatsCluster]:
    """A cluster that is up inside the block and gone after it."""
    cluster = NatsCluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.end()
