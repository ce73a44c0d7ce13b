"""SCRAM users of the test broker, made and changed while it runs, by a request of our own."""

import hashlib
import os
import socket
import struct

from tests.faults.listening import ANSWER_SECONDS

ALTER_USERS, SHA_256, ITERATIONS = 51, 1, 4096


def set_password(address: str, user: str, password: str) -> None:
    """Give a user, who may be new, a password for SCRAM-SHA-256."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    entry = (
        _compact(user.encode()) + struct.pack(">bi", SHA_256, ITERATIONS) + _compact(salt) + _compact(salted)
    )
    # No deletions, one entry, and the empty lists of extras that every part ends in.
    body = b"\x01" + b"\x02" + entry + b"\0" + b"\0"
    frame = struct.pack(">hhih", ALTER_USERS, 0, 1, -1) + b"\0" + body
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), ANSWER_SECONDS) as connection:
        connection.sendall(struct.pack(">i", len(frame)) + frame)
        with connection.makefile("rb") as answer:
            size, _ = struct.unpack(">ii", answer.read(8))
            told = answer.read(size - 4)
    # Extras, throttling, one result: the user and no error.
    expected = b"\0" + struct.pack(">i", 0) + b"\x02" + _compact(user.encode()) + struct.pack(">h", 0)
    assert told.startswith(expected), told


def _compact(data: bytes) -> bytes:
    assert len(data) < 127
    return bytes((len(data) + 1,)) + data
