"""A copy of the packages and their tests, in which one piece of the engine is made wrong at a time."""

import compileall
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from py_compile import PycInvalidationMode

import attrs

ROOT = Path(__file__).parents[2]
COPIED = ("framework", "workers", "tests")
DEADLINE = 120.0
ALL_PASSED, SOME_FAILED = 0, 1


@attrs.frozen
class Mutation:
    """
    One fault, put into the engine on purpose.

    Args:
        wrong: what the engine does then.
        file: where, below framework/partita.
        old: the text that is right; it stands there once.
        new: what it is replaced by.
        tests: "path::name" below tests, each of which must fail.
    """

    wrong: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


@attrs.frozen
class Copy:
    """A copy below *path*; the tests in it import the packages in it."""

    path: Path

    @classmethod
    def make(cls, path: Path) -> "Copy":
        """Copy what is in the work tree now."""
        for name in COPIED:
            shutil.copytree(ROOT / name, path / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", path)
        # By what is in it and not by its time: a file may be changed twice in a second.
        mode = PycInvalidationMode.CHECKED_HASH
        compileall.compile_dir(path / "framework", quiet=1, invalidation_mode=mode)
        return cls(path)

    @contextmanager
    def mutated(self, mutation: Mutation) -> Iterator[None]:
        """
        The copy is wrong for as long as the block lasts.

        Raises:
            LookupError: the text does not stand there, or more than once: the mutation is to be rewritten.
        """
        file = self.path / "framework" / "partita" / mutation.file
        right = file.read_text()
        if (found := right.count(mutation.old)) != 1:
            raise LookupError(f"{mutation.wrong}: its old text stands {found} times in {mutation.file}")
        file.write_text(right.replace(mutation.old, mutation.new))
        try:
            yield
        finally:
            file.write_text(right)

    def run(self, tests: Collection[str]) -> tuple[int, set[str]]:
        """
        Run *tests*; returns pytest's exit code and those that failed, parameters left out.

        Raises:
            subprocess.TimeoutExpired: they took more than two minutes.
        """
        sources = [str(self.path / name) for name in ("framework", "workers")]
        paths = {"PYTHONPATH": os.pathsep.join([*sources, str(self.path)])}
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "--tb=no", "-rf", "-p", "no:cacheprovider"),
                *(f"tests/{test}" for test in sorted(tests)),
            ],
            cwd=self.path,
            env=os.environ | paths | {"PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("FAILED ")]
        failed = [line.split()[1].removeprefix("tests/").partition("[")[0] for line in lines]
        return done.returncode, set(failed)
