"""What values an option of a client takes: as an object in Python or TOML, and as text in an address."""

from collections.abc import Callable, Mapping, Sequence

import attrs

from partita.core.secrets import Secret, is_secret

_SWITCHES = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_LONGEST = 1e9  # seconds


@attrs.frozen
class OptionType:
    """
    What values one option takes.

    Args:
        told: what a value is, for errors, such as "a whole number from 0".
        takes: whether an object is such a value.
        parse: from text to the value, or ValueError; None: it cannot be written as text.
        finish: what the client is given for a value; a ValueError says why it cannot be given.
    """

    told: str
    takes: Callable[[object], bool]
    parse: Callable[[str], object] | None = None
    finish: Callable[[object], object] = attrs.field(default=lambda value: value)

    def read(self, name: str, given: object, *, is_text: bool) -> object:
        """
        What the client is given.

        Args:
            name: the option's, for errors.
            given: text from an address, or an object.
            is_text: it is text that stands for a value; otherwise it is the value itself.

        Raises:
            ValueError: it is no value of this option; the text says what is, and shows no secret.
        """
        if is_text and self.parse is None:
            raise ValueError(f"the option {name!r} cannot be set in an address: it is {self.told}")
        value = self._parsed(str(given)) if is_text else given
        if not self.takes(value):
            raise ValueError(f"the option {name!r} is {self.told}, not {shown(name, given)}")
        return self.finish(value)

    def _parsed(self, text: str) -> object:
        """The value, or something that is none."""
        assert self.parse is not None  # as the caller has looked
        try:
            return self.parse(text)
        except ValueError:
            return _Nothing


_Nothing = object()


def shown(name: str, value: object) -> str:
    """A value in an error; of what may be a secret its type only."""
    return f"a {type(value).__name__}" if is_secret(name) else repr(value)


def whole(*, none: bool = False) -> OptionType:
    """A whole number from 0; with *none* also "none", which is None for the client."""
    told = "a whole number from 0" + (" or none" if none else "")

    def parse(text: str) -> object:
        if none and text.lower() == "none":
            return None
        if not (text.isascii() and text.isdigit()):
            raise ValueError
        return int(text)

    def takes(value: object) -> bool:
        if none and value in (None, "none"):
            return True
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0

    return OptionType(told, takes, parse, lambda value: None if value == "none" else value)


def number(*, least: int) -> OptionType:
    """A whole number from *least*, which may be below 0."""
    return OptionType(
        f"a whole number from {least}",
        lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least,
        int,
    )


def seconds() -> OptionType:
    """A time above 0 seconds."""
    return OptionType(
        "a number of seconds above 0",
        lambda value: isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _LONGEST,
        float,
    )


def switch() -> OptionType:
    """True or False."""
    return OptionType("true or false", lambda value: isinstance(value, bool), _switched)


def _switched(text: str) -> bool:
    if text.lower() not in _SWITCHES:
        raise ValueError
    return _SWITCHES[text.lower()]


def text(finish: Callable[[object], object] = lambda value: value) -> OptionType:
    """Text that is not empty."""
    return OptionType(
        "text that is not empty", lambda value: isinstance(value, str) and value != "", str, finish
    )


def choice(
    values: Mapping[str, object], finish: Callable[[object], object] = lambda value: value
) -> OptionType:
    """One of some names; each stands for a value, which may be given itself as well."""
    takes = [*values, *values.values()]
    return OptionType(
        f"one of {', '.join(values)}",
        lambda value: not isinstance(value, bool) and any(value == each for each in takes),
        str,
        lambda value: finish(values.get(value, value) if isinstance(value, str) else value),
    )


def thing(
    told: str, takes: Callable[[object], bool], parse: Callable[[str], object] | None = None
) -> OptionType:
    """An object of the program, which only *parse* could make from text."""
    return OptionType(told, takes, parse)


def any_of(*types: OptionType) -> OptionType:
    """A value of one of several types; text is that of the first that has one."""
    parse = next((each.parse for each in types if each.parse is not None), None)

    def finish(value: object) -> object:
        return next(each for each in types if each.takes(value)).finish(value)

    told = " or ".join(each.told for each in types)
    return OptionType(told, lambda value: any(each.takes(value) for each in types), parse, finish)


def secret() -> OptionType:
    """Text that is shown nowhere, or a function that returns it."""
    return any_of(text(_hidden), thing("a function that returns it", is_function))


def _hidden(value: object) -> object:
    return Secret(str(value))


def is_function(value: object) -> bool:
    """Whether it can be called and is no class."""
    return callable(value) and not isinstance(value, type)


def only(value: object) -> object:
    """What is in a sequence of one; anything else as it is."""
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 1:
        return value[0]
    return value
