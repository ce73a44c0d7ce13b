"""Access lists of a Kafka broker, set by requests of our own: no client of ours can."""

import socket
import struct
import time

from tests.faults.listening import ANSWER_SECONDS

DESCRIBE_RULES, CREATE, DELETE, VERSION = 29, 30, 31, 1
TOPIC, GROUP, CLUSTER = 2, 3, 4
LITERAL = 3
ANY, DENY, ALLOW = 1, 2, 3
ALL, READ, WRITE, MAKE, REMOVE, DESCRIBE = 2, 3, 4, 5, 6, 8
LOOKS = 1000
EVERYBODY = "User:*"


def forbid_writing(address: str, topic: str) -> None:
    """Let nobody write to a topic; it can still be seen."""
    rules = ((DESCRIBE, ALLOW), (WRITE, DENY))
    body = struct.pack(">i", len(rules))
    for operation, permission in rules:
        place = struct.pack(">b", TOPIC) + _text(topic) + struct.pack(">b", LITERAL)
        body += place + _text(EVERYBODY) + _text("*") + struct.pack(">bb", operation, permission)
    answer = _ask(address, CREATE, body)
    # No throttling, and for each rule no error and an empty text.
    assert answer == struct.pack(">ii", 0, len(rules)) + struct.pack(">hh", 0, 0) * len(rules), answer


def permit_everything(address: str, topic: str) -> None:
    """Forget every rule about a topic."""
    permit(address, TOPIC, topic)


def deny(address: str, user: str, place: int, name: str, operation: int) -> None:
    """Let one user not do one thing with a resource, and everybody all else; see `permit`."""
    rules = ((EVERYBODY, ALL, ALLOW), (f"User:{user}", operation, DENY))
    body = struct.pack(">i", len(rules))
    for who, what, permission in rules:
        body += struct.pack(">b", place) + _text(name) + struct.pack(">b", LITERAL)
        body += _text(who) + _text("*") + struct.pack(">bb", what, permission)
    _set(address, body, place, name, len(rules))


def allow_only(address: str, user: str, place: int, name: str, *operations: int) -> None:
    """Let one user do these things with a resource, and nobody anything else."""
    body = struct.pack(">i", len(operations))
    for operation in operations:
        body += struct.pack(">b", place) + _text(name) + struct.pack(">b", LITERAL)
        body += _text(f"User:{user}") + _text("*") + struct.pack(">bb", operation, ALLOW)
    _set(address, body, place, name, len(operations))


def _set(address: str, body: bytes, place: int, name: str, count: int) -> None:
    """Make so many rules about a resource, and wait until they are in force."""
    answer = _ask(address, CREATE, body)
    assert answer == struct.pack(">ii", 0, count) + struct.pack(">hh", 0, 0) * count, answer
    for _ in range(LOOKS):
        if _rules(address, place, name) == count:
            return
        time.sleep(0.01)
    raise AssertionError(f"the rules about {name} are not in force")


def _rules(address: str, place: int, name: str) -> int:
    """How many rules about a resource the broker goes by."""
    nobody = struct.pack(">h", -1)
    body = struct.pack(">b", place) + _text(name) + struct.pack(">b", LITERAL) + nobody * 2
    answer = _ask(address, DESCRIBE_RULES, body + struct.pack(">bb", ANY, ANY))
    # No throttling, no error and no text of one; then resources, each with its rules.
    throttled, error, text, resources = struct.unpack_from(">ihhi", answer)
    assert (throttled, error) == (0, 0), answer
    at = struct.calcsize(">ihhi") + max(0, text) + 1 + 2 + len(name) + 1
    return int(struct.unpack_from(">i", answer, at)[0]) if resources else 0


def permit(address: str, place: int, name: str) -> None:
    """Forget every rule about a resource."""
    nobody = struct.pack(">h", -1)
    body = struct.pack(">ib", 1, place) + _text(name) + struct.pack(">b", LITERAL) + nobody * 2
    answer = _ask(address, DELETE, body + struct.pack(">bb", ANY, ANY))
    # No throttling, one filter, and no error of it.
    assert struct.unpack_from(">iih", answer) == (0, 1, 0), answer


def _ask(address: str, api: int, body: bytes) -> bytes:
    return ask(address, api, VERSION, body)


def ask(address: str, api: int, version: int, body: bytes) -> bytes:
    """The answer to a request, without its header."""
    host, _, port = address.rpartition(":")
    frame = struct.pack(">hhih", api, version, 1, -1) + body
    with socket.create_connection((host, int(port)), ANSWER_SECONDS) as connection:
        connection.sendall(struct.pack(">i", len(frame)) + frame)
        with connection.makefile("rb") as answer:
            size, _ = struct.unpack(">ii", answer.read(8))
            return answer.read(size - 4)


def _text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()
