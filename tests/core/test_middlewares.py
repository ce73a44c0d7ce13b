"""What can stand in the option `middleware`."""

import functools
from collections.abc import AsyncIterator

import pytest

from partita.core.middlewares import middleware_problem


async def good(message: object, call_next: object) -> object:
    """As it should be."""
    return call_next


class Good:
    """An object that is called."""

    async def __call__(self, message: object, call_next: object) -> object:
        """As it should be."""
        return call_next


async def one(message: object) -> None:
    """Too few parameters."""


async def generator(message: object, call_next: object) -> AsyncIterator[int]:
    """Yields, as middlewares of other frameworks do."""
    yield 1


@pytest.mark.parametrize("value", [[], [good], (good, Good()), [functools.partial(good)], [max]])
def test_takes_functions_and_objects_in_a_sequence(value: object) -> None:
    """What is written in C and tells no signature is taken too."""
    assert middleware_problem(value) is None


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (good, "give a list"),
        ("good", "give a list"),
        ({good}, "give a list"),
        ([Good], "Good is a class; give an object of it, Good(...)"),
        ([7], "7 is no async function"),
        ([one], "one does not take (message, call_next)"),
        ([good, generator], "generator yields"),
    ],
)
def test_refuses_what_would_fail_at_the_first_message(value: object, told: str) -> None:
    """In words that say what to write instead."""
    problem = middleware_problem(value)

    assert problem is not None
    assert problem.startswith("middleware")
    assert told in problem
