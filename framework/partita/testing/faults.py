"""What may go wrong in a simulation: the names of the faults, and what each does."""

from collections.abc import Collection, Mapping

from partita.core.errors import SettingsError
from partita.core.settings import nearest

FAULTS: Mapping[str, str] = {
    "crash": "a process stops where it stands, cleans nothing up, and is replaced",
    "freeze": "a process stands still for 0.5 to 12 s, as under SIGSTOP, and goes on",
    "join": "one process more",
    "stop": "a process is stopped in good order",
    "rebalance": "the group deals its partitions out anew",
    "expel": "the broker throws a member out, whose partitions go to others",
    "silent client": "the client of a process hands out nothing more and says nothing, until it is rebuilt",
    "lost assignment": "a process is not told of the partitions that it is given",
    "outage": "a process cannot reach the broker for 0.2 to 9 s; after 6 s its member is thrown out",
    "slow answers": "each answer of the broker to a process takes up to 3 s",
    "refused commit": "the broker refuses to store offsets",
    "lost commit": "offsets never reach the broker",
    "unanswered commit": "offsets are stored, and the answer is lost",
    "refused publish": "the broker refuses a message that a handler, to= or a dead letter publishes",
    "unanswered publish": "such a message is stored, and the answer is lost",
    "failing handler": "calls fail with a ConnectionError, before or after the handler has run",
    "slow handler": "calls take up to 5 s longer",
}


def check_faults(names: Collection[str]) -> Collection[str]:
    """
    The names of faults, in one order.

    Raises:
        SettingsError: there is none of a name, or no name at all.
    """
    for name in names:
        if name not in FAULTS:
            raise SettingsError(f"there is no fault {name!r}; {nearest(name, FAULTS)}")
    if not names:
        raise SettingsError("name at least one fault; all of them are partita.testing.FAULTS")
    return [name for name in FAULTS if name in names]
