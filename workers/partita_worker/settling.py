"""What a command is told, from all places together: flags, environment, settings file, defaults."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from partita_worker.arguments.running import RUN
from partita_worker.failures import SettingRefused
from partita_worker.settings import fill_in
from partita_worker.settings_file import HERE, check_keys, find_settings_file


def settle(parsed: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """
    Read the settings file, fill in what has no flag, and look at what the client is told.

    Sets `settings_file` and `origins`: where each value comes from.

    Raises:
        SettingRefused: with everything that cannot be used.
    """
    settings = getattr(parsed, "settings", None)
    if settings is None:
        return
    file = find_settings_file(parsed.config or environ.get("PARTITA_CONFIG") or None, Path())
    problems: list[str] = []
    try:
        check_keys(file, [each.name for each in RUN])
    except SettingRefused as error:
        problems += error.problems
    parsed.settings_file, parsed.origins = file, {}
    try:
        parsed.origins = {**fill_in(parsed, settings, environ, file), **getattr(parsed, "taken", {})}
    except SettingRefused as error:
        problems += error.problems
    HERE.file, HERE.app_dir = file, getattr(parsed, "app_dir", ".")
    # What is wrong for the client alone is told when the bus is made; beside other problems it is told here.
    if problems and hasattr(parsed, "bus"):
        # Loads the framework, which a command that can be run loads anyway.
        from partita_worker.buses import problems_of

        problems += problems_of(parsed.bus)
    if problems:
        raise SettingRefused(*problems)
