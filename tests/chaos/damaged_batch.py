"""
A batch that the broker's disk has damaged: `python -m tests.chaos.damaged_batch`.

One bit in the broker's own file is flipped while it is down. The client compares checksums, and raises at a
wrong one for ever; ours loses that batch to the dead-letter topic and reads on. Takes about 20 s.
"""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.backends.kafka.batches import batch
from tests.brokers import running
from tests.faults.test_records import NAMED, read, write

from partita import open_bus

TOPIC = "damaged"


async def fill(address: str) -> None:
    """Three batches; the second is the one that will be damaged."""
    async with open_bus(f"kafka://{address}") as bus:
        for name in (TOPIC, f"{TOPIC}.dlq"):
            await bus.create_topic(name, partitions=1)
    await write(address, TOPIC, batch(0, NAMED), batch(0, [(None, b"unlucky", [])] * 2), batch(0, NAMED))


def damage(log: Path, what: bytes) -> None:
    """Flip a bit of *what* in the broker's own files."""
    for segment in log.rglob("*.log"):
        held = segment.read_bytes()
        if what in held:
            at = held.index(what)
            segment.write_bytes(held[:at] + bytes([held[at] ^ 1]) + held[at + 1 :])
            return
    raise AssertionError("no segment of the broker holds that")


async def look(address: str) -> None:
    """With the client's own reader it parks its partition; the lazy one makes it a dead letter."""
    async with open_bus(f"kafka://{address}?record_reader=client") as bus:
        _, summary = await read(bus, TOPIC, dead_letter=False)
        assert [each.offset for each in summary.parked] == [3], summary
    async with open_bus(f"kafka://{address}") as bus:
        seen, summary = await read(bus, TOPIC)
        (letter,) = [each async for each in bus.dead_letters(f"{TOPIC}.dlq")]
    assert [each.offset for each in seen] == [5, 6, 7], seen
    assert (letter.offset, letter.reason, summary.failed) == (3, "undecodable", 1), letter
    assert "checksum" in letter.error, letter


def main() -> None:
    """Damage a batch and look what becomes of it."""
    with TemporaryDirectory() as name, running("kafka", Path(name)) as server:
        asyncio.run(fill(server.address))
        server.stop()
        damage(Path(name), b"unlucky")
        server.start()
        asyncio.run(look(server.address))
    print("offset 3 parked with the client's reader, and was a dead letter with ours; 5 to 7 were handled")


if __name__ == "__main__":
    main()
