"""What a command cannot do, in words for whoever typed it. Each text says what to do about it."""

from collections.abc import Sequence

from partita_worker.exits import ExitCode


class CommandFailed(Exception):
    """A command ends with one paragraph and an exit code, and without a traceback."""

    code = ExitCode.BUG


class UsageError(CommandFailed):
    """The command line cannot be used, or what it names cannot be found."""

    code = ExitCode.USAGE


class SettingRefused(CommandFailed):
    """Values from the environment or the settings file cannot be used; each argument is one problem."""

    code = ExitCode.SETTINGS

    @property
    def problems(self) -> Sequence[str]:
        """Each of them in words."""
        return [str(each) for each in self.args]

    def __str__(self) -> str:
        head = f"{len(self.args)} settings cannot be used:"
        return "\n  - ".join([head, *self.problems]) if len(self.args) > 1 else "".join(self.problems)


class ImportFailed(CommandFailed):
    """The user's own module raised while it was imported; the text is its own traceback."""

    code = ExitCode.USAGE


class BrokerRefused(CommandFailed):
    """The broker answered, and did not do what was asked."""

    code = ExitCode.USAGE


class NoWorker(CommandFailed):
    """The running worker that a command asks gives no answer."""

    code = ExitCode.NO_WORKER


def memory_refused(command: str) -> UsageError:
    """A command reads or writes what another process made, which memory cannot do."""
    return UsageError(
        f"'worker {command}' works with messages of other processes, and the memory bus lives inside one: "
        "give a broker with --bus kafka://HOST:PORT or --bus nats://HOST:PORT (or in PARTITA_BUS). "
        "'worker broker up kafka' starts one on this machine and prints its address"
    )
