"""Every method of the Go EventBus that is told has its counterpart."""

import re
from pathlib import Path

from partita import EventBus

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "go-eventbus.md").read_text()
GO = {
    "Publish", "Subscribe", "PublishWithPartition", "PublishBatch", "CreateTopic", "DeleteTopic",
    "ListTopics", "GetMetrics", "CheckBacklog", "HealthCheck", "Close",
}  # fmt: skip


def test_each_method_stands_beside_one_of_ours_that_exists() -> None:
    """A transaction's comes with transactions."""
    rows = [line.split("|")[1:3] for line in PAGE.splitlines() if line.startswith("| `")]

    told = {re.match(r" `(\w+)", go)[1]: re.findall(r"bus\.(\w+)", ours) for go, ours in rows}  # type: ignore[index]

    assert GO <= set(told)
    assert [name for names in told.values() for name in names if not hasattr(EventBus, name)] == []
    assert all(told.values())
