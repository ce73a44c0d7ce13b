"""A batch handler's call: from the client's records to the handler's own coroutine."""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence

from partita.actors.holds import Holds
from partita.actors.threads import ThreadPool
from partita.batch import Batch
from partita.calls import awaitable_of
from partita.core.leases import Leases
from partita.core.ports import RecordReader, TopicPartition
from partita.handlers import Call, HandlerPlan, Want
from partita.message import LEASE, Context, Scope
from partita.telemetry.handling import Handling

Named = MutableMapping[int, BaseException]
BatchCall = Callable[[Sequence[object], int, Named], Awaitable[object]]


def batch_of_one(call: BatchCall) -> Call:
    """The call of one message by itself; it fails with what the handler names, too."""

    async def handle(record: object, attempt: int) -> None:
        named: dict[int, BaseException] = {}
        await call((record,), attempt, named)
        if named:
            raise named[0]

    return handle


def bind_batch(plan: HandlerPlan, reader: RecordReader, scope: Scope, pool: ThreadPool | None) -> BatchCall:
    """The call of a batch handler on one backend: takes the records, the attempt, and where failures go."""
    function = awaitable_of(plan, pool)
    keywords = [each.name for each in plan.parameters if each.keyword]
    split = len(plan.parameters) - len(keywords)

    def call(records: Sequence[object], attempt: int, named: Named) -> Awaitable[object]:
        values: list[object] = [
            Batch(records, reader, named)
            if each.want is Want.BATCH
            else Context(records[0], reader, scope, attempt)
            for each in plan.parameters
        ]
        return function(*values[:split], **dict(zip(keywords, values[split:], strict=True)))

    return call


def batch_stalling(call: BatchCall, pool: ThreadPool, reader: RecordReader, holds: Holds) -> BatchCall:
    """A call that is held, with no attempt spent, while its pool can start none."""

    async def handle(records: Sequence[object], attempt: int, named: Named) -> object:
        if pool.stall.reason is not None:
            at = TopicPartition(reader.topic(records[0]), reader.partition(records[0]))
            await pool.stall.wait(at, holds)
        return await call(records, attempt, named)

    return handle


def batch_leased(call: BatchCall, reader: RecordReader, leases: Leases) -> BatchCall:
    """A call of which is noted, when it begins, under which lease it is, for the handler's `Context`."""

    def handle(records: Sequence[object], attempt: int, named: Named) -> Awaitable[object]:
        LEASE.set(leases.of(reader.topic(records[0]), reader.partition(records[0])))
        return call(records, attempt, named)

    return handle


def batch_traced(call: BatchCall, handling: Handling) -> BatchCall:
    """A call within a span that links the context of each message."""

    def handle(records: Sequence[object], attempt: int, named: Named) -> Awaitable[object]:
        def inner(records: Sequence[object], attempt: int) -> Awaitable[object]:
            return call(records, attempt, named)

        return handling.traced_batch(inner)(records, attempt)

    return handle


def batch_watched(call: BatchCall, wrap: Callable[[Call], Call]) -> BatchCall:
    """
    A call after which *wrap* is put around what became of each message, as if each had a call of its own:
    what a test harness watches or breaks is the message, in a batch too.
    """

    async def handle(records: Sequence[object], attempt: int, named: Named) -> None:
        failure: BaseException | None = None
        try:
            await call(records, attempt, named)
        # A barrier like the pump's: it is raised again below, when each message has been told of it.
        except BaseException as error:  # noqa: BLE001
            failure = error
        for index, record in enumerate(records):
            fate = named.get(index, failure)

            async def told(record: object, attempt: int, fate: BaseException | None = fate) -> None:
                if fate is not None:
                    raise fate

            try:
                await wrap(told)(record, attempt)
            # A barrier: what the watcher lets through, or raises itself, is that message's outcome.
            except BaseException as error:  # noqa: BLE001
                if error is not failure:
                    named[index] = error
        if failure is not None:
            raise failure

    return handle
