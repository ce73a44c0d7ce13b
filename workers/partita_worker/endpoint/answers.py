"""One HTTP answer, and its bytes. Every connection ends with it."""

from http import HTTPStatus

import attrs

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
Fields = tuple[tuple[str, str], ...]


@attrs.frozen
class Answer:
    """
    What is answered.

    Args:
        status: the code.
        body: what is told.
        kind: its media type.
        fields: further header fields.
    """

    status: int
    body: str
    kind: str = TEXT
    fields: Fields = ()

    def encode(self, *, head: bool = False) -> bytes:
        """The bytes; *head*: without the body, whose length is told all the same."""
        body = self.body.encode("utf-8", "replace")
        lines = [
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            f"Content-Type: {self.kind}",
            f"Content-Length: {len(body)}",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            "Connection: close",
            *(f"{name}: {value}" for name, value in self.fields),
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + (b"" if head else body)


def refusal(status: int, reason: str, fields: Fields = ()) -> Answer:
    """An answer that says why there is none."""
    return Answer(status, f"{reason}\n", fields=fields)
