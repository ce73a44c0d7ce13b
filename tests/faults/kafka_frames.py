"""Kafka's frames, as far as a proxy reads them: what a request asks, and where an answer keeps errors."""

import struct
from collections.abc import Iterator, Mapping

import attrs

# The names and numbers of the requests that tests care about; others pass as "17" or the like.
APIS: Mapping[int, str] = {
    0: "Produce", 1: "Fetch", 2: "ListOffsets", 3: "Metadata", 8: "OffsetCommit", 9: "OffsetFetch",
    10: "FindCoordinator", 11: "JoinGroup", 12: "Heartbeat", 13: "LeaveGroup", 14: "SyncGroup",
    18: "ApiVersions", 22: "InitProducerId", 24: "AddPartitionsToTxn", 25: "AddOffsetsToTxn", 26: "EndTxn",
    28: "TxnOffsetCommit",
}  # fmt: skip

# The error codes that the protocol's guide gives these names.
CODES: Mapping[str, int] = {
    "UNKNOWN_SERVER_ERROR": -1, "OFFSET_OUT_OF_RANGE": 1, "CORRUPT_MESSAGE": 2,
    "UNKNOWN_TOPIC_OR_PARTITION": 3, "LEADER_NOT_AVAILABLE": 5,
    "NOT_LEADER_OR_FOLLOWER": 6, "REQUEST_TIMED_OUT": 7, "MESSAGE_TOO_LARGE": 10, "NETWORK_EXCEPTION": 13,
    "COORDINATOR_LOAD_IN_PROGRESS": 14, "COORDINATOR_NOT_AVAILABLE": 15, "NOT_COORDINATOR": 16,
    "NOT_ENOUGH_REPLICAS": 19, "NOT_ENOUGH_REPLICAS_AFTER_APPEND": 20,
    "ILLEGAL_GENERATION": 22, "UNKNOWN_MEMBER_ID": 25,
    "REBALANCE_IN_PROGRESS": 27, "TOPIC_AUTHORIZATION_FAILED": 29, "GROUP_AUTHORIZATION_FAILED": 30,
    "OUT_OF_ORDER_SEQUENCE_NUMBER": 45, "KAFKA_STORAGE_ERROR": 56, "FENCED_LEADER_EPOCH": 74,
    "UNSUPPORTED_COMPRESSION_TYPE": 76, "FENCED_INSTANCE_ID": 82, "THROTTLING_QUOTA_EXCEEDED": 89,
    "PRODUCER_FENCED": 90, "UNKNOWN_TOPIC_ID": 100, "INVALID_REGISTRATION": 119,
}  # fmt: skip

# What an answer consists of, from the version named on, after the correlation id. "error" is an error code,
# a list is an array of what is in it; what follows the last error is left out.
Layout = tuple[object, ...]
_COMMITS: Layout = (["str", ["i32", "error"]],)
LAYOUTS: Mapping[str, Mapping[int, Layout]] = {
    "Produce": {
        3: (["str", ["i32", "error", "i64", "i64"]],),
        5: (["str", ["i32", "error", "i64", "i64", "i64"]],),
        8: (["str", ["i32", "error", "i64", "i64", "i64", ["i32", "str"], "str"]],),
    },
    "Fetch": {
        4: ("i32", ["str", ["i32", "error", "i64", "i64", ["i64", "i64"], "bytes"]]),
        5: ("i32", ["str", ["i32", "error", "i64", "i64", "i64", ["i64", "i64"], "bytes"]]),
        7: ("i32", "error", "i32", ["str", ["i32", "error", "i64", "i64", "i64", ["i64", "i64"], "bytes"]]),
        11: (
            "i32", "error", "i32",
            ["str", ["i32", "error", "i64", "i64", "i64", ["i64", "i64"], "i32", "bytes"]],
        ),
    },
    "Metadata": {5: ("i32", ["i32", "str", "i32", "str"], "str", "i32", ["error", "str", "i8", [
        "i16", "i32", "i32", ["i32"], ["i32"], ["i32"]]])},
    "OffsetCommit": {2: _COMMITS, 3: ("i32", *_COMMITS)},
    "OffsetFetch": {
        2: (["str", ["i32", "i64", "str", "error"]], "error"),
        3: ("i32", ["str", ["i32", "i64", "str", "error"]], "error"),
    },
    "FindCoordinator": {1: ("i32", "error")},
    "JoinGroup": {2: ("i32", "error")},
    "Heartbeat": {0: ("error",), 1: ("i32", "error")},
    "LeaveGroup": {1: ("i32", "error")},
    "SyncGroup": {0: ("error",), 1: ("i32", "error")},
    "InitProducerId": {0: ("i32", "error")},
    "AddPartitionsToTxn": {0: ("i32", *_COMMITS)},
    "AddOffsetsToTxn": {0: ("i32", "error")},
    "EndTxn": {0: ("i32", "error")},
    "TxnOffsetCommit": {0: ("i32", *_COMMITS)},
}  # fmt: skip
# From these versions on lengths are written otherwise, which no layout here knows (KIP-482).
FLEXIBLE: Mapping[str, int] = {
    "Produce": 9, "Fetch": 12, "Metadata": 9, "OffsetCommit": 8, "OffsetFetch": 6, "FindCoordinator": 3,
    "JoinGroup": 6, "Heartbeat": 4, "LeaveGroup": 3, "SyncGroup": 4, "InitProducerId": 2,
    "AddPartitionsToTxn": 3, "AddOffsetsToTxn": 3, "EndTxn": 3, "TxnOffsetCommit": 3,
}  # fmt: skip
_SIZES = {"i8": 1, "i16": 2, "i32": 4, "i64": 8}
_WRONG_GENERATION = 0x7FFF_FFF0


@attrs.frozen
class Request:
    """
    A request on its way.

    Args:
        api: its name, as in `APIS`.
        version: of the request.
        correlation: the number that its answer carries.
        client: the client id.
        body: what follows the header.
        frame: all of it, without the length in front.
    """

    api: str
    version: int
    correlation: int
    client: str
    body: bytes = attrs.field(repr=False)
    frame: bytes = attrs.field(repr=False)

    def names(self, topic: str) -> bool:
        """Whether it names a topic (or a group, or whatever has a name)."""
        text = topic.encode()
        return struct.pack(">h", len(text)) + text in self.body

    @property
    def is_answered(self) -> bool:
        """False only for a produce request that asks for no acknowledgement."""
        if self.api != "Produce" or self.version < 3:
            return True
        at = 2 + max(0, struct.unpack_from(">h", self.body)[0])
        return bool(struct.unpack_from(">h", self.body, at)[0] != 0)

    def with_wrong_generation(self) -> bytes:
        """The frame as a member of another generation would send it: the broker does nothing of it."""
        if self.api not in {"OffsetCommit", "Heartbeat", "SyncGroup"}:
            raise ValueError(f"{self.api} names no generation")
        at = len(self.frame) - len(self.body) + 2 + struct.unpack_from(">h", self.body)[0]
        return self.frame[:at] + struct.pack(">i", _WRONG_GENERATION) + self.frame[at + 4 :]


def parse(frame: bytes) -> Request:
    """A request, from its frame without the length in front."""
    key, version, correlation, length = struct.unpack_from(">hhih", frame)
    end = 10 + max(0, length)
    return Request(APIS.get(key, str(key)), version, correlation, frame[10:end].decode(), frame[end:], frame)


def with_error(request: Request, answer: bytes, code: int, topic: str | None = None) -> bytes:
    """
    The answer to *request* with another error code.

    Args:
        request: what was asked.
        answer: the frame of the answer, without the length in front.
        code: the error; it is put wherever the answer has one.
        topic: put it only where the answer speaks of this topic.

    Raises:
        LookupError: the layout of that answer is not known here.
    """
    changed = bytearray(answer)
    for at, named in _Answer(answer).errors(layout_of(request)):
        if topic is None or named == topic:
            struct.pack_into(">h", changed, at, code)
    return bytes(changed)


def layout_of(request: Request) -> Layout:
    """What the answer to a request consists of. Raises LookupError."""
    known = [each for each in LAYOUTS.get(request.api, {}) if each <= request.version]
    if not known or request.version >= FLEXIBLE[request.api]:
        raise LookupError(f"the answer to {request.api} version {request.version} has no layout here")
    return LAYOUTS[request.api][max(known)]


class _Answer:
    """Walks through an answer's bytes along its layout."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 4  # after the correlation id

    def errors(
        self, layout: Layout, topic: str | None = None, inside: bool = False
    ) -> Iterator[tuple[int, str | None]]:
        """Where error codes are, each with the topic that it is about: the first name in an array's item."""
        untold = []
        for part in layout:
            if isinstance(part, list):
                for _ in range(self._number("i32")):
                    yield from self.errors(tuple(part), topic, inside=True)
            elif part == "error":
                untold.append(self._at)
                self._at += 2
            elif part == "str":
                name = self._text("i16")
                topic = topic or (name if inside else None)
            elif part == "bytes":
                self._text("i32")
            else:
                self._at += _SIZES[str(part)]
        for at in untold:
            yield at, topic

    def _number(self, size: str) -> int:
        number = int.from_bytes(self._data[self._at : self._at + _SIZES[size]], "big", signed=True)
        self._at += _SIZES[size]
        return number

    def _text(self, size: str) -> str:
        length = max(0, self._number(size))
        self._at += length
        return self._data[self._at - length : self._at].decode("utf-8", "replace")
