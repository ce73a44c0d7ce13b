"""Decide which failures are told: each the first time, and while it goes on once a minute with a count."""

import attrs

AGAIN_SECONDS = 60.0
MOST_CAUSES = 100


@attrs.define
class _Cause:
    told_at: float
    untold: int = 0


@attrs.define
class Tally:
    """
    What has failed, by cause.

    Args:
        again: seconds after which the same cause is told again.
    """

    again: float = AGAIN_SECONDS
    _causes: dict[str, _Cause] = attrs.field(factory=dict, init=False)

    def failed(self, cause: str, now: float) -> int | None:
        """
        Something failed; returns how often it has since it was last told, now included; None: be silent.

        Args:
            cause: what it is; another text is another cause.
            now: seconds on a clock that never goes back.
        """
        known = self._causes.get(cause)
        if known is None:
            if len(self._causes) >= MOST_CAUSES:
                del self._causes[min(self._causes, key=lambda each: self._causes[each].told_at)]
            self._causes[cause] = _Cause(now)
            return 1
        known.untold += 1
        if now - known.told_at < self.again:
            return None
        known.told_at, count, known.untold = now, known.untold, 0
        return count
