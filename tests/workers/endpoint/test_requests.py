"""One request taken apart, and what is refused before any page is looked for."""

import asyncio

import pytest

from partita_worker.endpoint.answers import Answer
from partita_worker.endpoint.requests import MOST_HEAD, MOST_LINE, Request, parse, read_request


def refused(asked: Request | Answer | None) -> int:
    """The status that a request was refused with."""
    assert isinstance(asked, Answer)
    return asked.status


def read(*pieces: bytes, end: bool = False) -> Request | Answer | None:
    """What is made of the bytes of one connection."""

    async def scenario() -> Request | Answer | None:
        reader = asyncio.StreamReader(limit=MOST_HEAD)
        for piece in pieces:
            reader.feed_data(piece)
        if end:
            reader.feed_eof()
        return await read_request(reader)

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("GET /livez HTTP/1.1", "/livez"),
        ("GET /health?verbose=1 HTTP/1.0", "/health"),
        ("GET http://127.0.0.1:8080/health HTTP/1.1", "/health"),
        ("GET http://127.0.0.1:8080 HTTP/1.1", "/"),
        ("GET /a/../livez HTTP/1.1", "/a/../livez"),
        ("GET /%2e%2e/livez HTTP/1.1", "/%2e%2e/livez"),
        ("GET * HTTP/1.1", "*"),
    ],
)
def test_a_path_is_taken_as_it_was_sent_without_its_query(line: str, path: str) -> None:
    """Nothing is decoded or resolved, so that no way of writing a path leads anywhere else."""
    assert parse(f"{line}\r\nHost: x\r\nContent-Length: 0\r\n\r\n") == Request(path)


def test_head_is_a_get_without_the_body() -> None:
    """The body's length is told all the same."""
    assert parse("HEAD /livez HTTP/1.1\r\n\r\n") == Request("/livez", head=True)
    assert Answer(200, "ok\n").encode(head=True).endswith(b"\r\n\r\n")
    assert b"Content-Length: 3" in Answer(200, "ok\n").encode(head=True)


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "X"]
)
def test_any_other_method_is_told_which_there_are(method: str) -> None:
    """The endpoint is to be read, and nothing else."""
    answer = parse(f"{method} /livez HTTP/1.1\r\n\r\n")

    assert refused(answer) == 405
    assert isinstance(answer, Answer)
    assert ("Allow", "GET, HEAD") in answer.fields


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET /livez\r\n\r\n", 400),
        ("GET  /livez HTTP/1.1\r\n\r\n", 400),
        ("GET /livez HTTP/1.1 \r\n\r\n", 400),
        ("\x16\x03\x01\x02\x00\r\n\r\n", 400),
        ("GET /livez HTTP/1.1\r\nno field\r\n\r\n", 400),
        ("GET /livez HTTP/1.1\r\n folded: yes\r\n\r\n", 400),
        ("GET /livez HTTP/1.1\r\na: b\nc: d\r\n\r\n", 400),
        ("GET /livez HTTP/1.1\r\na: \x00\r\n\r\n", 400),
        ("GET /livez HTTP/2.0\r\n\r\n", 505),
        ("GET /livez HTTP/1.1\r\nContent-Length: 1\r\n\r\n", 413),
        ("GET /livez HTTP/1.1\r\ncontent-length: x\r\n\r\n", 413),
        ("GET /livez HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 413),
        ("GET /" + "x" * MOST_LINE + " HTTP/1.1\r\n\r\n", 414),
    ],
)
def test_what_is_no_plain_request_is_refused_in_words(head: str, status: int) -> None:
    """Each with the status that says what is wrong with it."""
    assert refused(parse(head)) == status


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"x" * 1_000_000, 414),
        (b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /livez HTTP/1.1\r\n" + b"a: b\r\n" * 200_000 + b"\r\n", 431),
        (b"GET /livez HTTP/1.1\r\na: " + b"b" * 1_000_000, 431),
    ],
)
def test_a_request_of_a_megabyte_is_refused_before_its_end(sent: bytes, status: int) -> None:
    """Whether its line is too long or its fields are."""
    assert refused(read(sent)) == status


def test_a_client_that_goes_away_gets_nothing_and_half_a_request_is_refused() -> None:
    """A port that was only looked at is no trouble."""
    assert read(end=True) is None
    assert refused(read(b"GET /livez HT", end=True)) == 400


def test_what_comes_behind_a_request_is_left_alone() -> None:
    """One connection has one answer."""
    assert read(b"GET /livez HTTP/1.1\r\n\r\nGET /health HTTP/1.1\r\n\r\n") == Request("/livez")
