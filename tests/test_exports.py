"""The public names: all there, all documented, nothing else, and with the types that are promised."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import partita
import partita.testing

TYPED = """
import re
from partita import Context, Message, Router, open_bus

router = Router(concurrency=2)

@router.handler("orders", re.compile("views"), concurrency=64, to="bills")
async def charge(order: bytes, context: Context[int]) -> bytes | None:
    reveal_type(context.state)
    return None

@router.handler("orders")
def blocking(message: Message, limit: int = 3) -> str:
    return ""

reveal_type(charge)
reveal_type(blocking)

async def main() -> None:
    async with open_bus() as bus:
        reveal_type(await bus.publish("a", b""))
        reveal_type(await bus.send("a", b""))
        await bus.run(router, group="g", burst=True)

router.handler("a", concurency=3)
"""


@pytest.mark.parametrize("name", partita.__all__)
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    """With more than what its class would say anyway."""
    found = getattr(partita, name)

    assert found.__doc__
    assert len(found.__doc__) > 20


@pytest.mark.parametrize("module", [partita, partita.testing], ids=lambda module: module.__name__)
def test_what_is_public_is_what_the_module_takes_in(module: object) -> None:
    """Nothing is exported that is not named, and nothing is named twice."""
    source = Path(inspect.getfile(module)).read_text()  # type: ignore[arg-type]
    taken = [
        each.asname or each.name
        for node in ast.parse(source).body
        if isinstance(node, ast.ImportFrom)
        for each in node.names
    ]

    assert sorted(taken) == sorted(module.__all__)  # type: ignore[attr-defined]


def public_members() -> list[str]:
    """Methods and properties of the public classes that have no docstring."""
    bare = []
    for name in partita.__all__:
        found = getattr(partita, name)
        if not (inspect.isclass(found) and found.__module__.startswith("partita")):
            continue
        for attribute, value in vars(found).items():
            documented = inspect.isfunction(value) or isinstance(value, property)
            if documented and not attribute.startswith("_") and not value.__doc__:
                bare.append(f"{name}.{attribute}")
    return bare


def test_every_public_method_is_documented() -> None:
    """A user reads the help before the source."""
    assert public_members() == []


def test_the_design_names_are_public() -> None:
    """What users and outside benchmarks are written against."""
    fixed = {"Router", "Message", "Context", "Outgoing", "EventBus", "open_bus", "Retry", "RouteOptions"}

    assert fixed <= set(partita.__all__)


def test_the_types_are_those_that_were_written(tmp_path: Path) -> None:
    """A handler keeps its exact type, and a misspelt option is found before anything runs."""
    snippet = tmp_path / "snippet.py"
    snippet.write_text(TYPED)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(tmp_path)]

    done = subprocess.run(
        [*command, "--follow-imports=silent", str(snippet)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=tmp_path,
    )

    told = [line.partition("note: Revealed type is ")[2].strip('"') for line in done.stdout.splitlines()]
    state, charge, blocking, *receipts = [each.replace("typing.", "") for each in told if each]
    context = "partita.message.Context[int]"
    assert state == "int"
    assert charge == f"def (order: bytes, context: {context}) -> Coroutine[Any, Any, bytes | None]"
    assert blocking == "def (message: partita.message.Message, limit: int =) -> str"
    assert ["Receipt" in each for each in receipts] == [True, True]
    (error,) = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert 'Unexpected keyword argument "concurency"' in error
