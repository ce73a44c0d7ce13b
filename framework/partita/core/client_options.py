"""From what was said about a broker's clients to what each is given, and everything that cannot be used."""

from collections.abc import Callable, Collection, Mapping, Sequence

import attrs

from partita.core.errors import SettingsError
from partita.core.option_types import OptionType
from partita.core.secrets import MASK, Secret, is_secret
from partita.core.settings import nearest

ADDRESS = "address"


@attrs.frozen
class ClientOption:
    """
    One option of a client, as it is used.

    Args:
        client: which one, such as "consumer"; "" where a broker has one client.
        name: the option, as the client has it.
        value: what the client is given, `***` for a secret.
        origin: "address", "settings" or "settings.consumer" and the like for what was said, "partita" for a
            default of ours, otherwise the name of the client whose default it is.
    """

    client: str
    name: str
    value: object
    origin: str


@attrs.frozen
class Rules:
    """
    What may be said about a broker's clients.

    Args:
        owner: whose options they are, for errors, such as "Kafka's client".
        clients: the options that each client has, by its name.
        type_of: what an option takes.
        refused: why an option cannot be set, for those that would break a promise.
    """

    owner: str
    clients: Mapping[str, Collection[str]]
    type_of: Callable[[str], OptionType]
    refused: Mapping[str, str]

    @property
    def known(self) -> set[str]:
        """Every option that can be set."""
        return {name for names in self.clients.values() for name in names} - self.refused.keys()


@attrs.frozen
class Table:
    """
    Options that were given in one place; a later table wins over an earlier one.

    Args:
        origin: where, as in `ClientOption`.
        options: by their names.
        client: the only one that they are for; None: every client that has the option.
    """

    origin: str
    options: Mapping[str, object]
    client: str | None = None

    @property
    def place(self) -> str:
        """What stands before a problem, so that it is found; an address has one option of a name anyway."""
        return "" if self.origin == ADDRESS else f"{self.origin}: "


@attrs.frozen
class ReadOptions:
    """
    What was said, checked and converted.

    Args:
        values: the options of each client that were given.
        origins: where each of them was given.
        problems: what cannot be used, in words.
        unread: the options of which something cannot be used.
    """

    values: Mapping[str, dict[str, object]]
    origins: Mapping[str, dict[str, str]]
    problems: tuple[str, ...] = ()
    unread: frozenset[str] = frozenset()


def read_options(rules: Rules, tables: Sequence[Table]) -> ReadOptions:
    """Everything that was said, table by table; what cannot be used is told together."""
    values: dict[str, dict[str, object]] = {client: {} for client in rules.clients}
    origins: dict[str, dict[str, str]] = {client: {} for client in rules.clients}
    problems: list[str] = []
    unread: set[str] = set()
    for table in tables:
        if not isinstance(table.options, Mapping) or not all(isinstance(name, str) for name in table.options):
            problems.append(f"{table.place}give a mapping from names to values")
            continue
        for name, given in table.options.items():
            try:
                clients = _clients(rules, table, name)
                value = rules.type_of(name).read(name, given, is_text=table.origin == ADDRESS)
            except ValueError as problem:
                problems.append(f"{table.place}{problem}")
                unread.add(name)
                continue
            for client in clients:
                values[client][name], origins[client][name] = value, table.origin
    return ReadOptions(values, origins, tuple(problems), frozenset(unread))


def _clients(rules: Rules, table: Table, name: str) -> Sequence[str]:
    """Which clients an option is for. Raises ValueError when it cannot be set there."""
    if reason := rules.refused.get(name):
        where = "in an address" if table.origin == ADDRESS else "here"
        raise ValueError(f"the option {name!r} cannot be set {where}: {reason}")
    found = [client for client, names in rules.clients.items() if name in names]
    if not found:
        raise ValueError(f"{rules.owner} has no option {name!r}; {nearest(name, rules.known)}")
    if table.client is None:
        return found
    if table.client not in found:
        raise ValueError(
            f"the option {name!r} is one of the {' and the '.join(found)}, not of the {table.client}"
        )
    return [table.client]


def without_counterparts(said: Mapping[str, object], options: Mapping[str, str]) -> Mapping[str, object]:
    """What was *said*, without a secret whose file *options* give, and without the file of one they give."""
    over = {f"{name}_file" for name in options} | {name.removesuffix("_file") for name in options}
    over -= options.keys()
    return (
        {name: value for name, value in said.items() if name not in over} if over.intersection(said) else said
    )


def listed(problems: Sequence[str]) -> str:
    """One problem as it is, several as a list; each once."""
    told = list(dict.fromkeys(problems))
    return told[0] if len(told) == 1 else "\n  - ".join([f"{len(told)} settings cannot be used:", *told])


def refuse(problems: Sequence[str]) -> None:
    """
    Tell every problem at once, if there is one.

    Raises:
        SettingsError: with all of them.
    """
    if problems:
        raise SettingsError(listed(problems))


def masked(name: str, value: object) -> object:
    """The value of an option as it may be shown."""
    hidden = isinstance(value, Secret) or is_secret(name)
    return MASK if hidden and value is not None else value
