"""Log lines of the worker process: text for people, JSON for machines, both on standard error."""

import json
import logging
import math
import sys
import time
from typing import TextIO

CLIENTS = ("aiokafka", "nats")
REPEATING = ("partita.publisher", "partita.kafka")
FIELDS = ("topic", "partition", "offset", "group", "attempt", "trace_id", "span_id")


def text_of(record: logging.LogRecord) -> str:
    """The text of a record; of one whose values do not fit its text, the text as it stands."""
    try:
        return record.getMessage()
    # Whatever a value's own text raises: a line in the log is no reason to end what wrote it.
    except Exception as error:  # noqa: BLE001
        return f"{record.msg} (its values do not fit: {type(error).__name__})"


class TextFormatter(logging.Formatter):
    """
    One line per record: time, level, logger, text, and where the message is when it is known.

    Args:
        process: the number of the process among those of its host, told first; None: it has none.
    """

    def __init__(self, process: int | None = None) -> None:
        told = "" if process is None else f"[{process}] "
        super().__init__(f"{told}%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line without a traceback."""
        line = super().formatMessage(record)
        known = {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if "topic" in known and "offset" in known:
            line += f" [{known['topic']}/{known.get('partition')}@{known['offset']}]"
        # A line stays a line, whatever the text brought along.
        return line.replace("\r", "\\r").replace("\n", "\\n")


class JsonFormatter(logging.Formatter):
    """
    One JSON object per line: time (UTC), level, logger, event, and the fields that are known.

    Args:
        process: as with `TextFormatter`.
    """

    def __init__(self, process: int | None = None) -> None:
        super().__init__()
        self._process = {} if process is None else {"process": process}

    def format(self, record: logging.LogRecord) -> str:
        """The whole line."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "time": f"{stamp}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": text_of(record),
            **self._process,
        }
        line.update({name: getattr(record, name) for name in FIELDS if hasattr(record, name)})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class OnceInAWhile:
    """
    Lets each kind of line of a talkative logger pass once in a while, and tells how many were held back.

    While a broker is away aiokafka 0.14 writes four lines at each attempt, ten attempts a second, and each
    client of a process tells that it cannot connect. A missing topic is told for each message to it.

    Args:
        seconds: the least time between two lines of a kind; a kind is logger and text without values.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def __call__(self, record: logging.LogRecord) -> bool:
        """Whether a line passes."""
        if record.name.partition(".")[0] not in CLIENTS and record.name not in REPEATING:
            return True
        kind = (record.name, str(record.msg))
        last, held = self._seen.get(kind, (-math.inf, 0))
        if record.created - last < self._seconds:
            self._seen[kind] = (last, held + 1)
            return False
        self._seen[kind] = (record.created, 0)
        if held:
            record.msg, record.args = f"{text_of(record)} ({held} more like it before)", ()
        return True


class Lines(logging.StreamHandler[TextIO]):
    """
    Writes lines, and goes on when one cannot be written: the disk is full, or the reader has gone. The next
    one that can be says how many there were.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._failed = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        if not self._failed:
            super().emit(record)
            return
        before, self._failed = self._failed, 0
        told = f"{text_of(record)} ({before} lines before it are late or missing)"
        super().emit(logging.makeLogRecord({**vars(record), "msg": told, "args": ()}))
        if self._failed:
            self._failed += before

    def handleError(self, record: logging.LogRecord) -> None:
        """Count what could not be written; a line that cannot be formatted is a bug, and is shown."""
        if isinstance(sys.exc_info()[1], OSError):
            self._failed += 1
        else:
            super().handleError(record)


def set_up_logging(
    level: str, form: str, process: int | None = None, *, stream: TextIO | None = None
) -> None:
    """
    Log to standard error.

    Args:
        level: debug, info, warning or error.
        form: "text" or "json".
        process: the number of this process among those of its host.
        stream: another place to write to.
    """
    handler = Lines(stream or sys.stderr)
    handler.addFilter(OnceInAWhile(5.0))
    handler.setFormatter(JsonFormatter(process) if form == "json" else TextFormatter(process))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # At INFO the clients tell each step of theirs; what matters of it is told by our own loggers.
    if logging.getLogger().level == logging.INFO:
        for name in CLIENTS:
            logging.getLogger(name).setLevel(logging.WARNING)
    # At DEBUG these two write passwords, keys and values (aiokafka 0.14: conn.py and producer.py).
    for name in ("aiokafka.conn", "aiokafka.producer"):
        logging.getLogger(name).setLevel(max(logging.INFO, logging.getLogger().level))
