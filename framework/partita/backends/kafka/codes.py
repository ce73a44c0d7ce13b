"""
Error codes of the broker that the client has no class for, added to its public table.

aiokafka 0.14 knows the codes up to 72, and 79. Any other becomes its `UnknownError`, and the number, which is
all that there is to look up, is gone (aiokafka issue 1004). So for each of them a subclass of `UnknownError`
is put into `aiokafka.errors.kafka_errors`, from which the client makes its errors: what was caught before is
caught still, and says which error it is.
"""

from collections.abc import Mapping, MutableMapping

from aiokafka import errors
from aiokafka.errors import BrokerResponseError, UnknownError

# Numbers and names as in `org.apache.kafka.common.protocol.Errors` of Kafka 4.4.0.
CODES: Mapping[int, str] = {
    73: "TOPIC_DELETION_DISABLED", 74: "FENCED_LEADER_EPOCH", 75: "UNKNOWN_LEADER_EPOCH",
    76: "UNSUPPORTED_COMPRESSION_TYPE", 77: "STALE_BROKER_EPOCH", 78: "OFFSET_NOT_AVAILABLE",
    80: "PREFERRED_LEADER_NOT_AVAILABLE", 81: "GROUP_MAX_SIZE_REACHED", 82: "FENCED_INSTANCE_ID",
    83: "ELIGIBLE_LEADERS_NOT_AVAILABLE", 84: "ELECTION_NOT_NEEDED", 85: "NO_REASSIGNMENT_IN_PROGRESS",
    86: "GROUP_SUBSCRIBED_TO_TOPIC", 87: "INVALID_RECORD", 88: "UNSTABLE_OFFSET_COMMIT",
    89: "THROTTLING_QUOTA_EXCEEDED", 90: "PRODUCER_FENCED", 91: "RESOURCE_NOT_FOUND",
    92: "DUPLICATE_RESOURCE", 93: "UNACCEPTABLE_CREDENTIAL", 94: "INCONSISTENT_VOTER_SET",
    95: "INVALID_UPDATE_VERSION", 96: "FEATURE_UPDATE_FAILED", 97: "PRINCIPAL_DESERIALIZATION_FAILURE",
    98: "SNAPSHOT_NOT_FOUND", 99: "POSITION_OUT_OF_RANGE", 100: "UNKNOWN_TOPIC_ID",
    101: "DUPLICATE_BROKER_REGISTRATION", 102: "BROKER_ID_NOT_REGISTERED", 103: "INCONSISTENT_TOPIC_ID",
    104: "INCONSISTENT_CLUSTER_ID", 105: "TRANSACTIONAL_ID_NOT_FOUND", 106: "FETCH_SESSION_TOPIC_ID_ERROR",
    107: "INELIGIBLE_REPLICA", 108: "NEW_LEADER_ELECTED", 109: "OFFSET_MOVED_TO_TIERED_STORAGE",
    110: "FENCED_MEMBER_EPOCH", 111: "UNRELEASED_INSTANCE_ID", 112: "UNSUPPORTED_ASSIGNOR",
    113: "STALE_MEMBER_EPOCH", 114: "MISMATCHED_ENDPOINT_TYPE", 115: "UNSUPPORTED_ENDPOINT_TYPE",
    116: "UNKNOWN_CONTROLLER_ID", 117: "UNKNOWN_SUBSCRIPTION_ID", 118: "TELEMETRY_TOO_LARGE",
    119: "INVALID_REGISTRATION", 120: "TRANSACTION_ABORTABLE", 121: "INVALID_RECORD_STATE",
    122: "SHARE_SESSION_NOT_FOUND", 123: "INVALID_SHARE_SESSION_EPOCH", 124: "FENCED_STATE_EPOCH",
    125: "INVALID_VOTER_KEY", 126: "DUPLICATE_VOTER", 127: "VOTER_NOT_FOUND",
    128: "INVALID_REGULAR_EXPRESSION", 129: "REBOOTSTRAP_REQUIRED", 130: "STREAMS_INVALID_TOPOLOGY",
    131: "STREAMS_INVALID_TOPOLOGY_EPOCH", 132: "STREAMS_TOPOLOGY_FENCED",
    133: "SHARE_SESSION_LIMIT_REACHED", 134: "GROUP_DELETION_FAILED",
    135: "STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED", 136: "CONTROLLER_ID_NOT_REGISTERED",
}  # fmt: skip
# Those that Kafka's own client tries again, and of these those that tell it to ask for new metadata first.
RETRIABLE = frozenset({74, 75, 78, 80, 83, 84, 88, 89, 100, 103, 106, 122, 123, 133})
STALE_METADATA = frozenset({74, 80, 83, 84, 100, 103})


def error_class(code: int, name: str) -> type[UnknownError]:
    """
    The class of one code, such as `FencedInstanceIdError`.

    Args:
        code: the broker's number, which becomes `errno`.
        name: its standard name, which becomes `message`.
    """
    title = name.title().replace("_", "") + "Error"
    told = {
        "__module__": __name__,
        "__doc__": f"The broker's error {code}, {name}.",
        "errno": code,
        "message": name,
        "retriable": code in RETRIABLE,
        "invalid_metadata": code in STALE_METADATA,
    }
    return type(title, (UnknownError,), told)


def register(table: MutableMapping[int, type[BrokerResponseError]] = errors.kafka_errors) -> None:
    """
    Put a class into the client's table for each code that it lacks; what is there stays.

    Args:
        table: classes by code.
    """
    for code, name in CODES.items():
        if code not in table:
            table[code] = error_class(code, name)
