"""
Many messages at once: which of them were acknowledged and which were not, and what is sent without waiting.

    python examples/publish_batch.py
"""

import asyncio
import logging
import sys

from partita import Outgoing, PublishErrors, open_bus

PARCELS = [
    b"chair",
    Outgoing(b"table", key=b"ada", headers=[("fragile", b"no"), ("via", b"road"), ("via", b"sea")]),
    Outgoing(b"lamp", partition=7),  # there is no such partition
    Outgoing(None, key=b"bob"),  # a null value: on a compacted topic it deletes what has this key
    Outgoing(b"sofa", partition=1, timestamp=1_700_000_000_000),
]


async def main() -> None:
    logging.basicConfig(stream=sys.stdout, format="log: %(message)s")
    async with open_bus("memory://?partitions=2") as bus:
        try:
            await bus.publish_batch("parcels", PARCELS)
        except PublishErrors as errors:  # a group of the errors themselves: except* SettingsError works too
            for index, error in errors.errors.items():
                print(f"parcel {index}: {error}")
            print(f"parcels {sorted(errors.receipts)} are stored")

        receipts = await bus.publish_batch("parcels", [b"%d" % number for number in range(1000)])
        print(f"{len(receipts)} more, all acknowledged")

        delivery = bus.send("parcels", b"parasol", partition=0)
        print(f"sent without waiting: stored in partition {(await delivery).partition}")
        bus.send("parcels", b"umbrella", partition=9)  # nobody awaits this one
        try:
            await bus.flush()
        except PublishErrors as errors:
            print(f"flush: {errors.exceptions[0]}")


if __name__ == "__main__":
    asyncio.run(main())
