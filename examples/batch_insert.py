"""
Rows go into a database a batch at a time; a bad one goes to the dead letters and holds up nobody.

    python examples/batch_insert.py
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator

from partita import Batch, Context, EventBus, Retry, Router, open_bus

router = Router()


@router.lifespan
async def database(bus: EventBus) -> AsyncIterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.execute("create table events (place text primary key, number integer not null)")
    yield connection
    count, total = connection.execute("select count(*), sum(number) from events").fetchone()
    print(f"{count} rows, total {total}")
    connection.close()


@router.batch_handler("events", size=100, within=0.2, retry=Retry(attempts=1), dead_letter="events.dlq")
async def store(batch: Batch, context: Context[sqlite3.Connection]) -> None:
    rows = []
    for index, message in enumerate(batch):
        try:
            rows.append((repr(message), int(message.value or b"")))
        except ValueError as error:
            batch.fail(index, error)
    with context.state:  # one transaction; a batch that comes twice changes nothing
        context.state.executemany("insert or ignore into events values (?, ?)", rows)
    print(f"partition {batch.partition}: {len(batch)} messages, {len(rows)} rows")


async def main() -> None:
    async with open_bus("memory://?partitions=2") as bus:
        for number in range(250):
            value = b"seven" if number == 7 else b"%d" % number
            await bus.publish("events", value, partition=number % 2)
        summary = await bus.run(router, group="storage", burst=True)
        print(f"handled {summary.handled}, failed {summary.failed}")


if __name__ == "__main__":
    asyncio.run(main())
