"""A bus for a command that works with messages of other processes."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from partita import EventBus, PartitaError, TopicMissing
from partita_worker.buses import make_bus
from partita_worker.failures import BrokerRefused, memory_refused
from partita_worker.logs import set_up_logging
from partita_worker.verdicts import described


@asynccontextmanager
async def broker_bus(url: str, command: str) -> AsyncIterator[EventBus]:
    """
    An open bus on a broker.

    Raises:
        UsageError: it is the memory bus.
        SettingsError: the address cannot be used.
        Exception: the client's own error when no broker answers.
    """
    if url.partition("://")[0] == "memory":
        raise memory_refused(command)
    # What goes wrong is told by the command itself, once and in one paragraph.
    set_up_logging("critical", "text")
    async with make_bus(url) as bus:
        yield bus


async def check_topic(bus: EventBus, topic: str) -> None:
    """
    Look whether there is such a topic.

    Raises:
        TopicMissing: there is none.
    """
    if topic not in await bus.list_topics():
        raise TopicMissing(topic)


@contextmanager
def refusals_told(bus: EventBus, what: str) -> Iterator[None]:
    """Turn a broker's "no" to *what* was asked into a paragraph; ours and lost connections pass."""
    try:
        yield
    except PartitaError:
        raise
    except Exception as error:
        if bus.is_unreachable(error):
            raise
        raise BrokerRefused(f"the broker at {bus.address} did not {what}: {described(error)}") from error
