"""Handlers that another process can import, and that keep a core busy."""

from hashlib import sha256

PIECE = bytes(64)  # hashlib lets other threads run from 2,048 bytes on; this holds the interpreter


def crunch(value: bytes, times: int = 4_000) -> None:
    """About a millisecond of Python."""
    for _ in range(times):
        sha256(PIECE)


def quick(value: bytes) -> None:
    """Nothing."""
