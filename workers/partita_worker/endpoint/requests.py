"""One HTTP request: read within limits, and taken apart. What is not a plain GET or HEAD is refused."""

import asyncio
import re

import attrs

from partita_worker.endpoint.answers import Answer, refusal

MOST_LINE = 4 * 1024
MOST_HEAD = 16 * 1024
METHODS = ("GET", "HEAD")
END = b"\r\n\r\n"
_LINE = re.compile(r"([!-~]+) ([!-~]+) HTTP/([0-9]\.[0-9])")
_FIELD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ \t]*[^\x00-\x08\x0a-\x1f\x7f]*")


@attrs.frozen
class Request:
    """
    What was asked.

    Args:
        path: as it was sent, without a query.
        head: whether the answer is to have no body.
    """

    path: str
    head: bool = False


async def read_request(reader: asyncio.StreamReader) -> Request | Answer | None:
    """
    The next request, or the refusal that it gets; None when the client went away without asking.

    The reader's own limit must be `MOST_HEAD`.
    """
    try:
        head = await reader.readuntil(END)
    except asyncio.LimitOverrunError:
        # The beginning waits in the reader still.
        beginning = await reader.readexactly(MOST_LINE)
        return refuse_large() if b"\r\n" in beginning else refusal(414, "the request line is too long")
    except asyncio.IncompleteReadError as error:
        return refusal(400, "this is no whole HTTP request") if error.partial else None
    return parse(head.decode("latin-1"))


def refuse_large() -> Answer:
    """Too much was sent before the request's end."""
    return refusal(431, f"a request has at most {MOST_HEAD} bytes here")


def parse(head: str) -> Request | Answer:
    """
    A request from its head, or the refusal that it gets.

    Args:
        head: everything up to the empty line.
    """
    line, *fields = head.removesuffix("\r\n\r\n").split("\r\n")
    if len(line) > MOST_LINE:
        return refusal(414, "the request line is too long")
    found = _LINE.fullmatch(line)
    if found is None or not all(_FIELD.fullmatch(field) for field in fields):
        return refusal(400, "this is no HTTP request")
    method, target, version = found.groups()
    if version not in ("1.0", "1.1"):
        return refusal(505, "HTTP/1.0 and HTTP/1.1 are spoken here")
    if method not in METHODS:
        return refusal(405, "only GET and HEAD are answered here", (("Allow", ", ".join(METHODS)),))
    if _has_body(fields):
        return refusal(413, "a request with a body is not taken here")
    return Request(_path(target), method == "HEAD")


def _has_body(fields: list[str]) -> bool:
    for field in fields:
        name, _, value = field.partition(":")
        if name.lower() == "transfer-encoding":
            return True
        if name.lower() == "content-length" and value.strip() != "0":
            return True
    return False


def _path(target: str) -> str:
    # A proxy may send the whole address.
    path = re.sub(r"^https?://[^/?#]*", "", target, flags=re.IGNORECASE)
    return path.partition("?")[0] or "/"
