"""Handlers that tests have called in other processes, which import this module by name."""

import ctypes
import os
import time

from partita import Message


def crunch(value: bytes | None) -> bytes:
    """Do what the value says, and return it with the process's id."""
    match (value or b"").split():
        case [b"exit", code]:
            os._exit(int(code))
        case [b"crash"]:
            ctypes.string_at(0)
        case [b"signal", number]:
            os.kill(os.getpid(), int(number))
        case [b"sleep", seconds]:
            time.sleep(float(seconds))
        case [b"fail", text]:
            raise LookupError(text.decode())
    return b"%d %s" % (os.getpid(), value or b"null")


def read(message: Message) -> bytes:
    """Tell what came."""
    return repr((message.topic, message.offset, message.key, message.value, message.headers)).encode()


def count(value: bytes) -> int:
    """Return what cannot be published."""
    return len(value)
