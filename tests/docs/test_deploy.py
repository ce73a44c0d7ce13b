"""The files to deploy with: they can be read, and what they say of the worker is so."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from tests.docs.units import instructions, seconds, settings
from tests.docs.yamls import documents

from partita_worker.arguments import running
from partita_worker.cli import parser
from partita_worker.endpoint.pages import Pages
from partita_worker.endpoint.requests import Request
from partita_worker.exits import ExitCode
from partita_worker.signals import CLOSE_SECONDS
from partita_worker.systemd import LOOK_SECONDS

FOLDER = Path(__file__).parents[2] / "docs" / "how-to" / "deploy"
VARIABLES = {each.variable: each for each in running.RUN}
RECIPE = list(instructions((FOLDER / "Dockerfile").read_text()))
UNIT = list(settings((FOLDER / "partita-worker.service").read_text()))
# As `man systemd.unit`, `systemd.service`, `systemd.exec` and `systemd.resource-control` have them.
KNOWN = {
    "Unit": {"Description", "Wants", "After", "StartLimitIntervalSec", "StartLimitBurst"},
    "Service": {
        "Type", "DynamicUser", "WorkingDirectory", "EnvironmentFile", "Environment", "ExecStart",
        "ExecStartPost", "TimeoutStartSec", "TimeoutStopSec", "Restart", "RestartSec",
        "RestartPreventExitStatus", "NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectSystem",
        "ProtectHome", "ProtectKernelTunables", "ProtectControlGroups", "RestrictAddressFamilies",
        "CapabilityBoundingSet", "LimitNOFILE", "MemoryMax", "WatchdogSec", "NotifyAccess", "ExecReload",
    },
    "Install": {"WantedBy"},
}  # fmt: skip
PROBES = {"startupProbe": "/startupz", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
SLIPS = [
    "a: b: c", "a:\n  b: 1\n c: 2", "a: 1\na: 2", "a:\nb: 1", "a: [1", "- a\nb: 1", "a: *b", "a", "a: 1 ",
    'a: "b',
]  # fmt: skip
INSTRUCTIONS = {"FROM", "RUN", "COPY", "WORKDIR", "USER", "ENV", "ENTRYPOINT", "CMD", "HEALTHCHECK"}


def manifests() -> Mapping[str, Any]:
    """The Kubernetes objects by their kind."""
    found = [cast("Mapping[str, Any]", each) for each in documents((FOLDER / "kubernetes.yaml").read_text())]
    return {each["kind"]: each for each in found}


def unit(name: str) -> str:
    """The value of a setting that stands there once."""
    (value,) = [each.value for each in UNIT if each.name == name]
    return value


def can_be_used(words: list[str]) -> bool:
    """Whether `worker` takes these arguments. Ends the test if not."""
    return bool(parser().parse_args(words).command)


def variables_in(text: str) -> Iterator[tuple[str, str]]:
    """Each of the worker's variables that a line of assignments sets."""
    for word in shlex.split(text):
        name, _, value = word.partition("=")
        if name.startswith("PARTITA_"):
            yield name, value


def check_variables(given: Mapping[str, str]) -> float:
    """Whether the worker has these variables and takes their values; returns the drain timeout."""
    for name, value in given.items():
        VARIABLES[name].read(value)
    drain = VARIABLES["PARTITA_DRAIN_TIMEOUT"]
    return float(given.get(drain.variable, str(drain.default)))


def test_the_image_runs_the_worker_as_process_one_and_as_nobody_special() -> None:
    """Without a shell between a signal and the worker, from a stage without the build's leftovers."""
    by_name = {each.name: each for each in RECIPE}
    started = by_name["ENTRYPOINT"].command + by_name["CMD"].command

    assert RECIPE[0].name == "FROM"
    assert {each.name for each in RECIPE} <= INSTRUCTIONS
    assert started[0] == "worker"
    assert can_be_used(started[1:])
    assert int(by_name["USER"].rest) > 0
    check_variables(dict(variables_in(by_name["ENV"].rest)))


def test_the_image_asks_the_worker_itself() -> None:
    """With the variable that the worker was started with, and more patience than the question has."""
    (check,) = [each for each in RECIPE if each.name == "HEALTHCHECK"]
    asked = check.command

    assert asked[0] == "worker"
    assert set(check.flags) <= {"interval", "timeout", "start-period", "retries"}
    assert seconds(check.flags["timeout"]) > parser().parse_args(asked[1:]).timeout
    assert "PARTITA_HEALTH_PORT" in dict(variables_in(next(e.rest for e in RECIPE if e.name == "ENV")))


def test_every_setting_of_the_unit_is_one_in_its_section() -> None:
    """What systemd does not know it only warns of, and nobody reads that."""
    assert [each for each in UNIT if each.name not in KNOWN[each.section]] == []
    assert unit("Type") in {"exec", "notify", "notify-reload"}
    assert unit("Restart") == "on-failure"


def test_the_unit_starts_what_there_is_and_gives_it_time() -> None:
    """Absolute paths, arguments that the worker takes, and longer than its drain."""
    program, *words = shlex.split(unit("ExecStart"))
    drain = check_variables(dict(variables_in(unit("Environment"))))

    assert program.startswith("/")
    assert program.endswith("/worker")
    assert can_be_used(words)
    assert unit("ExecReload") == "/bin/kill -HUP $MAINPID"
    assert "--processes" in words, "a worker of one process ends by that signal"
    assert (unit("Type"), unit("NotifyAccess")) == ("notify", "main")
    assert seconds(unit("WatchdogSec")) > LOOK_SECONDS
    assert seconds(unit("TimeoutStopSec")) > drain + CLOSE_SECONDS
    assert seconds(unit("TimeoutStartSec")) > 0


def test_the_unit_restarts_nothing_that_no_restart_can_mend() -> None:
    """By the codes that say so."""
    told = {int(each) for each in unit("RestartPreventExitStatus").split()}

    assert told == {ExitCode.USAGE, ExitCode.SETTINGS}


def test_the_manifests_belong_together() -> None:
    """Selectors select the pods that are made."""
    objects = manifests()
    deployment = objects["Deployment"]["spec"]

    assert {kind: each["apiVersion"] for kind, each in objects.items()} == {
        "Deployment": "apps/v1",
        "PodDisruptionBudget": "policy/v1",
    }
    assert all(each["metadata"]["name"] == "orders" for each in objects.values())
    for selector in (deployment["selector"], objects["PodDisruptionBudget"]["spec"]["selector"]):
        assert selector["matchLabels"] == deployment["template"]["metadata"]["labels"]


def test_the_pod_is_probed_where_the_worker_answers() -> None:
    """The paths are pages, the port is the one that the worker is told, and the kubelet reaches it."""
    pod = manifests()["Deployment"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    given = {each["name"]: each.get("value", "kafka://broker:9092") for each in container["env"]}
    pages = Pages(cast("Any", None), tuple).respond(Request("/")).body
    ports = {each["name"]: str(each["containerPort"]) for each in container["ports"]}

    drain = check_variables(given)

    assert can_be_used(["run", *container["args"]])
    assert pod["spec"]["terminationGracePeriodSeconds"] > drain + CLOSE_SECONDS
    for probe, path in PROBES.items():
        asked = container[probe]["httpGet"]
        assert (asked["path"], ports[asked["port"]]) == (path, given["PARTITA_HEALTH_PORT"])
        assert f"{path}," in pages
    assert given["PARTITA_HEALTH_HOST"] == "0.0.0.0"
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == given["PARTITA_HEALTH_PORT"]
    assert pod["metadata"]["annotations"]["prometheus.io/path"] in pages


@pytest.mark.parametrize("text", SLIPS)
def test_a_manifest_with_a_slip_is_refused(text: str) -> None:
    """Otherwise the checks above would mean little."""
    with pytest.raises(ValueError, match="line"):
        documents(text)


def test_what_manifests_are_written_in_is_read() -> None:
    """Nesting, lists of mappings, quotes, brackets, comments and several documents."""
    text = '# c\na:\n  - b: 1 # c\n    c: "#x"\n  - true\nd: ["e"]\nf: g/h:1\n---\ni: 2\n'

    assert documents(text) == [{"a": [{"b": 1, "c": "#x"}, True], "d": ["e"], "f": "g/h:1"}, {"i": 2}]


@pytest.mark.parametrize("text", ["a=b", "[Unit]\nno setting", "[Unit\na=b"])
def test_a_unit_with_a_slip_is_refused(text: str) -> None:
    """The same of units, and of images below."""
    with pytest.raises(ValueError, match="line"):
        list(settings(text))


@pytest.mark.parametrize("text", ["from x", "RUN", 'CMD ["a", \\'])
def test_an_image_with_a_slip_is_refused(text: str) -> None:
    """An instruction is in capitals and says something."""
    with pytest.raises(ValueError, match="line"):
        list(instructions(text))
