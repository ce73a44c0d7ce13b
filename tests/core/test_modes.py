"""What may change while a route is behind, and what may not."""

import re

import pytest

from partita import RouteError, Router
from partita.core.batches import BatchLimits
from partita.core.modes import Mode, behind_mode, behind_problem, usual_mode
from partita.core.settings import RouteSettings

BATCH = BatchLimits(10, 0.5)


def test_a_route_without_other_options_has_one_mode() -> None:
    """Nothing changes when it is behind."""
    settings = RouteSettings(concurrency=8)

    assert usual_mode(settings, BATCH) == Mode(8, BATCH)
    assert behind_mode(settings, BATCH) is None
    assert behind_problem(None, None) is None


@pytest.mark.parametrize(
    ("behind", "batch", "mode"),
    [
        ({"concurrency": 99}, None, Mode(99)),
        ({"concurrency": 99}, BATCH, Mode(99, BATCH)),
        ({"size": 500}, BATCH, Mode(8, BatchLimits(500, 0.5))),
        ({"size": 500, "within": 2.0, "concurrency": 2}, BATCH, Mode(2, BatchLimits(500, 2.0))),
    ],
)
def test_what_is_not_named_stays(behind: dict[str, object], batch: BatchLimits | None, mode: Mode) -> None:
    """Each option that is given replaces the route's own."""
    assert behind_problem(behind, batch) is None
    assert behind_mode(RouteSettings(concurrency=8, behind=behind), batch) == mode


@pytest.mark.parametrize(
    ("behind", "batch", "told"),
    [
        ({}, None, "give a mapping"),
        (["concurrency"], None, "give a mapping"),
        ({"order": "none"}, None, "order of messages in hand cannot change"),
        ({"concurency": 9}, None, "did you mean 'concurrency'"),
        ({"timeout": 9}, None, "cannot change while a route runs"),
        ({"size": 9}, None, "is for batch handlers"),
        ({"concurrency": 0}, None, "whole number of 1 or more"),
        ({"concurrency": True}, None, "whole number of 1 or more"),
        ({"concurrency": "9"}, BATCH, "whole number of 1 or more"),
        ({"size": 0}, BATCH, "size=0"),
        ({"within": -1}, BATCH, "within=-1"),
    ],
)
def test_what_cannot_change_is_refused(
    behind: dict[str, object], batch: BatchLimits | None, told: str
) -> None:
    """With what can, or the nearest name."""
    assert told in str(behind_problem(behind, batch))


def test_it_is_refused_where_the_handler_is_decorated() -> None:
    """With function, file and line, as any option; so are limits that are none."""

    async def handle(value: bytes) -> None:
        """Handle."""

    here = re.escape(__file__)
    with pytest.raises(RouteError, match=f"{here}.*order of messages"):
        Router().handler("orders", behind={"order": "none"})(handle)
    with pytest.raises(RouteError, match=f"{here}.*max_lag"):
        Router().handler("orders", max_lag=-1)(handle)
