"""The lists in docs/reference/errors.md: `python -m tests.docs.client_errors` prints them."""

from collections.abc import Iterator

from aiokafka.errors import KafkaError
from nats import errors as nats_errors
from nats.js import errors as jetstream_errors

from partita import open_bus
from partita.backends.kafka.codes import CODES, error_class


def _below(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def kafka_retriable() -> set[str]:
    """The names of aiokafka's own errors after which the same may be asked again."""
    ours = {error_class(code, name).__name__ for code, name in CODES.items()}
    found = {each for each in _below(KafkaError) if each.__module__ == KafkaError.__module__}
    return {each.__name__ for each in found if each.retriable} - ours  # type: ignore[attr-defined]


def nats_retriable() -> set[str]:
    """The names of nats-py's errors after which the same may be asked again."""
    bus = open_bus("nats://127.0.0.1:1")
    modules = (nats_errors, jetstream_errors)
    kinds = {each for module in modules for each in vars(module).values() if isinstance(each, type)}
    plain = {each for each in kinds if issubclass(each, Exception)}
    return {each.__name__ for each in plain if bus.is_retriable(_made(each))}


def _made(kind: type[Exception]) -> Exception:
    """An error of a class, made without what its own constructor asks for."""
    made = kind.__new__(kind)
    if isinstance(made, jetstream_errors.APIError):
        made.code = 0
    return made


def codes() -> Iterator[str]:
    """A row for each code that the client has no class for by itself."""
    for code, name in CODES.items():
        made = error_class(code, name)
        yield f"| {code} | {name} | `{made.__name__}` | {'yes' if made.retriable else 'no'} |"


def main() -> None:
    """Print all lists."""
    print(*sorted(kafka_retriable()), "", *sorted(nats_retriable()), "", *codes(), sep="\n")


if __name__ == "__main__":
    main()
