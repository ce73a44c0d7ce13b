"""Who may import whom, read from the source itself."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PARTITA = ROOT / "framework" / "partita"
WORKER = ROOT / "workers" / "partita_worker"
EXAMPLES = ROOT / "examples"
PUBLIC = {"partita", "partita.testing", "partita.middleware"}


def imports_of(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it, and the names that are taken from it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield str(node.module)
            yield from (f"{node.module}.{each.name}" for each in node.names)


def breaches(folder: Path, *barred: str) -> list[str]:
    """The imports under *folder* that begin with one of *barred*."""
    return [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted(folder.rglob("*.py"))
        for name in imports_of(path)
        if any(name == each or name.startswith(each + ".") for each in barred)
    ]


@pytest.mark.parametrize("path", sorted((PARTITA / "core").glob("*.py")), ids=lambda path: path.stem)
def test_core_is_pure(path: Path) -> None:
    """The standard library without clock, loop and logger, attrs, and itself; and nothing is awaited."""
    impure = {"asyncio", "time", "logging", "threading", "random", "socket", "concurrent"}
    allowed = (set(sys.stdlib_module_names) | {"attrs"}) - impure

    for name in imports_of(path):
        assert name.startswith("partita.core") or name.split(".")[0] in allowed, name

    nodes = list(ast.walk(ast.parse(path.read_text())))
    assert not [node for node in nodes if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith)]
    # The ports say what is awaited elsewhere: a docstring, and nothing that could run.
    bodies = [node.body for node in nodes if isinstance(node, ast.AsyncFunctionDef)]
    assert not [body for body in bodies if [ast.unparse(each) for each in body[1:]] != ["..."]]


def test_actors_and_backends_do_not_know_each_other() -> None:
    """Both know the ports, and so any actor runs on any backend."""
    assert breaches(PARTITA / "actors", "partita.backends", "aiokafka", "nats") == []
    assert breaches(PARTITA / "backends", "partita.actors") == []


@pytest.mark.parametrize("backend", ["memory", "kafka", "nats"])
def test_a_backend_knows_core_and_its_own_client(backend: str) -> None:
    """Not another backend, and nothing of the bus above it."""
    folder = PARTITA / "backends" / backend
    assert folder.is_dir()
    ours = ("partita.core", f"partita.backends.{backend}")
    clients = {"aiokafka": "kafka", "nats": "nats"}

    for path in folder.rglob("*.py"):
        for name in imports_of(path):
            top = name.split(".")[0]
            assert top != "partita" or name.startswith(ours) or name in ("partita", "partita.backends"), path
            assert clients.get(top, backend) == backend, path


def test_the_framework_calls_the_telemetry_api_only() -> None:
    """Which SDK there is, and whether, is the application's to decide."""
    assert breaches(PARTITA, "opentelemetry.sdk", "opentelemetry.exporter") == []


@pytest.mark.parametrize("folder", [WORKER, EXAMPLES], ids=["workers", "examples"])
def test_workers_and_examples_use_public_names_only(folder: Path) -> None:
    """They are our first users: what they need, every user can have."""
    taken = [
        (path.name, str(node.module), each.name)
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "partita"
        for each in node.names
    ]

    assert [each for each in taken if each[1] not in PUBLIC or each[2].startswith("_")] == []
    assert breaches(folder, "partita.core", "partita.actors", "partita.backends") == []


@pytest.mark.parametrize("module", ["partita", "partita.testing"])
def test_importing_the_package_imports_no_client_library(module: str) -> None:
    """Who works with one broker does not pay for the other; and memory needs neither."""
    code = (
        f"import sys, asyncio, {module}, partita\n"
        "async def main():\n"
        "    async with partita.open_bus('memory://') as bus: await bus.publish('a', b'1')\n"
        "asyncio.run(main())\n"
        "print(*sorted({'aiokafka', 'nats', 'opentelemetry.sdk'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert (done.stdout, done.stderr) == ("\n", "")
