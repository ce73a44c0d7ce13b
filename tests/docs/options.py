"""The tables of options in docs/reference/settings.md: `python -m tests.docs.options` prints them."""

from collections.abc import Iterator, Mapping, Sequence

from partita import ClientOption, open_bus
from partita.backends.kafka import options as kafka
from partita.backends.nats import options as nats
from partita.core.client_options import Rules

TABLES: Mapping[str, Rules] = {"kafka": kafka.RULES, "nats": nats.RULES}


def settable(broker: str) -> Iterator[str]:
    """A row for each option that can be set: its clients, what it takes, and its default."""
    told: dict[str, list[ClientOption]] = {}
    for each in open_bus(f"{broker}://127.0.0.1:1").options:
        told.setdefault(each.name, []).append(each)
    for name, found in sorted(told.items()):
        clients = ", ".join(each.client for each in found)
        takes = TABLES[broker].type_of(name).told
        cells = [f"`{name}`", *([clients] if clients else []), takes, _default(found)]
        yield f"| {' | '.join(cells)} |"


def _default(found: Sequence[ClientOption]) -> str:
    """The default; ours in bold; where clients differ, each."""
    each = {option.client: _written(option) for option in found}
    if len(set(each.values())) == 1:
        return next(iter(each.values()))
    return ", ".join(f"{client} {value}" for client, value in each.items())


def _written(option: ClientOption) -> str:
    value = option.value
    if option.name == "client_id":
        return "a name of its own"
    if value is None or value == "":
        return "none"
    if not isinstance(value, str | int | float | bytes):
        return "the client's own"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"**{text}**" if option.origin == "partita" else text


def refused(broker: str) -> Iterator[str]:
    """A row for each option that cannot be set, with the reason."""
    for name, reason in sorted(TABLES[broker].refused.items()):
        yield f"| `{name}` | {reason} |"


def main() -> None:
    """Print all tables."""
    for broker in TABLES:
        print(f"\n### {broker}\n", *settable(broker), "", *refused(broker), sep="\n")


if __name__ == "__main__":
    main()
