"""Where a function is to be found: its module and its name in it, so that another process finds it too."""

import importlib
import inspect

import attrs

from partita.core.errors import RouteError


@attrs.frozen
class Address:
    """A function by name."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}:{self.name}"

    def find(self) -> object:
        """
        Import the module and take the function from it.

        Raises:
            Exception: what the import raised, or AttributeError.
        """
        found: object = importlib.import_module(self.module)
        for part in self.name.split("."):
            found = getattr(found, part)
        return found


def address_of(function: object, where: str) -> Address:
    """
    The address of a function, as far as it can be told while its module is being imported.

    Raises:
        RouteError: it can have none; the text begins with *where*.
    """
    problem = ""
    if not inspect.isfunction(function):
        problem = f"is a {type(function).__name__} and no function of a module"
    elif "<lambda>" in function.__qualname__:
        problem = "is a lambda and has no name"
    elif "<locals>" in function.__qualname__:
        problem = "is defined inside a function"
    elif function.__module__ == "__main__":
        problem = "is defined in the program that is run, __main__"
    if problem:
        raise RouteError(
            f"{where}: run='process' imports the handler in other processes, and this one {problem}; "
            "define it with 'def' at the top of a module that can be imported"
        )
    assert inspect.isfunction(function)  # or there was a problem
    return Address(function.__module__, function.__qualname__)


def check_address(address: Address, function: object, where: str) -> None:
    """
    Whether *function* is what is found at its address, now that its module is imported.

    Raises:
        RouteError: something else is, or nothing.
    """
    try:
        found = address.find()
    # An import runs code of the user's, which may raise anything.
    except Exception as error:
        raise RouteError(f"{where}: run='process' cannot import {address}: {error}") from error
    if found is not function:
        raise RouteError(
            f"{where}: run='process' would call {address} in other processes, and that is another object; "
            "put @router.handler above all other decorators, and let no other function have its name"
        )
