"""Settings of a command: a flag, else its variable in the environment, else the default."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs

from partita_worker.failures import SettingRefused
from partita_worker.settings_file import NO_FILE, SettingsFile

PREFIX = "PARTITA_"
YES = ("1", "true", "yes", "on")
NO = ("0", "false", "no", "off")


@attrs.frozen
class Setting:
    """
    One flag with its variable.

    Args:
        flag: as it is typed, such as "--drain-timeout"; its variable is PARTITA_DRAIN_TIMEOUT.
        help: one sentence, default included.
        default: what holds when neither is given.
        convert: from the text to the value; raises ValueError with what is wrong.
        choices: the only texts that are taken; empty: any.
        metavar: what stands for the value in the help.
        switch: a flag without a value, on when it is given.
        repeated: may be given several times; the variable gives one.
    """

    flag: str
    help: str
    default: object = None
    convert: Callable[[str], object] = str
    choices: Sequence[str] = ()
    metavar: str | None = None
    switch: bool = False
    repeated: bool = False

    @property
    def name(self) -> str:
        """The attribute that holds the value."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return PREFIX + self.name.upper()

    def read(self, text: str) -> object:
        """
        The value that a text stands for.

        Raises:
            ValueError: it stands for none.
        """
        if self.switch:
            return read_switch(text)
        if self.choices and text not in self.choices:
            raise ValueError(f"{text!r} is not one of {', '.join(self.choices)}")
        value = self.convert(text)
        return (value,) if self.repeated else value

    def take(self, value: object) -> object:
        """
        The value that a value of a settings file stands for.

        Raises:
            ValueError: it stands for none.
        """
        if self.switch:
            if not isinstance(value, bool):
                raise ValueError(f"{value!r} is neither true nor false")
            return value
        if self.repeated and isinstance(value, list):
            return tuple(self.convert(str(each)) for each in value)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError(f"{value!r} is neither text nor a number")
        return self.read(str(value))


def read_switch(text: str) -> bool:
    """On or off. Raises ValueError."""
    if text.lower() not in (*YES, *NO):
        raise ValueError(f"{text!r} is neither 1 nor 0")
    return text.lower() in YES


def add_settings(parser: argparse.ArgumentParser, settings: Iterable[Setting]) -> None:
    """Declare the flags. One that is not given leaves no trace, so that the environment has its say."""
    for setting in settings:
        told = f"{setting.help} [{setting.variable}]"
        if setting.switch:
            parser.add_argument(setting.flag, action="store_true", default=argparse.SUPPRESS, help=told)
            continue
        parser.add_argument(
            setting.flag,
            action="append" if setting.repeated else "store",
            default=argparse.SUPPRESS,
            type=checked(setting.convert),
            choices=setting.choices or None,
            metavar=setting.metavar,
            help=told,
        )


def checked(convert: Callable[[str], object]) -> Callable[[str], object]:
    """The same conversion, whose complaint argparse prints as it is."""

    def converted(text: str) -> object:
        try:
            return convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return converted


def fill_in(
    arguments: argparse.Namespace,
    settings: Iterable[Setting],
    environ: Mapping[str, str],
    file: SettingsFile = NO_FILE,
) -> Mapping[str, str]:
    """
    Give every setting that has no flag its value from the environment, the settings file, or its default.

    Returns:
        Where each value comes from.

    Raises:
        SettingRefused: a variable or a key cannot be used; the text names each.
    """
    origins: dict[str, str] = {}
    problems: list[str] = []
    for setting in settings:
        try:
            origins[setting.name] = _settle(arguments, setting, environ, file)
        except SettingRefused as error:
            problems += error.problems
    if problems:
        raise SettingRefused(*problems)
    return origins


def _settle(
    arguments: argparse.Namespace, setting: Setting, environ: Mapping[str, str], file: SettingsFile
) -> str:
    """Set one value; returns where it comes from. Raises SettingRefused."""
    if hasattr(arguments, setting.name):
        return setting.flag
    value, origin = setting.default, "default"
    # An empty variable is how a shell or a container file says "not set".
    text = environ.get(setting.variable, "")
    try:
        if text:
            origin = f"{setting.variable} in the environment"
            value = setting.read(text)
        elif setting.name in file.tables:
            origin = file.place(setting.name)
            value = setting.take(file.tables[setting.name])
    except ValueError as error:
        raise SettingRefused(f"{origin}: {error}") from error
    setattr(arguments, setting.name, value)
    return origin
