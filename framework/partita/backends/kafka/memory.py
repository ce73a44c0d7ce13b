"""
Memory that the process gives back and asks for again is slow: what was fetched is megabytes, freed at once.

glibc returns large pieces to the system, which clears each page anew at the next fetch. That took half of the
time of a consumer that reads fetches of 1 MiB. So up to 16 MiB of what was freed is kept.
"""

import ctypes
import logging
import os
from functools import cache

KEPT = 16 * 1024 * 1024
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_BY_USER = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES")
_log = logging.getLogger("partita.kafka")


@cache
def keep_freed() -> bool:
    """
    Have the process keep up to 16 MiB that it has freed, unless the environment says how malloc is to be.

    Returns whether it does; it cannot where the C library is not glibc.
    """
    if any(name in os.environ for name in _BY_USER):
        return False
    try:
        tune = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False  # musl, macOS and Windows have no such call
    kept = bool(min(tune(which, KEPT) for which in (_TRIM_THRESHOLD, _MMAP_THRESHOLD)) == 1)
    _log.debug("malloc keeps %d bytes: %s", KEPT, kept)
    return kept
