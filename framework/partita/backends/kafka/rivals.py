"""Whether another member has taken this one's `group_instance_id`."""

import attrs

QUICK_LOSSES = 3


@attrs.define
class Rivals:
    """
    Tells a member whose id another one uses from one that was silent for too long.

    Of two members with one id the broker knows the one that joined last. The other would be told so if its
    requests named the id, but those of the client do not (aiokafka 0.14 sends Heartbeat 1, OffsetCommit 3):
    it hears that it is unknown, as after a session that ran out, joins again, and throws out the other in
    turn, for ever. But no session runs out sooner than its timeout.

    Args:
        session_timeout: seconds of silence after which a session is over.

    Attributes:
        taken: whether another member uses the id: three assignments in a row were lost too soon.
    """

    session_timeout: float
    taken: bool = attrs.field(default=False, init=False)
    _since: float = attrs.field(default=float("-inf"), init=False)
    _losses: int = attrs.field(default=0, init=False)

    def assigned(self, now: float) -> None:
        """An assignment begins; *now* in seconds of any clock that does not jump."""
        self._since = now

    def lost(self, now: float) -> None:
        """The broker does not know this member any more."""
        too_soon = now - self._since < self.session_timeout
        self._losses = self._losses + 1 if too_soon else 0
        self.taken = self.taken or self._losses >= QUICK_LOSSES
