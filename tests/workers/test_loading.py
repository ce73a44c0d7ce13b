"""From "module:attribute" to a router, and the words for everything that can be wrong about it."""

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from partita import RouteError, Router
from partita_worker.failures import ImportFailed, UsageError
from partita_worker.loading import load

ROUTER = "from partita import Router\nrouter = Router()\nother = 5\n"


class Project:
    """A folder with modules of names that nobody else has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.package = f"p{uuid.uuid4().hex}"

    def write(self, name: str, text: str) -> str:
        """Write a module of the package; returns its dotted name."""
        path = self.folder / self.package / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return f"{self.package}.{name}"

    def load(self, target: str) -> Router:
        """Load a router from here."""
        return load(target, Router, str(self.folder))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """An empty project; what it put into the import path is taken out again."""
    before = list(sys.path)
    yield Project(tmp_path)
    sys.path[:] = before


def test_a_router_is_imported_from_the_folder(project: Project) -> None:
    """The folder that was named is importable."""
    module = project.write("app", ROUTER)

    assert isinstance(project.load(f"{module}:router"), Router)


@pytest.mark.parametrize("target", ["app", "app:", ":router", ""])
def test_a_target_of_another_form_is_refused_with_the_form(project: Project, target: str) -> None:
    """The text shows how it is written."""
    with pytest.raises(UsageError, match="give MODULE:ATTRIBUTE"):
        project.load(target)


def test_a_file_is_refused_with_its_modules_name(project: Project) -> None:
    """Whoever names a file is told the module."""
    with pytest.raises(UsageError, match=r"examples\.wordcount:router"):
        project.load("./examples/wordcount.py:router")


def test_a_wrong_module_is_refused_with_the_nearest_name(project: Project) -> None:
    """Of a dotted name the part that does not exist is named."""
    project.write("orders", ROUTER)

    with pytest.raises(
        UsageError, match=rf"no module '{project.package}\.ordres'.*{project.package}\.orders"
    ):
        project.load(f"{project.package}.ordres:router")


def test_a_module_below_a_module_is_refused(project: Project) -> None:
    """A module that is no package has nothing below it."""
    module = project.write("app", ROUTER)

    with pytest.raises(UsageError, match="is a module and no package"):
        project.load(f"{module}.deeper:router")


def test_a_wrong_attribute_is_refused_with_the_routers_there_are(project: Project) -> None:
    """What would do is named, and not everything that the module imports."""
    module = project.write("app", ROUTER)

    with pytest.raises(UsageError, match=r"no attribute 'ruter'; did you mean router\?"):
        project.load(f"{module}:ruter")


def test_an_attribute_of_another_type_is_refused(project: Project) -> None:
    """The text says what it is and where there is a router."""
    module = project.write("app", ROUTER)

    with pytest.raises(UsageError, match=f"is of type int, not a Router; there is {module}:router"):
        project.load(f"{module}:other")


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    """A misspelt --app-dir is not taken for a missing module."""
    with pytest.raises(UsageError, match="no such folder"):
        load("app:router", Router, str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("def f():\n    return {}['a']\nf()\n", "KeyError: 'a'"),
        ("def (:\n", "SyntaxError: invalid syntax"),
        ("import nosuchthing\n", "ModuleNotFoundError: No module named 'nosuchthing'"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
    ],
)
def test_a_module_that_raises_shows_its_own_traceback(project: Project, text: str, last: str) -> None:
    """The traceback begins in the user's file and holds no frame of ours."""
    module = project.write("broken", text)

    with pytest.raises(ImportFailed) as caught:
        project.load(f"{module}:router")

    lines = str(caught.value).splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "broken.py" in lines[1]
    assert lines[-1] == last
    assert "partita_worker" not in str(caught.value)


def test_a_handler_that_cannot_be_served_keeps_our_words(project: Project) -> None:
    """An error of ours at decoration names function and place; a traceback would only bury it."""
    text = f"{ROUTER}\n@router.handler('a')\nasync def charge(a: bytes, b: int): ...\n"
    module = project.write("app", text)

    with pytest.raises(RouteError, match="charge"):
        project.load(f"{module}:router")
