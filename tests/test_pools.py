"""Routes whose handlers run in processes: what may be given to them, and what becomes of their messages."""

import asyncio
import functools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import ConsumerRecord
from tests.actors import crunching

from partita import Context, Retry, Route, RouteError, Router, open_bus
from partita.addresses import Address, check_address
from partita.pools import pool_of
from partita.testing import Harness

HERE = re.escape(__file__)
CRUNCHING = re.escape(crunching.__file__)


def plain(value: bytes) -> None:
    """A handler that can be imported."""


def with_context(value: bytes, context: Context) -> None:
    """A handler that wants what belongs to this process."""


def with_record(record: ConsumerRecord) -> None:  # type: ignore[type-arg]
    """A handler that wants the client's record."""


async def waiting(value: bytes) -> None:
    """A handler for the event loop."""


class Charge:
    """An object that is called."""

    def __call__(self, value: bytes) -> None:
        """Handle."""


def nested() -> Callable[[bytes], None]:
    """A function that is made by another."""

    def inner(value: bytes) -> None: ...

    return inner


def in_main(value: bytes) -> None:
    """A function of the program that is run."""


in_main.__module__ = "__main__"


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        (lambda: None, "<lambda> .* is a lambda and has no name"),
        (nested(), "inner .* is defined inside a function"),
        (in_main, "in_main .* is defined in the program that is run, __main__"),
        (functools.partial(plain), "partial .* is a partial and no function of a module"),
        (Charge(), "Charge .* is a Charge and no function of a module"),
        (waiting, "waiting .* run='process' is for a plain def, this is async def"),
        (with_context, "with_context .* parameter 'context' wants Context, which cannot go"),
        (with_record, "with_record .* parameter 'record' wants the client's record, which cannot go"),
    ],
    ids=["lambda", "nested", "main", "partial", "object", "async", "context", "record"],
)
def test_refuses_at_decoration_what_no_other_process_can_call(
    handler: Callable[..., object], told: str
) -> None:
    """With function, file and line, and the way out."""
    name, _, rest = told.partition(" .* ")

    with pytest.raises(RouteError, match=rf"{re.escape(name)} \({HERE}:\d+\): .*{rest}"):
        Router().handler("orders", run="process")(handler)


def test_refuses_at_the_start_a_handler_that_is_another_object_by_its_name() -> None:
    """A decorator above ours, or a second function of the name, would be called in its place."""
    router = Router()

    def impostor(value: bytes) -> None: ...

    impostor.__qualname__ = "plain"
    router.handler("orders", run="process")(impostor)

    async def scenario() -> None:
        async with open_bus() as bus:
            with pytest.raises(RouteError, match=rf"plain \({HERE}:\d+\): .* that is another object"):
                await bus.run(router, burst=True)
            with pytest.raises(RouteError, match="that is another object"):
                await bus.check(router)

    asyncio.run(scenario())


def test_refuses_at_the_start_a_handler_whose_name_leads_nowhere() -> None:
    """The error of the import is told."""
    with pytest.raises(RouteError, match=r"here: run='process' cannot import tests.nowhere:plain: No module"):
        check_address(Address("tests.nowhere", "plain"), plain, "here")


@pytest.mark.parametrize(
    ("run", "kind"), [("inline", "NoneType"), ("thread", "ThreadPool"), (None, "ThreadPool")]
)
def test_a_route_has_the_pool_that_its_run_names(run: str | None, kind: str) -> None:
    """A plain function that says nothing runs in threads; nothing is started yet."""
    router = Router()
    options = {} if run is None else {"run": run}
    router.handler("orders", **options)(plain)  # type: ignore[arg-type]
    route: Route = router.routes[0]

    assert type(pool_of(route)).__name__ == kind


def test_results_errors_deaths_and_deadlines_are_outcomes_as_of_any_handler() -> None:
    """Published, tried again, dead letters; and no process is left."""
    retry = Retry(attempts=2, backoff=0.0, give_up_on=(LookupError,))
    router = Router(run="process", retry=retry, order="none", dead_letter="dead", timeout=0.5)
    router.handler("orders", to="bills")(crunching.crunch)

    async def scenario() -> tuple[list[bytes | None], dict[bytes | None, tuple[bytes, bytes, bytes]]]:
        async with Harness(router) as harness:
            await harness.feed("orders", b"1", b"fail no", b"2", b"exit 7", b"sleep 60", None)
            await harness.run()
            bills = [message.value for message in harness.published("bills")]
            letters = {
                message.value: tuple(
                    dict(message.headers)[f"partita-dlq-{name}"]
                    for name in ("attempts", "last-error-class", "last-error")
                )
                for message in harness.published("dead")
            }
            return bills, letters  # type: ignore[return-value]

    bills, letters = asyncio.run(scenario())

    assert sorted(bytes(bill or b"").split()[1] for bill in bills) == [b"1", b"2", b"null"]
    assert letters == {
        b"fail no": (b"1", b"LookupError", b"no"),
        b"exit 7": (
            b"2",
            b"anyio.BrokenWorkerProcess",
            b"the process that handled the message ended with exit code 7",
        ),
        b"sleep 60": (b"2", b"TimeoutError", b"not handled within 0.5 s, so its process was killed"),
    }


def test_a_message_goes_to_its_process_whole_and_what_cannot_be_published_fails() -> None:
    """Topic, offset, key, value and headers; null for bytes is a decode error there too."""
    router = Router(run="process", to="bills", dead_letter="dead", retry=Retry(attempts=1))
    router.handler("orders")(crunching.read)
    router.handler("counts")(crunching.count)

    async def scenario() -> tuple[list[bytes | None], list[str]]:
        async with Harness(router, partitions=1) as harness:
            await harness.feed("orders", b"1", None, key=b"k", headers=[("h", b"1"), ("h", b"")])
            await harness.feed("counts", b"12", None)
            await harness.run()
            bills = [message.value for message in harness.published("bills")]
            return bills, [each.error for each in harness.outcomes if each.error]

    bills, errors = asyncio.run(scenario())

    assert bills == [
        b"('orders', 0, b'k', b'1', (('h', b'1'), ('h', b'')))",
        b"('orders', 1, b'k', None, (('h', b'1'), ('h', b'')))",
    ]
    assert errors[0].startswith("TypeError: count returned int; a route with to= and run='process' publishes")
    assert errors[1].startswith("DecodeError: count wants bytes, and this message has a null value")


PARENT = """
import asyncio, os
from partita import Router, open_bus
from partita.pools import pool_of
from tests.actors import crunching

async def main():
    router = Router()
    router.handler("orders", run="process")(crunching.crunch)
    pool = pool_of(router.routes[0])
    await pool.start()
    from partita.core.frames import parcel
    waiting = pool.call(parcel([b"sleep 60"]))
    print(*pool.pids, flush=True)
    await waiting

asyncio.run(main())
"""


def test_a_process_does_not_outlive_the_one_that_started_it() -> None:
    """Not even in mid-handler, when that one is killed and can clean up nothing."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())

    parent.send_signal(signal.SIGKILL)
    parent.communicate()

    deadline = time.monotonic() + 30.0
    while _is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _is_alive(pid)


def _is_alive(pid: int) -> bool:
    """Whether a process runs; a dead one that its new parent has not buried yet does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
