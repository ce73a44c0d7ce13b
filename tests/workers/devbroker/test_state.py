"""The state files of local brokers."""

import os
from pathlib import Path

import attrs
import pytest

from partita_worker.devbroker.processes import birth
from partita_worker.devbroker.state import BrokerState, Registry, read_state, state_root


def of_this_process(port: int = 4222, kind: str = "nats") -> BrokerState:
    """A state whose process runs for sure."""
    return BrokerState(kind, port, os.getpid(), birth(os.getpid()) or "", "/data")


def test_what_was_saved_is_found_by_another_registry(tmp_path: Path) -> None:
    """Any shell of the user's finds what another one started."""
    state = of_this_process()

    Registry(tmp_path / "state").save(state)

    assert Registry(tmp_path / "state").find("nats", 4222) == state
    assert Registry(tmp_path / "state").running() == [state]
    assert state.url == "nats://127.0.0.1:4222"


def test_what_was_forgotten_is_gone(tmp_path: Path) -> None:
    """Forgetting one broker leaves the others."""
    registry, one, other = Registry(tmp_path), of_this_process(), of_this_process(9092, "kafka")
    registry.save(one)
    registry.save(other)

    registry.forget(one)

    assert registry.running() == [other]


@pytest.mark.parametrize("change", [(2**22 + 1, None), (None, "earlier"), (-1, None)])
def test_a_stale_state_is_removed(tmp_path: Path, change: tuple[int | None, str | None]) -> None:
    """A broker whose process is gone, or whose number is somebody else's now, does not run."""
    registry = Registry(tmp_path)
    state, (pid, born) = of_this_process(), change
    registry.save(attrs.evolve(state, pid=pid or state.pid, born=born or state.born))

    assert registry.running() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"kind": 1}', "\0"])
def test_a_file_that_is_not_ours_names_no_process(tmp_path: Path, text: str) -> None:
    """A damaged state file neither fails a command nor names a process to kill."""
    path = tmp_path / "nats-4222.json"
    path.write_text(text)

    assert read_state(path) is None


@pytest.mark.parametrize(
    ("base", "root"),
    [
        ("/state", Path("/state/partita")),
        ("", Path.home() / ".local/state/partita"),
        ("relative", Path.home() / ".local/state/partita"),
    ],
)
def test_the_users_state_folder_is_used(base: str, root: Path) -> None:
    """The state is in the user's own folder for it; a relative one counts as not given."""
    assert state_root({"XDG_STATE_HOME": base}) == root
