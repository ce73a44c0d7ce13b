"""Dead letters as lines of text: for a list, as JSON, and one with all that is known of it."""

import json
from collections.abc import Iterator

from partita import DeadLetter, Message


def place_of(letter: DeadLetter) -> str:
    """Where the dead letter is, as `worker dlq show` takes it."""
    return _place(letter.message)


def line_of(letter: DeadLetter) -> str:
    """A dead letter on one line, without anything of the message itself."""
    source = f"{letter.topic}/{letter.partition}@{letter.offset}"
    tried = f"{letter.attempts} attempt{'' if letter.attempts == 1 else 's'}"
    again = f", replayed {letter.replays} times" if letter.replays > 1 else ", replayed once"
    error = ": ".join(each for each in (letter.error_class, letter.error) if each)
    return (
        f"{place_of(letter)}  {source}  {letter.handler or '-'}  "
        f"{letter.reason or '-'}, {tried}{again if letter.replays else ''}  {error or '-'}"
    )


def json_of(letter: DeadLetter) -> str:
    """A dead letter as a JSON object on one line, without anything of the message itself."""
    return json.dumps({"letter": _place_object(letter.message), **dict(_facts(letter))})


def _place_object(message: Message) -> dict[str, str | int]:
    return {"topic": message.topic, "partition": message.partition, "offset": message.offset}


def _place(message: Message) -> str:
    return f"{message.topic}/{message.partition}@{message.offset}"


def _facts(letter: DeadLetter) -> Iterator[tuple[str, str | int | None]]:
    for name in (
        *("topic", "partition", "offset", "timestamp", "reason", "handler", "group", "attempts", "replays"),
        *("first_error_class", "first_error", "error_class", "error", "trace_id"),
    ):
        yield name, getattr(letter, name)


def paragraphs_of(letter: DeadLetter) -> str:
    """All that is known of a dead letter, its key and its headers; its value is not among it."""
    lines = [f"dead letter: {place_of(letter)}"]
    lines += [f"{name.replace('_', ' ')}: {told}" for name, told in _facts(letter) if told not in ("", None)]
    key = letter.message.key
    lines.append(f"key: {'none' if key is None else shown(key)}")
    lines += [
        f"header {shown(name.encode('utf-8', 'backslashreplace'))}: {shown(value)}"
        for name, value in letter.message.headers
        if not name.startswith("partita-dlq-")
    ]
    value = letter.message.value
    lines.append("value: none" if value is None else f"value: {len(value)} bytes")
    return "\n".join(lines) + "\n"


def shown(data: bytes) -> str:
    """Bytes as text that does nothing to a terminal: what is no printable text is escaped."""
    text = data.decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
