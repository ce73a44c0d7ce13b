"""What a user is not allowed to do is said with the error: the broker names a resource at best."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

DENIALS = (
    TopicAuthorizationFailedError,
    GroupAuthorizationFailedError,
    ClusterAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)


def say_what_is_needed(error: BaseException, needed: str) -> None:
    """
    Add a note to an error that says "not allowed"; others stay as they are, and so does one that has a note.

    Args:
        error: the client's own, which stays the same object.
        needed: operations and resource, such as "WRITE on the topic 'orders'".
    """
    if isinstance(error, DENIALS) and not hasattr(error, "__notes__"):
        error.add_note(f"this needs {needed}; have it allowed by an access rule of the broker")


@contextmanager
def needing(needed: str) -> Iterator[None]:
    """Say with an error of the block what the block needs; see `say_what_is_needed`."""
    try:
        yield
    except DENIALS as error:
        say_what_is_needed(error, needed)
        raise


@contextmanager
def reading(group: str) -> Iterator[None]:
    """Say with an error of the block what a member of *group* needs, by what the broker has denied."""
    try:
        yield
    except DENIALS as error:
        of_group = isinstance(error, GroupAuthorizationFailedError)
        topics = {*error.args[0]} if error.args and isinstance(error.args[0], set | frozenset) else error.args
        named = f"group {group!r}" if of_group else f"topic {', '.join(map(repr, topics))}"
        say_what_is_needed(error, f"READ on the {named}")
        raise
