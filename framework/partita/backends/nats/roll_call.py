"""
Whether the owner of a pin is alive: the members of a group ask each other.

The server keeps the pin of a member that died until it times out, and does not say which pins are live.
The question goes over a plain subject, where nothing is stored. A member that may not use it, or does not
answer in time, counts as dead here, which only makes others wait: the pin itself stays the server's.
"""

from nats import errors
from nats.aio.msg import Msg

from partita.backends.nats.attendant import Attendant
from partita.backends.nats.client import Connection
from partita.backends.nats.names import owner_subject

ANSWER_SECONDS = 0.5


class RollCall:
    """
    Asks and answers for one member.

    Args:
        connection: the member's connection.
        group: its group.
        attendant: knows what the member has.
    """

    def __init__(self, connection: Connection, group: str, attendant: Attendant) -> None:
        self._connection = connection
        self._subject = owner_subject(group)
        self._attendant = attendant

    async def answer(self) -> None:
        """Answer the others from now on. Raises the client's own error."""
        await self._connection.subscribe(self._subject, self._asked)

    async def is_alive(self, pin: str) -> bool:
        """
        Whether the member with this pin id answers; waits at most 0.5 s.

        Raises:
            nats.errors.Error: the client's own error, other than that no answer came.
        """
        try:
            await self._connection.request(self._subject, pin.encode(), ANSWER_SECONDS)
        except (errors.TimeoutError, errors.NoRespondersError):
            return False
        return True

    def _asked(self, message: Msg) -> None:
        pin = message.data.decode("ascii", "replace")
        if message.reply and any(reading.lane.pin == pin for reading in self._attendant.readings):
            self._attendant.spawn(self._reply(message.reply))

    async def _reply(self, inbox: str) -> None:
        try:
            await self._connection.publish(inbox, b"")
        except errors.Error:
            # The connection is down: then nobody should count on this member.
            return
