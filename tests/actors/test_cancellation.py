"""The cancellation sweep: one run for each callback of the event loop, with a cancellation just before it."""

import gc
from collections.abc import Iterator

import pytest
from tests.actors.cut import Run


@pytest.fixture
def small_heap() -> Iterator[None]:
    """What is there already is not looked through for garbage after each run."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("small_heap")
@pytest.mark.parametrize("target", ["member", "worker", "drain"])
@pytest.mark.parametrize(("order", "concurrency"), [("key", 2), ("key", 1), ("partition", 2), ("none", 3)])
def test_a_cancellation_at_any_point_loses_nothing_and_leaves_nothing(
    order: str, concurrency: int, target: str
) -> None:
    """Nothing hangs, overtakes, is lost or committed unfinished; no task and no exception is left."""
    whole = Run(order, concurrency, target)

    wrongs = {0: whole.play()}
    for at in range(1, whole.points + 1):
        wrongs[at] = Run(order, concurrency, target, at).play()

    assert len(wrongs) > 50  # enough to be a sweep; how many depends on the version of asyncio
    assert {at: told for at, told in wrongs.items() if told} == {}
