"""`worker topics`, `worker publish` and `worker tail` on real brokers, as a shell runs them."""

import asyncio
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest
from tests.workers.running import command, paragraph, run

from partita import open_bus

LINES = b"one\n\ntwo\r\na\x00b\n\xff\xfe\n  spaced \n"


@attrs.frozen
class Shell:
    """A shell in a folder of its own, with one broker in its environment."""

    bus: str
    folder: Path
    topic: str = attrs.field(factory=lambda: f"shell.{uuid.uuid4().hex[:10]}")

    def worker(self, *arguments: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        """Run a command line."""
        return run(self.folder, *arguments, given=given, environ={"PARTITA_BUS": self.bus})

    def prints(self, *arguments: str, given: bytes = b"") -> bytes:
        """What a command prints that must go well."""
        done = self.worker(*arguments, given=given)
        assert done.returncode == 0, done.stderr.decode()
        assert done.stderr == b""
        return done.stdout

    def tail(self, count: int, *arguments: str) -> list[bytes]:
        """The first messages of the topic, in any order across partitions."""
        told = self.prints("tail", self.topic, "--from-beginning", "--max", str(count), *arguments)
        return sorted(told.removesuffix(b"\n").split(b"\n"))


@pytest.fixture(params=["kafka", "nats"])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shell]:
    """A shell with each broker in turn, and a topic in it."""
    made = Shell(f"{request.param}://{request.getfixturevalue(request.param)}", tmp_path)
    assert made.prints("topics", "create", made.topic) == f"created {made.topic} with 4 partitions\n".encode()
    yield made
    made.prints("topics", "delete", made.topic)


def test_lines_arrive_byte_for_byte(shell: Shell) -> None:
    """Blank lines, carriage returns, NUL bytes and what is no UTF-8 are messages like any other."""
    told = shell.prints("publish", shell.topic, given=LINES)

    assert told == f"published 6 messages to {shell.topic}\n".encode()
    assert shell.tail(6) == sorted(LINES.removesuffix(b"\n").split(b"\n"))


def test_a_last_line_without_newline_counts(shell: Shell) -> None:
    """What stands at the end of a file is not lost for want of a newline."""
    (shell.folder / "lines").write_bytes(b"first\nlast")

    shell.prints("publish", shell.topic, "lines")

    assert shell.tail(2) == [b"first", b"last"]


def test_an_empty_file_publishes_nothing(shell: Shell) -> None:
    """Zero bytes are zero messages."""
    (shell.folder / "empty").write_bytes(b"")

    assert shell.prints("publish", shell.topic, "empty").startswith(b"published 0 messages")


def test_keys_and_places_are_printed_when_asked_for(shell: Shell) -> None:
    """Equal keys go to one partition in order; a line without the separator has no key."""
    shell.prints("publish", shell.topic, "--key-separator", "::", given=b"k::a\nk::b::c\nplain\n")

    lines = [line.split(b"\t") for line in shell.tail(3, "--verbose")]
    keyed = [(place.split(b"@")[0], value) for place, key, value in lines if key == b"k"]
    assert [value for _, value in keyed] == [b"a", b"b::c"]
    assert keyed[0][0] == keyed[1][0]
    assert [value for _, key, value in lines if key == b""] == [b"plain"]


def test_tail_begins_at_a_time_prints_headers_and_leaves_no_group_behind(shell: Shell) -> None:
    """What is older is not printed; a header that a message does not have is left out."""
    shell.prints("publish", shell.topic, "--header", "kind=a", "--header", "no=1", given=b"old\n")
    then = datetime.now(UTC).isoformat()
    shell.prints("publish", shell.topic, "--header", "kind=b", given=b"new\n")

    wanted = ("--header", "kind", "--header", "no")
    told = shell.prints("tail", shell.topic, "--from", then, *wanted, "--max", "1")
    both = shell.prints("tail", shell.topic, "--from", "1h", "--header", "no", "--max", "2")

    assert told == b"kind=b\tnew\n"
    assert sorted(both.splitlines()) == [b"new", b"no=1\told"]
    assert asyncio.run(readers(shell)) == set()


async def readers(shell: Shell) -> set[str]:
    """The groups of tails that have read the topic."""
    async with open_bus(shell.bus) as bus:
        names = [name for name in await bus.list_groups() if name.startswith("partita-tail-")]
        found = {name: await bus.group_offsets(name) for name in names}
    return {name for name, offsets in found.items() if any(topic == shell.topic for topic, _ in offsets)}


def test_tail_ends_when_its_reader_has_gone(shell: Shell) -> None:
    """`worker tail | head` ends, also in the middle of a message larger than a pipe."""
    shell.prints("publish", shell.topic, given=b"x" * 900_000)
    arguments = command("tail", shell.topic, "--from-beginning", "--bus", shell.bus)

    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tail:
        assert tail.stdout is not None
        assert tail.stderr is not None
        assert tail.stdout.read(5) == b"xxxxx"
        tail.stdout.close()
        told = tail.stderr.read()

    assert (tail.returncode, told) == (0, b"")


def test_a_large_message_reaches_an_unbuffered_pipe_whole(shell: Shell) -> None:
    """With PYTHONUNBUFFERED a write takes what fits into the pipe; the rest is written after it."""
    shell.prints("publish", shell.topic, given=b"x" * 900_000)
    arguments = ["tail", shell.topic, "--from-beginning", "--max", "1", "--bus", shell.bus]

    done = run(shell.folder, *arguments, environ={"PYTHONUNBUFFERED": "1"})

    assert len(done.stdout) == 900_001


def test_a_line_above_the_limit_is_named_and_the_others_go(shell: Shell) -> None:
    """What the broker refuses is refused by name, with nothing else affected."""
    done = shell.worker("publish", shell.topic, given=b"a\n" + b"x" * 2_000_000 + b"\nb\n")

    assert done.returncode == 7
    assert "line 2: a message of" in paragraph(done)
    assert shell.tail(2) == [b"a", b"b"]


def test_topics_are_listed_with_their_partitions(shell: Shell) -> None:
    """One topic a line."""
    assert f"{shell.topic}  4 partitions" in shell.prints("topics", "list").decode().splitlines()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["publish", "no.such"], "worker topics create no.such"),
        (["tail", "no.such"], "worker topics create no.such"),
        (["topics", "delete", "no.such"], "no topic 'no.such'"),
        (["topics", "create", "a b"], "is no topic name"),
        (["topics", "create", "three.copies", "--replication", "3"], "did not make the topic"),
        (["publish", "TOPIC", "nofile"], "nofile: No such file or directory"),
        (["topics", "create", "TOPIC"], "already"),
    ],
)
def test_what_cannot_be_done_is_told(shell: Shell, arguments: list[str], told: str) -> None:
    """One paragraph, exit code 2, no traceback."""
    done = shell.worker(*(shell.topic if each == "TOPIC" else each for each in arguments))

    assert done.returncode == 2
    assert told in paragraph(done)
