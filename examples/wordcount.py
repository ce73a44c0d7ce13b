"""
Count words in lines, and print the ten most frequent at the end.

    worker run examples.wordcount:router --feed lines=README.md --burst
"""

import re
from collections import Counter
from collections.abc import AsyncIterator

from partita import Context, EventBus, Router

router = Router()
words = re.compile(rb"[a-z0-9']+")


@router.lifespan
async def counting(bus: EventBus) -> AsyncIterator[Counter[bytes]]:
    """The counter that all messages share."""
    counts: Counter[bytes] = Counter()
    yield counts
    for word, count in sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:10]:
        print(f"{count:6}  {word.decode()}")


@router.handler("lines")
async def count(line: bytes, context: Context[Counter[bytes]]) -> None:
    """Add the words of one line."""
    context.state.update(words.findall(line.lower()))
