"""A program that logs at DEBUG and prints all that can be printed, to be searched for secrets."""

import asyncio
import logging
import os
import sys
import traceback

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from partita import Message, Retry, open_bus


def crash(error: BaseException) -> None:
    """Print an error as some crash reporters do: with what each function held."""
    print("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))


async def work(url: str, topic: str) -> None:
    """Publish and consume, look at everything, and fail with a message in hand."""

    async def take(message: Message) -> None:
        raise ValueError("a handler that fails")

    async with open_bus(url) as bus:
        await bus.create_topic(topic, partitions=1)
        planted = os.environ["PLANTED"].encode()
        await bus.publish(topic, planted, key=planted, headers=[("h", planted)])
        del planted
        await bus.subscribe(topic, take, group=topic, retry=Retry(attempts=1))
        while (await bus.health_check()).healthy:  # until its message is parked
            await asyncio.sleep(0.05)
        print(bus, bus.metrics(), bus.options, bus.states(), await bus.health_check(), vars(bus))
        try:
            await bus.delete_topic("no.such.topic")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is to be printed
            crash(error)


async def fail(url: str) -> None:
    """Try to open a bus that cannot be opened."""
    try:
        async with open_bus(url):
            pass
    except Exception as error:  # noqa: BLE001 - whatever it is, it is to be printed
        crash(error)


async def main() -> None:
    """The first address works, and the others do not."""
    works, topic, *others = sys.argv[1:]
    await work(works, topic)
    for url in others:
        await fail(url)


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
    trace.set_tracer_provider(provider)
    asyncio.run(main(), debug=True)
