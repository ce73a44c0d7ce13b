"""The settings file: what it says of commands, clients and handlers, and where each value comes from."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from partita_worker.cli import main
from partita_worker.failures import SettingRefused
from partita_worker.settings_file import NO_FILE, check_keys, find_settings_file

APP = """
from partita import Router

router = Router()


def first(key: bytes | None, partitions: list[int], available: list[int]) -> int:
    return partitions[0]


@router.handler("orders")
async def charge(order: bytes) -> None: ...
"""
FILE = """
bus = "kafka://127.0.0.1:1?retry_backoff_ms=70"
group = "billing"   # read by run
drain_timeout = 20

[kafka]
request_timeout_ms = 9000

[kafka.consumer]
# a comment
session_timeout_ms = 6000

[kafka.producer]
partitioner = {object = "shop:first"}

[routes.charge]
concurrency = 8
retry = {attempts = 3}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with an application."""
    (tmp_path / "shop.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], *flags: str) -> Mapping[str, tuple[object, str]]:
    """What `worker config show --json` tells, by name."""
    assert main(["config", "show", "--json", *flags]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {each["name"]: (each["value"], each["origin"]) for each in lines}


def test_each_value_is_told_with_the_place_it_comes_from(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flag, a variable, a line of the file with its table, the address, a default of ours or theirs."""
    (folder / "partita.toml").write_text(FILE)
    monkeypatch.setenv("PARTITA_GROUP", "nightly")

    told = shown(capsys, "--log-level", "debug")

    assert told["bus"] == ("kafka://127.0.0.1:1", "partita.toml:2")
    assert told["group"] == ("nightly", "PARTITA_GROUP in the environment")
    assert told["log_level"] == ("debug", "--log-level")
    assert told["drain_timeout"] == (20.0, "partita.toml:4")
    assert told["burst"] == (False, "default")
    assert told["kafka.consumer.session_timeout_ms"] == (6000, "partita.toml:11 [kafka.consumer]")
    assert told["kafka.admin.request_timeout_ms"] == (9000, "partita.toml:7 [kafka]")
    assert told["kafka.admin.retry_backoff_ms"] == (70, "address, partita.toml:2")
    assert told["kafka.consumer.heartbeat_interval_ms"] == (3000, "default")
    assert told["kafka.consumer.fetch_max_wait_ms"] == (500, "default of aiokafka")
    assert told["kafka.producer.partitioner"][1] == "partita.toml:14 [kafka.producer]"
    assert told["routes.charge.concurrency"] == (8, "partita.toml:17 [routes.charge]")


def test_secrets_are_masked_and_their_variable_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever they were given; a file of a secret is no secret."""
    (folder / "secret").write_text("planted")
    monkeypatch.setenv("PARTITA_KAFKA_SASL_PLAIN_PASSWORD", "planted")
    (folder / "partita.toml").write_text(
        '[kafka]\nsecurity_protocol = "SASL_SSL"\nsasl_plain_username_file = "secret"\n'
    )

    told = shown(capsys, "--bus", "kafka://127.0.0.1:1")

    variable = "PARTITA_KAFKA_SASL_PLAIN_PASSWORD in the environment"
    assert told["kafka.admin.sasl_plain_password"] == ("***", variable)
    assert told["kafka.admin.sasl_plain_username_file"] == ("secret", "partita.toml:3 [kafka]")
    assert "planted" not in str(told)
    told = shown(capsys, "--bus", "nats://me:planted@127.0.0.1:1?name=x")
    assert told["nats.password"] == ("***", "address, --bus")
    assert told["nats.name"] == ("x", "address, --bus")
    assert "planted" not in str(told)


def test_a_table_of_pyproject_does_as_well(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the keys below it, unless there is a file of our own."""
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "shop"\n\n[tool.partita]\ngroup = "g"\n[tool.partita.nats]\nno_echo = true\n'
    )

    told = shown(capsys, "--bus", "nats://127.0.0.1:1")
    (folder / "partita.toml").write_text("")
    alone = shown(capsys, "--bus", "nats://127.0.0.1:1")

    assert told["group"] == ("g", "pyproject.toml:5 [tool.partita]")
    assert told["nats.no_echo"] == (True, "pyproject.toml:7 [tool.partita.nats]")
    assert alone["group"] == (None, "default")


def test_a_handler_gets_its_options_from_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the name of its function."""
    (folder / "settings.toml").write_text(FILE)

    code = main(["routes", "shop:router", "--config", "settings.toml"])

    assert code == 0
    assert "charge (concurrency 8," in capsys.readouterr().out


def test_everything_that_cannot_be_used_is_told_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Row 97: keys, values, options of the client and pairs of them, each with its place; exit code 4."""
    (folder / "partita.toml").write_text(
        'bus = "kafka://127.0.0.1:1"\ngrop = "g"\ndrain_timeout = "soon"\nburst = 1\nfeed = ["lines"]\n'
        "[kafka.consumer]\nsesion_timeout_ms = 1\nheartbeat_interval_ms = 90000\nenable_auto_commit = true\n"
    )

    code = main(["run", "shop:router"])

    head, *told = capsys.readouterr().err.split("\n  - ")
    assert (code, head) == (4, "worker: 7 settings cannot be used:")
    for place, words in (
        ("partita.toml:2", "did you mean 'group'?"),
        ("partita.toml:3", "'soon' is not a number of seconds"),
        ("partita.toml:4", "1 is neither true nor false"),
        ("partita.toml:5", "'lines': give TOPIC=FILE"),
        ("partita.toml [kafka.consumer]", "did you mean 'session_timeout_ms'?"),
        ("partita.toml [kafka.consumer]", "committed when its message is handled"),
        ("heartbeat_interval_ms", "below session_timeout_ms"),
    ):
        assert [each for each in told if each.startswith(place) and words in each], (place, words)


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("bus = ", 4, "partita.toml cannot be read"),
        ("kafka = 5", 4, "'kafka' is a table"),
        ("[kafka]\nconsumer = 5", 4, "'consumer' is a table"),
        ("[routes]\ncharge = 5", 4, "'charge' is a table"),
        ("[routes.chrge]\nconcurrency = 1", 2, "no handler 'chrge'; did you mean 'charge'?"),
        ("[routes.charge]\nconcurency = 1", 2, "did you mean 'concurrency'?"),
        ("[routes.charge]\nretry = {attemps = 1}", 2, "did you mean 'attempts'?"),
        ('[routes.charge]\nkey_from = {object = "shop:secnd"}', 2, "no attribute 'secnd'"),
        ("group = true", 4, "neither text nor a number"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_place(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, code: int, said: str
) -> None:
    """Nothing begins on half of what was meant."""
    (folder / "partita.toml").write_text(text)
    bus = ["--bus", "kafka://127.0.0.1:1"] if "kafka" in text else []

    ended = main(["check", "shop:router", *bus])

    told = capsys.readouterr().err
    assert (ended, said in told) == (code, True), told


def test_a_file_that_is_named_must_be_there(folder: Path) -> None:
    """One that is looked for need not."""
    assert find_settings_file(None, folder) is NO_FILE
    with pytest.raises(SettingRefused, match=r"other.toml cannot be read"):
        find_settings_file("other.toml", folder)


def test_the_line_is_that_on_which_a_statement_begins(folder: Path) -> None:
    """Whatever is written over several lines, inline or dotted."""
    (folder / "partita.toml").write_text(
        'feed = [\n  "a=b",\n]\n\nkafka.admin.client_id = """\nlong\n"""\nnats = {name = "x"}\n'
    )

    file = find_settings_file(None, folder)

    assert file.place("feed") == "partita.toml:1"
    assert file.place("kafka", "admin", "client_id") == "partita.toml:5 [kafka.admin]"
    assert file.place("nats", "name") == "partita.toml:8 [nats]"
    check_keys(file, ["feed"])
