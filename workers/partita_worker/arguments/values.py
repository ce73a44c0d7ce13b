"""Text of the command line turned into values; each refuses what it cannot take, in words."""

import math
import os
import re
import time
from datetime import datetime

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def whole_number(text: str) -> int:
    """A number of 1 or more. Raises ValueError."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ValueError(f"{text!r} is not a whole number of 1 or more")
    return number


def count(text: str) -> int:
    """A number of 0 or more. Raises ValueError."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def port_number(text: str) -> int:
    """A TCP port. Raises ValueError."""
    if (number := whole_number(text)) > 65535:
        raise ValueError(f"{text!r} is above 65535, the highest port")
    return number


def port_or_any(text: str) -> int:
    """A TCP port, or 0 for any that is free. Raises ValueError."""
    return 0 if text.strip() == "0" else port_number(text)


def seconds(text: str) -> float:
    """A time of 0 or more seconds. Raises ValueError."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise ValueError(f"{text!r} is not a number of seconds, 0 or more")
    return number


def interval(text: str) -> float:
    """A time of 0.1 or more seconds. Raises ValueError."""
    if (number := seconds(text)) < 0.1:
        raise ValueError(f"{text!r} is less than 0.1 seconds")
    return number


def feed_text(text: str) -> str:
    """TOPIC=FILE. Raises ValueError."""
    topic, equals, path = text.partition("=")
    if not (topic and equals and path):
        raise ValueError(f"{text!r}: give TOPIC=FILE, or TOPIC=- for standard input")
    return text


def header(text: str) -> tuple[str, bytes]:
    """NAME=VALUE, the value byte for byte. Raises ValueError."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ValueError(f"{text!r}: give NAME=VALUE")
    return name, os.fsencode(value)


def assignment(text: str) -> tuple[str, str]:
    """NAME=VALUE. Raises ValueError."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ValueError(f"{text!r}: give NAME=VALUE")
    return name, value


def shift(text: str) -> int:
    """A whole number other than 0, with its sign. Raises ValueError."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not number:
        raise ValueError(f"{text!r} is not a whole number other than 0, such as -10 or +10")
    return number


def instant(text: str) -> int:
    """
    A time, as milliseconds since 1970: ISO 8601, in the zone of this machine unless it names one; or how long
    ago, such as 90s, 10m, 2h or 1d. Raises ValueError.
    """
    ago = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhd])", text)
    if ago is not None:
        return round((time.time() - float(ago[1]) * _SECONDS[ago[2]]) * 1000)
    try:
        moment = datetime.fromisoformat(text)
        millis = round(moment.timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        millis = -1
    if millis < 0:
        raise ValueError(
            f"{text!r}: give a time such as 2026-05-01T12:00:00+02:00, or how long ago, such as 90s or 10m"
        )
    return millis


def rate(text: str) -> float:
    """A number above 0. Raises ValueError."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"{text!r} is not a number above 0")
    return number


def place(text: str) -> tuple[str, int, int]:
    """TOPIC/PARTITION@OFFSET. Raises ValueError."""
    found = re.fullmatch(r"([^/@]+)/([0-9]{1,10})@([0-9]{1,19})", text)
    if found is None:
        raise ValueError(f"{text!r}: give TOPIC/PARTITION@OFFSET, as 'worker dlq list' prints it")
    return found[1], int(found[2]), int(found[3])
