"""The server's answers to JetStream requests: JSON, read without assuming what is in it."""

import json
from collections.abc import Mapping

import attrs
from nats.aio.msg import Msg
from nats.js.errors import APIError

STREAM_NOT_FOUND = 10059
CONSUMER_NOT_FOUND = 10014
CONSUMER_EXISTS = 10148
STREAM_EXISTS = 10058
DUPLICATE_IN_PROCESS = 10158
NO_RESPONDERS = "503"


@attrs.frozen
class Answer:
    """
    One answer. A field that is missing or of another type reads as 0, "" or empty.

    Args:
        fields: the JSON object.
    """

    fields: Mapping[str, object]

    def at(self, *path: str) -> object:
        """What stands at *path*, or None."""
        found: object = self.fields
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found

    def number(self, *path: str) -> int:
        """The number at *path*."""
        found = self.at(*path)
        return found if isinstance(found, int) else 0

    def text(self, *path: str) -> str:
        """The text at *path*."""
        found = self.at(*path)
        return found if isinstance(found, str) else ""

    def each(self, *path: str) -> "list[Answer]":
        """The objects in the list at *path*."""
        found = self.at(*path)
        return [Answer(one) for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []

    def texts(self, *path: str) -> list[str]:
        """The texts in the list at *path*."""
        found = self.at(*path)
        return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def answer(data: bytes) -> Answer:
    """
    Read an answer.

    Raises:
        nats.js.errors.APIError: it is an error; the class is the client's for its code.
    """
    read = json.loads(data)
    found = Answer(read if isinstance(read, dict) else {})
    if found.at("error") is not None:
        raise error_of(found)
    return found


def error_of(found: Answer) -> APIError:
    """The client's error for an answer that says that a request failed."""
    code, err_code = found.number("error", "code"), found.number("error", "err_code")
    description = found.text("error", "description")
    try:
        APIError.from_error({"code": code, "err_code": err_code, "description": description})
    except APIError as error:
        return error
    return APIError(code, description, err_code)


def is_no_responders(message: Msg) -> bool:
    """Whether the server says that nobody listens where a message was sent."""
    return not message.data and (message.headers or {}).get("Status") == NO_RESPONDERS
