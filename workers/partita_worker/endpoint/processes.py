"""What the system knows of this process, under the names that Prometheus's own client libraries use."""

import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from partita_worker.endpoint.figures import Family
from partita_worker.endpoint.names import figure

_STARTED = time.time()
_MEMORY, _DESCRIPTORS = Path("/proc/self/statm"), Path("/proc/self/fd")


def process_families() -> Iterator[Family]:
    """CPU, memory, threads, and descriptors where the system tells them."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    yield figure("process_cpu_seconds_total", [(usage.ru_utime + usage.ru_stime,)])
    yield figure("process_resident_memory_bytes", [(_resident(usage.ru_maxrss),)])
    yield figure("process_start_time_seconds", [(_STARTED,)])
    yield figure("process_threads", [(threading.active_count(),)])
    if _DESCRIPTORS.exists():
        yield figure("process_open_fds", [(len(os.listdir(_DESCRIPTORS)),)])


def _resident(most: int) -> int:
    """The bytes in memory now; where the system does not tell them, the most that there were."""
    if _MEMORY.exists():
        return int(_MEMORY.read_text().split()[1]) * resource.getpagesize()
    return most if sys.platform == "darwin" else most * 1024
