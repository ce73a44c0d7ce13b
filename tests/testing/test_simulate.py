"""What users have of the simulation: their handlers run, faults happen, and a failure names its seed."""

import asyncio
import logging
import random
import subprocess
import sys
from collections import Counter

import pytest
from tests.simulated import pass_time

from partita import Batch, Context, Message, Outgoing, Retry, Router
from partita.core.errors import RouteError, SettingsError
from partita.testing import FAULTS, simulate

ORDERS = [Outgoing(b"%d" % number, key=b"%d" % (number % 5)) for number in range(40)]


def counting(seen: Counter[bytes]) -> Router:
    """A router that counts what it handles."""
    router = Router()

    @router.handler("orders", order="key")
    async def count(order: bytes) -> None:
        await asyncio.sleep(0.01)
        seen[order] += 1

    return router


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_alone_takes_effect_and_loses_nothing(fault: str) -> None:
    """Under the name that is documented."""
    seen: Counter[bytes] = Counter()
    router = Router(retry=Retry(attempts=2, backoff=0.1))

    @router.handler("orders", to="bills")
    async def bill(order: bytes) -> bytes:
        seen[order] += 1
        return order

    found: Counter[str] = Counter()
    for seed in range(3):
        found += simulate(router, {"orders": ORDERS}, seed=seed, faults=[fault]).faults

    assert found[fault] > 0
    # What takes effect only now and then is made up to the number that is promised.
    assert set(found) <= {fault, "rebalance"}
    assert set(seen) == {order.value for order in ORDERS}


def test_a_seed_is_one_run_and_two_seeds_are_two() -> None:
    """Handlers that draw random numbers included."""
    router = Router()

    @router.handler("orders", order="none")
    async def wait(order: bytes) -> None:
        await asyncio.sleep(random.random())

    runs = [simulate(router, {"orders": ORDERS}, seed=seed) for seed in (1, 1, 2)]

    assert runs[0].events == runs[1].events
    assert runs[0].events != runs[2].events
    assert repr(runs[0]) == repr(runs[1])
    assert repr(runs[0]).startswith("<Simulated seed=1: ")


def test_a_run_tells_what_became_of_the_messages() -> None:
    """Calls, repeats, what is parked, what was published, and when."""
    router = Router(retry=Retry(attempts=2, backoff=0.01))
    stamps: list[int] = []

    @router.handler("orders", to="bills", order="none")
    async def bill(message: Message, context: Context[None]) -> bytes:
        stamps.append(message.timestamp)
        if message.value == b"7":
            raise ValueError("not this one")
        return message.value or b""

    run = simulate(router, {"orders": ORDERS}, seed=3, faults=["join"], partitions=1)

    assert run.calls >= len(ORDERS) + 1
    assert run.repeats == 0
    assert run.parked == ["orders/0@7"]
    assert sorted(int(bill.value or b"") for bill in run.published("bills")) == [
        number for number in range(40) if number != 7
    ]
    assert run.published("nothing") == []
    assert 0 <= min(stamps) <= max(stamps) <= run.seconds * 1000


def test_what_handlers_publish_is_handled_too_and_each_group_has_its_own_offsets() -> None:
    """A chain of two handlers, and a second group that reads the same topic."""
    billed: set[bytes] = set()
    audited: set[bytes] = set()
    router = Router()

    @router.handler("orders", to="bills")
    async def bill(order: bytes) -> bytes:
        return order

    @router.handler("bills")
    async def pay(order: bytes) -> None:
        billed.add(order)

    @router.handler("orders", group="audit")
    async def audit(order: bytes) -> None:
        audited.add(order)

    run = simulate(router, {"orders": ORDERS}, seed=2)

    assert billed == audited == {order.value for order in ORDERS}
    assert {each.group for each in run.events if each.what == "start"} == {"simulated", "audit"}


def test_a_kind_that_nobody_handles_is_left_parked_and_holds_up_what_is_behind_it() -> None:
    """The run ends all the same, and says so."""
    router = Router()

    @router.handler("orders", kind="order")
    async def handle(order: bytes) -> None: ...

    orders = [Outgoing(b"%d" % n, headers=[("type", b"odd" if n == 3 else b"order")]) for n in range(6)]
    run = simulate(router, {"orders": orders}, seed=0, partitions=1)

    assert run.parked == ["orders/0@3"]
    assert {each.offset for each in run.events if each.what == "done"} == {0, 1, 2}


def test_a_message_whose_key_cannot_be_told_is_parked_and_the_run_ends() -> None:
    """By a function of the user's that raises."""
    router = Router()

    @router.handler("orders", order="key", key_from=lambda message: message.headers[0][1])
    async def handle(order: bytes) -> None: ...

    run = simulate(router, {"orders": [Outgoing(b"1", headers=[("k", b"1")]), b"2"]}, seed=0, partitions=1)

    assert run.parked == ["orders/0@1"]


@pytest.mark.parametrize("seed", range(3))
def test_batches_are_handled_under_faults_and_each_message_of_them_counts(seed: int) -> None:
    """Beside each other, some messages named as bad; what they are ordered by is not judged."""
    router = Router(retry=Retry(attempts=2, backoff=0.05))
    stored: set[bytes | None] = set()

    @router.batch_handler("orders", size=7, within=0.1, order="key", dead_letter="dead")
    async def store(batch: Batch) -> None:
        await pass_time(0.01)
        for index, value in enumerate(batch.values):
            if value == b"7":
                batch.fail(index, ValueError("not this one"))
        stored.update(batch.values)

    run = simulate(router, {"orders": ORDERS}, seed=seed)

    assert stored == {order.value for order in ORDERS}
    assert b"7" in {letter.value for letter in run.published("dead")}
    assert run.parked == []


def test_a_plain_function_is_called_on_the_loop() -> None:
    """A thread would be outside of the world: the run would not replay."""
    threads: set[str] = set()
    router = Router()

    @router.handler("orders")
    def handle(order: bytes) -> None:
        threads.add(asyncio.get_running_loop().__class__.__name__)

    run = simulate(router, {"orders": [b"1", None, b"2"]}, seed=0)

    assert threads == {"ProcessLoop"}
    assert len(run.parked) == 1  # the null value, which bytes cannot take


def test_a_process_that_crashes_cleans_nothing_up() -> None:
    """No finally of a handler runs, and what it was about to do is not done: as after kill -9."""
    left: list[bytes] = []
    begun: list[bytes] = []
    router = Router(concurrency=50)

    @router.handler("orders", order="none")
    async def handle(order: bytes) -> None:
        begun.append(order)
        try:
            await pass_time(2)
        except asyncio.CancelledError:
            raise
        else:
            left.append(order)

    run = simulate(router, {"orders": ORDERS}, seed=1, faults=["crash"])

    assert run.repeats == 0
    assert len(begun) > len(ORDERS)
    assert sorted(left) == sorted(order.value or b"" for order in ORDERS)


def test_a_handler_that_breaks_a_promise_of_the_worker_fails_the_run_with_its_seed() -> None:
    """Here one that never ends, so that its message and those behind it are never handled."""
    router = Router()

    @router.handler("orders")
    async def handle(order: bytes) -> None:
        await asyncio.Event().wait()

    with pytest.raises(AssertionError) as caught:
        simulate(router, {"orders": ORDERS}, seed=5)

    first, second = str(caught.value).splitlines()[:2]
    assert first.startswith("seed 5 broke ")
    assert "stood still with" in second


def test_a_handler_that_turns_without_end_fails_the_run_with_its_seed() -> None:
    """A livelock is told and does not hang the test."""
    router = Router()

    @router.handler("orders")
    async def handle(order: bytes) -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(
        AssertionError, match=r"seed 5 broke 1 promises:\nlivelock at .* turns and time stands"
    ):
        simulate(router, {"orders": ORDERS}, seed=5)


def test_what_the_engine_says_about_made_up_faults_is_kept_quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Its own log is as it was afterwards."""
    log = logging.getLogger("partita")
    before = log.level

    simulate(counting(Counter()), {"orders": ORDERS}, seed=0)

    assert caplog.text == ""
    assert log.level == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"faults": ["chrash"]}, "no fault 'chrash'; did you mean 'crash'"),
        ({"faults": []}, "name at least one fault"),
        ({"members": 0}, "members=0, partitions=4: give 1 or more"),
        ({"partitions": 0}, "members=3, partitions=0: give 1 or more"),
    ],
)
def test_what_cannot_be_simulated_is_refused(options: dict[str, object], said: str) -> None:
    """With the nearest name there is."""
    with pytest.raises(SettingsError, match=said):
        simulate(counting(Counter()), {"orders": ORDERS}, seed=0, **options)  # type: ignore[arg-type]


def test_a_router_that_cannot_be_served_is_refused_at_once() -> None:
    """Not after 600 virtual seconds of trying."""
    router = counting(Counter())
    other = Router()

    @other.handler("more", start="latest")
    async def handle(order: bytes) -> None: ...

    router.include(other)

    with pytest.raises(RouteError, match="differ in start") as caught:
        simulate(router, {"orders": ORDERS}, seed=0)

    assert caught.value.__notes__ == ["simulated with seed 0, until 0 s"]


def test_what_a_crash_leaves_behind_makes_no_noise_when_the_program_ends() -> None:
    """Python lets go of a handler that waits by running its finally, in which modules may be gone."""
    code = (
        "import asyncio\n"
        "from partita import Router\n"
        "from partita.testing import simulate\n"
        "router = Router()\n"
        "@router.handler('orders', order='none')\n"
        "async def handle(order: bytes) -> None:\n"
        "    try: await asyncio.sleep(2)\n"
        "    except asyncio.CancelledError: raise\n"
        "    finally: await asyncio.sleep(0)\n"
        "assert simulate(router, {'orders': [b''] * 40}, seed=1, faults=['crash']).faults['crash']\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
