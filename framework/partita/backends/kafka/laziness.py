"""Whether the installed client can be read lazily: looked at once, before the first member starts."""

import gc
import logging
import weakref
from collections.abc import Callable, Sequence
from functools import cache

import aiokafka
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition as KafkaPartition

from partita.backends.kafka import fetched
from partita.backends.kafka.probing import lacking
from partita.backends.kafka.unpacking import Unpacker
from partita.core.ports import TopicPartition

# What `fetched` uses, and no other module.
PRIVATE: Sequence[tuple[type, Sequence[str]]] = (
    (fetcher.Fetcher, ("_records", "_notify", "_wait_consume_future", "_create_fetch_waiter")),
    (fetcher.FetchResult, ("_partition_records", "_assignment", "check_assignment", "getall")),
    (
        fetcher.PartitionRecords,
        (
            "_records",
            "_records_iterator",
            "_unpack_records",
            "_aborted_transactions",
            "_isolation_level",
            "_check_crcs",
            "next_fetch_offset",
        ),
    ),
    (fetcher.FetchError, ("check_raise",)),
)
_KEY, _VALUE, _TIME = b"key", b"value", 1_700_000_000_000
_log = logging.getLogger("partita.kafka")


@cache
def is_possible() -> bool:
    """
    Whether fetched bytes can be taken from the client and read as it would. If so, it is prepared for that;
    if not, one line in the log says why.
    """
    try:
        problem = _problem()
    except Exception as error:  # noqa: BLE001 - a client that has changed may fail in any way
        problem = f"{type(error).__name__}: {error}"
    if problem:
        _log.warning(
            "aiokafka %s cannot be read lazily (%s): its own records are used, which takes more time and "
            "lets a record that cannot be decoded stop its partition", aiokafka.__version__, problem,
        )  # fmt: skip
        return False
    fetched.install()
    return True


def _problem() -> str | None:
    for name in lacking(PRIVATE):
        return f"it has no {name} any more"
    raw = _batch()
    kept = _kept(raw)
    if [record.value for record in kept] != [_VALUE, None] or kept.next_fetch_offset != 2:
        return "it reads a batch differently"
    if not _frees(raw):
        return "it keeps what was taken from it"
    taken = fetched.Fetched(TopicPartition("t", 0), raw, 0, [], True, True, lambda end: None)
    ours = [*Unpacker().records(taken)]
    return None if ours == list(_theirs(raw)) else "its records look different"


def _batch() -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 4096)
    builder.append(0, _TIME, _KEY, _VALUE, [("name", b"1"), ("name", None)])
    builder.append(1, _TIME + 1, None, None, [])
    return bytes(builder.build())


def _theirs(raw: bytes) -> fetcher.PartitionRecords:
    made: Callable[..., fetcher.PartitionRecords] = fetcher.PartitionRecords
    return made(KafkaPartition("t", 0), MemoryRecords(raw), [], 0, None, None, True, fetcher.READ_COMMITTED)


def _kept(raw: bytes) -> fetched.KeptPartition:
    kept = fetched.KeptRecords(raw)
    made: Callable[..., fetched.KeptPartition] = fetched.KeptPartition
    return made(KafkaPartition("t", 0), kept, [], 0, None, None, True, fetcher.READ_COMMITTED)


def _frees(raw: bytes) -> bool:
    """Whether what nobody has read goes without the garbage collector."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        kept = _kept(raw)
        gone = weakref.ref(kept)
        if kept._records.raw is not raw:
            return False
        del kept
        return gone() is None
    finally:
        if was_on:
            gc.enable()
