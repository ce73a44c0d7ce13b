"""What the system knows of this process, under the names that Prometheus's own client libraries use."""

import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from partita_worker.endpoint.figures import Family, Sample

_STARTED = time.time()
_MEMORY, _DESCRIPTORS = Path("/proc/self/statm"), Path("/proc/self/fd")


def process_families() -> Iterator[Family]:
    """CPU, memory, threads, and descriptors where the system tells them."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu, memory = usage.ru_utime + usage.ru_stime, _resident(usage.ru_maxrss)
    yield _of("process_cpu_seconds_total", "counter", "CPU time used, in seconds.", cpu)
    yield _of("process_resident_memory_bytes", "gauge", "Memory in use, in bytes.", memory)
    told = "When the worker started, in seconds since 1970."
    yield _of("process_start_time_seconds", "gauge", told, _STARTED)
    yield _of("process_threads", "gauge", "Threads that Python knows of.", threading.active_count())
    if _DESCRIPTORS.exists():
        yield _of("process_open_fds", "gauge", "Open file descriptors.", len(os.listdir(_DESCRIPTORS)))


def _resident(most: int) -> int:
    """The bytes in memory now; where the system does not tell them, the most that there were."""
    if _MEMORY.exists():
        return int(_MEMORY.read_text().split()[1]) * resource.getpagesize()
    return most if sys.platform == "darwin" else most * 1024


def _of(name: str, kind: str, told: str, value: float) -> Family:
    return Family(name, kind, told, [Sample(value)])
