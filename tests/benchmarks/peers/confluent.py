"""Confluent's Parallel Consumer: a Java program that reads the same topic in a process of its own."""

import asyncio
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import attrs
from tests.benchmarks.brokered import DEADLINE, Topic
from tests.benchmarks.measuring import Cost
from tests.benchmarks.peers.programs import PeerFailed, output

NAME = "Parallel Consumer"
VERSION = "0.5.3.3"
COORDINATE = f"io.confluent.parallelconsumer:parallel-consumer-core:{VERSION}"
SOURCE = Path(__file__).with_name("ParallelConsumer.java")
LISTING_SECONDS = 60.0
QUIET = "-Dslf4j.internal.verbosity=ERROR"  # it has no logger, and would say so


@attrs.define(eq=False)
class Peer:
    """
    The program, measured as often as asked, each time as a new process and a new group.

    Args:
        command: what compiles and starts it, its arguments left out.

    Attributes:
        most: the most calls that were in flight at once.
        faults: how many calls broke the order of their key.
        memory: megabytes that its last process had at the end.
    """

    command: Sequence[str]
    most: int = 0
    faults: int = 0
    memory: float = 0.0

    async def measure(self, topic: Topic, messages: int, concurrency: int, seconds: float) -> Cost:
        """
        What *messages* of the topic took, from the first call of its handler to the end of the last.

        Raises:
            PeerFailed: it failed, or did not end in time.
        """
        arguments = [topic.address, topic.name, str(messages), str(concurrency), f"{seconds * 1000:.0f}"]
        printed = await asyncio.to_thread(output, NAME, [*self.command, *arguments], DEADLINE)
        elapsed, cpu, memory, most, faults = printed.split()
        self.memory = float(memory)
        self.most, self.faults = max(self.most, int(most)), self.faults + int(faults)
        return Cost(messages, float(elapsed), float(cpu))

    def resident(self) -> float:
        """Megabytes that its last process had at the end; not a number where the system does not tell."""
        return self.memory


def found() -> Peer:
    """
    The program, with the machine's own JDK, and jars from the cache or, the first time, from Maven Central.

    Raises:
        PeerFailed: there is no JDK, or the jars could not be fetched.
    """
    java = shutil.which("java")
    if java is None:
        raise PeerFailed(f"{NAME} is left out: there is no java on the PATH")
    # Without its compiler a Java runtime does not start a source file, nor does any before version 11.
    if "jdk.compiler" not in output(NAME, [java, "--list-modules"], LISTING_SECONDS):
        raise PeerFailed(f"{NAME} is left out: the java on the PATH is a runtime without a compiler")
    return Peer([java, QUIET, "-cp", os.pathsep.join(_jars()), str(SOURCE)])


def _jars() -> Sequence[str]:
    try:
        import jgo
    except ImportError as error:
        raise PeerFailed(f"{NAME} is left out: the package jgo, which fetches it, is missing") from error
    # Its warnings name hosts and files; what failed is said below in one sentence.
    logging.getLogger("jgo").setLevel(logging.CRITICAL)
    try:
        # Not `classpath`: it lacks the jars that jgo 3.2 sorts as modules.
        return [str(jar) for jar in jgo.build(COORDINATE).all_jars]
    except (OSError, RuntimeError, ValueError) as error:
        raise PeerFailed(f"{NAME} is left out: Maven Central did not give {COORDINATE}") from error
