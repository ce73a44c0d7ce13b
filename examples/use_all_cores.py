"""
Hash passwords on all cores: the handler runs in processes of its own, and its results are published.

    worker run examples.use_all_cores:router --feed passwords=README.md --burst
"""

import hashlib
from collections.abc import AsyncIterator

from partita import Context, EventBus, Router

router = Router(order="none")


@router.lifespan
async def keeping(bus: EventBus) -> AsyncIterator[set[bytes]]:
    """What the handlers of this process share; those in other processes have none of it."""
    kept: set[bytes] = set()
    yield kept
    print(f"{len(kept)} different hashes, the least begins with {min(kept)[:8].decode()}")


@router.handler("passwords", run="process", to="hashes")
def scramble(password: bytes) -> bytes:
    """Keep a core busy for a few milliseconds."""
    return hashlib.pbkdf2_hmac("sha256", password, b"salt", 5_000).hex().encode()


@router.handler("hashes")
async def keep(scrambled: bytes, context: Context[set[bytes]]) -> None:
    """Store one hash, on the event loop."""
    context.state.add(scrambled)
