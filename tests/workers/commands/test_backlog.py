"""`worker backlog`: what it prints, and what its exit code says."""

import asyncio
import json
import signal
import uuid
from pathlib import Path

import pytest
from tests.workers.running import running

from partita import Backlog, PartitionBacklog, open_bus
from partita_worker.cli import main
from partita_worker.commands.backlog import CLEAR, lines_of, sentence
from partita_worker.exits import ExitCode


def partition(number: int, lag: int, **known: object) -> PartitionBacklog:
    """What waits in one partition."""
    committed = None if number else 120
    return PartitionBacklog("orders", number, committed, 120 + lag, lag, float(lag), **known)  # type: ignore[arg-type]


@pytest.fixture
def topic(nats: str) -> str:
    """A topic with three messages, and a broker of it."""
    name = f"backlog.{uuid.uuid4().hex[:8]}"

    async def publish() -> None:
        async with open_bus(f"nats://{nats}") as bus:
            await bus.create_topic(name, partitions=1)
            await bus.publish_batch(name, [b"1", b"2", b"3"])

    asyncio.run(publish())
    return name


def test_the_exit_code_says_whether_the_group_is_behind(
    topic: str, nats: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 or 10, for a script; the table has a line for each partition and a sentence below."""
    bus = ["--bus", f"nats://{nats}", "--topic", topic]

    patient = main(["backlog", "g", *bus])
    behind = main(["backlog", "g", *bus, "--max-lag", "2"])
    lines = capsys.readouterr().out.splitlines()

    assert (patient, behind) == (ExitCode.OK, ExitCode.BEHIND)
    assert [line.split()[0] for line in lines] == ["PARTITION", f"{topic}/0", "g"] * 2
    assert "g is not behind: 3 messages wait" in lines[2]
    assert "g is behind: 3 messages wait" in lines[5]


def test_json_is_one_object_with_plain_numbers(
    topic: str, nats: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For scripts and autoscalers; the group and the limits may stand in the environment."""
    monkeypatch.setenv("PARTITA_GROUP", "g")
    monkeypatch.setenv("PARTITA_MAX_LAG", "2")

    code = main(["backlog", "--json", "--bus", f"nats://{nats}", "--topic", topic])
    told = json.loads(capsys.readouterr().out)

    assert code == ExitCode.BEHIND
    assert (told["group"], told["behind"], told["lag"], told["scale_helps"]) == ("g", True, 3, "yes")
    assert told["partitions"][0]["lag"] == 3
    assert told["rate_in"] is None


@pytest.mark.parametrize(
    ("arguments", "told", "code"),
    [
        (["g", "--bus", "memory://"], "memory", ExitCode.USAGE),
        (["--bus", "nats://127.0.0.1:1"], "name a consumer group", ExitCode.USAGE),
        (["g", "--bus", "nats://127.0.0.1:1"], "127.0.0.1:1", ExitCode.UNREACHABLE),
    ],
)
def test_what_cannot_be_asked_ends_with_a_word_on_why(
    arguments: list[str], told: str, code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one paragraph, with the code of its kind."""
    assert main(["backlog", *arguments]) == code
    assert told in capsys.readouterr().err


def test_a_group_that_the_broker_does_not_know_is_said_to_be_so(
    nats: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not taken for one without a backlog."""
    code = main(["backlog", f"none.{uuid.uuid4().hex[:8]}", "--bus", f"nats://{nats}"])

    assert code == ExitCode.SETTINGS
    assert "--topic" in capsys.readouterr().err


def test_a_table_has_its_numbers_to_the_right() -> None:
    """Below their heads, whatever their width."""
    found = Backlog("billing", behind=True, partitions=[partition(0, 5), partition(1, 0)], members=1)

    assert lines_of(found) == [
        "PARTITION  COMMITTED  END  LAG    AGE  STATE",
        "orders/0         120  125    5  5.0 s  caught up",
        "orders/1           -  120    0      -  caught up",
        "billing is behind: 5 messages wait, the oldest for 5.0 s; more workers help: yes",
    ]


@pytest.mark.parametrize(
    ("lag", "rates", "told"),
    [
        (0, None, "billing has caught up"),
        (1, None, "1 message waits, the oldest for 1.0 s; more"),
        (100, (5.0, 15.0), "5.0/s come, 15.0/s go; 10 s to go; more"),
        (100, (5.0, 1.0), "5.0/s come, 1.0/s go; which never ends; more"),
    ],
)
def test_a_sentence_says_how_the_group_is(lag: int, rates: tuple[float, float] | None, told: str) -> None:
    """With the rates once there are some."""
    came, went = rates or (None, None)
    found = Backlog("billing", False, [partition(0, lag, rate_in=came, rate_out=went)], 1)

    assert told in sentence(found)


def test_watching_goes_on_until_it_is_interrupted(topic: str, nats: str, tmp_path: Path) -> None:
    """The second look knows rates; a pipe is sent no commands for a screen."""
    options = ["--topic", topic, "--bus", f"nats://{nats}", "--watch", "--interval", "0.1"]
    with running(tmp_path, "backlog", "g", *options) as watching:
        watching.says("/s come")
        watching.send(signal.SIGINT)
        code = watching.ends()

    assert code == 130
    assert not any(CLEAR in line for line in watching.lines)
