"""The options of a `memory://` address."""

from collections.abc import Mapping

import attrs

from partita.core.errors import SettingsError
from partita.core.settings import nearest


@attrs.frozen
class MemorySettings:
    """
    What may follow `memory://?`.

    Args:
        partitions: of a topic that comes into being on first use; default 4.
    """

    partitions: int = 4


def memory_settings(options: Mapping[str, str]) -> MemorySettings:
    """
    Read the options.

    Raises:
        SettingsError: one is unknown, or is not a whole number of 1 or more.
    """
    known = attrs.fields_dict(MemorySettings)
    values = {}
    for name, text in options.items():
        if name not in known:
            raise SettingsError(f"memory:// has no option {name!r}; {nearest(name, known)}")
        if not text.isascii() or not text.isdigit() or int(text) < 1:
            raise SettingsError(f"memory://?{name}={text}: give a whole number of 1 or more")
        values[name] = int(text)
    return MemorySettings(**values)
