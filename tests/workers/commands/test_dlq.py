"""`worker dlq` on real brokers, as a shell runs it."""

import asyncio
import json
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import pytest
from tests.letters import letter
from tests.workers.running import paragraph, run

from partita import Outgoing, open_bus
from partita_worker.commands.dlq import progress_line


@attrs.frozen
class Shell:
    """A shell with one broker in its environment, a topic, and its dead-letter topic."""

    bus: str
    folder: Path
    topic: str = attrs.field(factory=lambda: f"dlq.{uuid.uuid4().hex[:10]}")

    @property
    def dlq(self) -> str:
        """The dead-letter topic."""
        return f"{self.topic}.dlq"

    def worker(self, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        """Run a command line."""
        return run(self.folder, *arguments, environ={"PARTITA_BUS": self.bus})

    def prints(self, *arguments: str) -> list[str]:
        """The lines that a command prints that must go well."""
        done = self.worker(*arguments)
        assert done.returncode == 0, done.stderr.decode()
        assert done.stderr == b""
        return done.stdout.decode().splitlines()

    def publish(self, letters: Sequence[Outgoing]) -> None:
        """Publish dead letters."""

        async def scenario() -> None:
            async with open_bus(self.bus) as bus:
                await bus.publish_batch(self.dlq, letters)

        asyncio.run(scenario())

    def letter(self, value: bytes, handler: str = "charge") -> Outgoing:
        """The dead letter of a message that was in the topic."""
        return letter(value, b"key", handler, self.topic)


@pytest.fixture(params=["kafka", "nats"])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shell]:
    """A shell with each broker in turn."""
    made = Shell(f"{request.param}://{request.getfixturevalue(request.param)}", tmp_path)
    for topic in (made.topic, made.dlq):
        made.prints("topics", "create", topic, "--partitions", "2")
    yield made
    for topic in (made.topic, made.dlq):
        made.prints("topics", "delete", topic)


def test_a_list_names_each_letter_and_no_payload(shell: Shell) -> None:
    """Where it is, where it was, who gave it up and why, as text and as JSON; nothing of the message."""
    shell.publish([shell.letter(b"secret-a"), shell.letter(b"secret-b", "refund")])

    lines = shell.prints("dlq", "list", shell.dlq)
    objects = [json.loads(line) for line in shell.prints("dlq", "list", shell.dlq, "--json")]
    first = shell.prints("dlq", "list", shell.dlq, "--max", "1")

    place = lines[0].split()[0]
    assert lines[0] == f"{place}  {shell.topic}/3@17  charge  exhausted, 5 attempts  KeyError: 'b'"
    assert [each["handler"] for each in objects] == ["charge", "refund"]
    assert objects[0]["letter"]["topic"] == shell.dlq
    assert (objects[0]["topic"], objects[0]["first_error_class"]) == (shell.topic, "ValueError")
    assert first == lines[:1]
    assert "secret" not in str(lines) + str(objects)


def test_one_letter_is_shown_with_its_message(shell: Shell) -> None:
    """Headers and key are escaped, and the value follows byte for byte."""
    shell.publish([shell.letter(b"\xff\x00raw")])
    (line,) = shell.prints("dlq", "list", shell.dlq)

    done = shell.worker("dlq", "show", line.split()[0])

    told, _, value = done.stdout.partition(b"\n\n")
    assert value == b"\xff\x00raw\n"
    assert {"reason: exhausted", "key: key", "header own: 1", "value: 5 bytes"} <= set(
        told.decode().split("\n")
    )


def test_a_replay_publishes_each_letter_once(shell: Shell) -> None:
    """A dry run first, then one handler's letters, then the rest; and then there is nothing left."""
    shell.publish([shell.letter(b"a"), shell.letter(b"b", "refund"), shell.letter(b"c")])
    replay = ("dlq", "replay", shell.dlq)

    assert shell.prints(*replay, "--dry-run") == ["would replay 3 dead letters"]
    assert shell.prints(*replay, "--handler", "refund", "--rate", "100") == ["replayed 1 dead letter, left 2"]
    assert shell.prints(*replay, "--error", "KeyError") == ["replayed 2 dead letters"]
    assert shell.prints(*replay) == ["replayed 0 dead letters"]
    values = shell.prints("tail", shell.topic, "--from-beginning", "--max", "3")
    assert values == ["b", "a", "c"]


def test_letters_that_cannot_be_published_are_named_and_stay(shell: Shell) -> None:
    """The exit code says so, and they go out once there is a topic for them."""
    shell.publish([letter(b"a", topic=f"{shell.topic}.gone"), shell.letter(b"b")])

    failed = shell.worker("dlq", "replay", shell.dlq)
    rest = shell.prints("dlq", "replay", shell.dlq, "--to", shell.topic)

    assert failed.returncode == 7
    assert failed.stdout == b"replayed 1 dead letter, failed 1\n"
    assert f"{shell.topic}.gone" in paragraph(failed)
    assert rest == ["replayed 1 dead letter"]


def test_what_is_not_there_is_named(shell: Shell) -> None:
    """A missing topic, a missing letter, and the topic itself as target."""
    missing = shell.worker("dlq", "list", f"{shell.dlq}.not")
    nothing = shell.worker("dlq", "show", f"{shell.dlq}/0@7")
    itself = shell.worker("dlq", "replay", shell.dlq, "--to", shell.dlq)

    assert [each.returncode for each in (missing, nothing, itself)] == [2, 2, 2]
    assert f"{shell.dlq}.not" in paragraph(missing)
    assert f"no dead letter at {shell.dlq}/0@7" in paragraph(nothing)
    assert "in that topic already" in paragraph(itself)


def test_memory_is_refused(tmp_path: Path) -> None:
    """The letters of another process are not in this one's memory."""
    done = run(tmp_path, "dlq", "list", "orders.dlq", "--bus", "memory://")

    assert done.returncode == 2
    assert "'worker dlq list'" in paragraph(done)


@pytest.mark.parametrize("arguments", [("show", "orders.dlq"), ("replay", "x", "--rate", "0")])
def test_arguments_that_cannot_be_used_are_refused(arguments: Sequence[str], tmp_path: Path) -> None:
    """With what can be given instead."""
    done = run(tmp_path, "dlq", *arguments)

    assert done.returncode == 2
    assert b"give TOPIC/PARTITION@OFFSET" in done.stderr or b"is not a number above 0" in done.stderr


def test_the_bar_shows_how_far_a_replay_is() -> None:
    """Thirty places and the count; nothing to do is done."""
    assert progress_line("replaying x", 50, 200) == f"replaying x [{'#' * 8:30}]  25% 50 of 200"
    assert progress_line("replaying x", 0, 0).endswith("0% 0 of 0")
