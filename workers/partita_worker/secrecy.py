"""Secrets of a command line, which everybody on the machine can read: warned of, and never repeated."""

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from partita_worker.failures import SettingRefused

VARIABLE, FILE_VARIABLE = "PARTITA_BUS", "PARTITA_BUS_FILE"
_ADDRESS = re.compile(r"[\w.+-]+://\S*")


class Parser(argparse.ArgumentParser):
    """Complains of what it cannot read without repeating secrets."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong, and end with 2."""
        super().error(without_secrets(message) if "://" in message else message)


def without_secrets(text: str) -> str:
    """A text whose addresses are masked."""
    from partita import masked_url

    return _ADDRESS.sub(lambda found: masked_url(found[0]), text)


def guard(parsed: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """
    Warn of secrets in `--bus`, and take the address from the file that `PARTITA_BUS_FILE` names.

    Raises:
        SettingRefused: the file cannot be read, or the address stands in the environment as well.
    """
    given = getattr(parsed, "bus", None)
    if given is None:
        _take_from_file(parsed, environ)
    elif "?" in given or "@" in given:
        warn(given)


def _take_from_file(parsed: argparse.Namespace, environ: Mapping[str, str]) -> None:
    path = environ.get(FILE_VARIABLE)
    if not path or not any(each.name == "bus" for each in getattr(parsed, "settings", ())):
        return
    if environ.get(VARIABLE):
        raise SettingRefused(f"{VARIABLE} and {FILE_VARIABLE} are both in the environment; give one")
    try:
        parsed.bus = Path(path).read_text().strip()
        parsed.taken = {"bus": f"{FILE_VARIABLE} in the environment"}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingRefused(f"{FILE_VARIABLE} in the environment: {path} cannot be read: {error}") from error


def warn(url: str) -> None:
    """Say which secrets stand on the command line, and where they belong."""
    from partita import exposed_secrets

    for name, variable in exposed_secrets(url).items():
        told = (
            f"warning: everybody on this machine can read the {name} in --bus; give it in the environment "
            f"variable {variable}, or in a file that {variable}_FILE names"
        )
        print(f"worker: {told}", file=sys.stderr)
