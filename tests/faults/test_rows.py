"""The table of faults names tests that exist."""

import ast
from pathlib import Path

import pytest
from tests.faults.rows import ROWS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("row", ROWS)
def test_each_fault_has_tests_that_exist(row: int) -> None:
    """Whoever renames a test that stands for a fault finds the row without one."""
    _, named = ROWS[row]

    for each in named:
        file, _, function = each.partition("::")
        tree = ast.parse((ROOT / file).read_text())
        functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert not function or function in functions, each
    assert named
