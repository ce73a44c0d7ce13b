"""Log lines of the worker process: text for people, JSON for machines, both on standard error."""

import json
import logging
import sys
import time
from typing import TextIO

FIELDS = ("topic", "partition", "offset", "group", "attempt", "trace_id", "span_id")


class TextFormatter(logging.Formatter):
    """One line per record: time, level, logger, text, and where the message is when it is known."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line without a traceback."""
        line = super().formatMessage(record)
        known = {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if "topic" in known and "offset" in known:
            line += f" [{known['topic']}/{known.get('partition')}@{known['offset']}]"
        # A line stays a line, whatever the text brought along.
        return line.replace("\r", "\\r").replace("\n", "\\n")


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time (UTC), level, logger, event, and the fields that are known."""

    def format(self, record: logging.LogRecord) -> str:
        """The whole line."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "time": f"{stamp}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line.update({name: getattr(record, name) for name in FIELDS if hasattr(record, name)})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up_logging(level: str, form: str, stream: TextIO | None = None) -> None:
    """
    Log to standard error.

    Args:
        level: debug, info, warning or error.
        form: "text" or "json".
        stream: another place to write to.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # At INFO the clients tell each step of theirs; what matters of it is told by our own loggers.
    if logging.getLogger().level == logging.INFO:
        for name in ("aiokafka", "nats"):
            logging.getLogger(name).setLevel(logging.WARNING)
    # At DEBUG these two write passwords, keys and values (aiokafka 0.14: conn.py and producer.py).
    for name in ("aiokafka.conn", "aiokafka.producer"):
        logging.getLogger(name).setLevel(max(logging.INFO, logging.getLogger().level))
