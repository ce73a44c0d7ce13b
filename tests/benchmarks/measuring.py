"""Rounds, costs and tables. Machines differ and are busy, so only ratios within one run mean anything."""

import gc
import resource
import sys
from asyncio import AbstractEventLoop, Runner
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import TypeVar

import attrs

STATM = Path("/proc/self/statm")
MEGABYTE = 1 << 20
T = TypeVar("T")
Loops = Mapping[str, Callable[[], AbstractEventLoop] | None]


@attrs.frozen
class Cost:
    """
    What handling some messages took.

    Args:
        messages: how many.
        seconds: by the clock.
        cpu: seconds of this process.
    """

    messages: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    @property
    def cpu_rate(self) -> float:
        """Messages a second of this process's CPU time."""
        return self.messages / self.cpu

    @property
    def cpu_micros(self) -> float:
        """Microseconds of CPU time a message."""
        return self.cpu / self.messages * 1e6


class Stopwatch:
    """The clock and the CPU time since it was made."""

    def __init__(self) -> None:
        self._began, self._cpu = perf_counter(), process_time()

    def stop(self, messages: int) -> Cost:
        """What *messages* have cost since then."""
        return Cost(messages, perf_counter() - self._began, process_time() - self._cpu)


def resident() -> float:
    """Megabytes of memory that this process has now; where the system does not tell, the most it had."""
    if STATM.exists():
        return int(STATM.read_text().split()[1]) * resource.getpagesize() / MEGABYTE
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (MEGABYTE if sys.platform == "darwin" else 1024)


@attrs.frozen
class Case:
    """One row of a table: its name, what is measured, anew in each round, and the megabytes it had then."""

    name: str
    run: Callable[[], Awaitable[Cost]]
    resident: Callable[[], float] = resident


def interleave(cases: Sequence[Case], rounds: int, runner: Runner) -> Mapping[str, Sequence[Cost]]:
    """Measure each case in each round, so that whatever else the machine does meets all of them."""
    costs: dict[str, list[Cost]] = {case.name: [] for case in cases}
    for _ in range(rounds):
        for case in cases:
            gc.collect()
            costs[case.name].append(runner.run(_awaited(case)))
    return costs


async def _awaited(case: Case) -> Cost:
    return await case.run()


def ratio(these: Sequence[T], those: Sequence[T], value: Callable[[T], float]) -> float:
    """The median over the rounds of *value* of these, over that of those."""
    return median(value(one) / value(other) for one, other in zip(these, those, strict=True))


def middle(costs: Sequence[T], value: Callable[[T], float]) -> float:
    """The median over the rounds."""
    return median(map(value, costs))


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table in Markdown."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    yield f"\n{title}\n"
    for row in (heads, ["-" * width for width in widths], *rows):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"


def event_loops() -> Loops:
    """A factory for each event loop that is installed."""
    loops: dict[str, Callable[[], AbstractEventLoop] | None] = {"asyncio": None}
    if find_spec("uvloop") is not None:
        loops["uvloop"] = import_module("uvloop").new_event_loop
    return loops
