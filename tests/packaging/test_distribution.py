"""What an installation brings, and what importing costs."""

import json
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENTS = ("aiokafka", "nats")


def run(*command: str | Path) -> str:
    """The standard output of a command that must succeed."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it would be released."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    return next(folder.glob("*.whl"))


def test_a_plain_install_brings_at_most_eleven_other_distributions(wheel: Path, tmp_path: Path) -> None:
    """Partita and its five dependencies with theirs are twelve distributions or fewer."""
    venv.create(tmp_path, with_pip=True)
    pip: list[str | Path] = [tmp_path / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]

    run(*pip, "install", "-q", wheel)
    installed = {each["name"] for each in json.loads(run(*pip, "list", "--format", "json"))}

    others = installed - {"partita", "pip", "setuptools"}
    assert "partita" in installed
    assert {"anyio", "aiokafka", "nats-py", "attrs", "opentelemetry-sdk"} <= others
    assert len(others) <= 11, sorted(others)


def test_the_wheel_holds_exactly_the_two_packages(wheel: Path) -> None:
    """The top level of the wheel is partita and partita_worker, typed, beside its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()

    top = {name.split("/")[0] for name in names}
    assert {"partita", "partita_worker"} == {name for name in top if not name.endswith(".dist-info")}
    assert {"partita/py.typed", "partita_worker/py.typed"} <= set(names)


def test_each_dependency_has_a_lower_and_an_upper_bound_and_a_reason() -> None:
    """The runtime dependencies are the five that are named, bounded on both sides, each explained."""
    text = (ROOT / "pyproject.toml").read_text()
    block = text.split("dependencies = [", 1)[1].split("\n]", 1)[0]
    entries = re.findall(r'((?: *#.*\n)+) *"([a-z-]+)>=[\d.]+,<[\d.]+"', block)

    assert ["anyio", "aiokafka", "nats-py", "attrs", "opentelemetry-sdk"] == [name for _, name in entries]
    assert block.count('"') == 2 * len(entries)


@pytest.mark.parametrize(
    "statement",
    ["import partita", "import partita.testing", "from partita_worker.cli import main; main(['--help'])"],
)
def test_importing_and_help_load_no_client(statement: str) -> None:
    """Neither the package nor the command's help loads a client library or the telemetry SDK."""
    script = (
        f"import sys\ntry:\n    {statement}\nexcept SystemExit:\n    pass\n"
        f"print('loaded', sorted(m for m in sys.modules if m.split('.')[0] in {CLIENTS!r} "
        "or m.startswith('opentelemetry.sdk')))"
    )

    assert run(sys.executable, "-c", script).splitlines()[-1] == "loaded []"
