"""How long what a server has refused is not shown to it again, so that no account is locked by us."""

import attrs

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 30.0


@attrs.define
class Refusals:
    """
    What was refused last, why, and until when it rests: 1 s at first, then twice as long up to 30 s.

    Something else may be shown at once: whoever rotates a password need not wait.
    """

    _shown: object = None
    _error: Exception | None = None
    _until: float = 0.0
    _seconds: float = 0.0

    def refused(self, shown: object, error: Exception, now: float) -> None:
        """The server refused *shown* with *error*."""
        again = self._error is not None and shown == self._shown
        self._seconds = min(2 * self._seconds, LONGEST_SECONDS) if again else FIRST_SECONDS
        self._shown, self._error, self._until = shown, error, now + self._seconds

    def standing(self, shown: object, now: float) -> Exception | None:
        """The error with which *shown* was refused, while it rests; None when it may be shown."""
        return self._error if shown == self._shown and now < self._until else None

    def accepted(self) -> None:
        """Forget what was refused."""
        self._shown, self._error, self._until, self._seconds = None, None, 0.0, 0.0
