"""The two middlewares that test a user's handlers."""

import pytest
from tests.middleware.calls import Dependency, behind, record
from tests.simulated import run

from partita import SettingsError
from partita.middleware import Deduplicate, FailAtRandom, RandomFailure, duplicate


def test_duplicate_calls_the_handler_twice() -> None:
    """As when a commit was lost; a handler behind `Deduplicate` is called once all the same."""

    async def scenario() -> None:
        bare, guarded = Dependency(), Dependency()

        assert await behind([duplicate], bare.call)(record(b"1"), 2) == b"1"
        await behind([duplicate, Deduplicate("id")], guarded.call)(record(b"1", message_id=b"a"), 1)

        assert bare.calls == [(b"1", 2), (b"1", 2)]
        assert guarded.values == [b"1"]

    run(scenario())


async def failures(each: FailAtRandom, calls: int) -> tuple[list[bool], Dependency]:
    """Which of some calls failed."""
    dependency, failed = Dependency(), list[bool]()
    call = behind([each], dependency.call)
    for _ in range(calls):
        try:
            await call(record(b"1"), 1)
            failed.append(False)
        except RandomFailure:
            failed.append(True)
    return failed, dependency


def test_a_seed_fails_the_same_calls_each_time() -> None:
    """And another one others."""

    async def scenario() -> None:
        first, _ = await failures(FailAtRandom(0.5, seed=1), 200)
        again, _ = await failures(FailAtRandom(0.5, seed=1), 200)
        other, _ = await failures(FailAtRandom(0.5, seed=2), 200)

        assert first == again != other
        assert 60 < sum(first) < 140

    run(scenario())


@pytest.mark.parametrize(("probability", "failed"), [(0.0, 0), (1.0, 20)])
def test_never_and_always_are_probabilities(probability: float, failed: int) -> None:
    """Before the handler, which a failed call does not reach."""

    async def scenario() -> None:
        each = FailAtRandom(probability)
        seen, dependency = await failures(each, 20)

        assert (sum(seen), len(dependency.calls)) == (failed, 20 - failed)
        assert repr(each) == f"<FailAtRandom {probability:g} before>"

    run(scenario())


def test_may_fail_after_the_handler_has_succeeded() -> None:
    """As when a process dies before its commit."""

    async def scenario() -> None:
        seen, dependency = await failures(FailAtRandom(1.0, when="after"), 3)

        assert (sum(seen), len(dependency.calls)) == (3, 3)

    run(scenario())


def test_refuses_what_cannot_be_used() -> None:
    """The error names the value."""
    for probability in (-0.1, 1.1, float("nan")):
        with pytest.raises(SettingsError, match="fraction from 0 to 1"):
            FailAtRandom(probability)
    with pytest.raises(SettingsError, match="when='sometimes'"):
        FailAtRandom(0.5, when="sometimes")  # type: ignore[arg-type]
