"""The exit codes of `worker`, as the documentation promises them."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended. A second signal ends the process with 128 plus the signal's number."""

    OK = 0, "done, or stopped in good order"
    BUG = 1, "an error that nobody foresaw; its traceback is printed"
    USAGE = 2, "the command line cannot be used, or what it names cannot be imported or found"
    UNREACHABLE = 3, "no broker answered at the start"
    SETTINGS = 4, "a setting or an option of the bus's address cannot be used"
    DRAIN_DEADLINE = 5, "not all was finished and committed: messages in hand, or offsets that no broker took"
    SUPERVISOR_GAVE_UP = 6, "something failed too often to be restarted again"
    FAILED_MESSAGES = 7, "some messages failed: parked under --burst, or refused by the broker"
    UNHEALTHY = 8, "the worker that was asked is not healthy"
    NO_WORKER = 9, "the worker that was asked does not answer"
    BEHIND = 10, "the group that was asked about is behind"

    meaning: str

    def __new__(cls, code: int, meaning: str) -> "ExitCode":
        """Keep the meaning beside the number."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member
