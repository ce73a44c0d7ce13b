"""
Row 6: every broker is stopped in good order and started again; `python -m tests.chaos.rolling_brokers`.

Three members behind counting proxies, three brokers, one after the other, each in sync again before the
next. Nobody has to join again and nothing repeats. Takes about a minute and a half.
"""

import asyncio
import time

from tests.chaos.three_kafkas import Behind, goes_on, settled, three_kafkas, verdict


async def scenario(behind: Behind) -> None:
    """Restart each, and wait for everybody to go on."""
    async with behind.working() as used:
        joins, begun = behind.joins, time.monotonic()
        for each in behind.cluster.brokers.values():
            await asyncio.to_thread(each.server.stop)
            await goes_on(used)
            await asyncio.to_thread(each.server.start)
            await settled(behind.cluster)
        await goes_on(used)
        more, taken = behind.joins - joins, time.monotonic() - begun
    verdict(used, f"3 brokers restarted in {taken:.0f} s, {more} joins")
    assert joins >= 3 and more == 0  # noqa: PT018 - the proxies have counted, and nothing since


def main() -> None:
    """Run it."""
    with three_kafkas() as behind:
        asyncio.run(scenario(behind))


if __name__ == "__main__":
    main()
