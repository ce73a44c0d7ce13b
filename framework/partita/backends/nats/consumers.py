"""The durable consumer of a group for one partition: its requests."""

from datetime import datetime

import attrs
from nats.js.errors import APIError, NotFoundError

from partita.backends.nats.answers import CONSUMER_EXISTS, CONSUMER_NOT_FOUND, Answer
from partita.backends.nats.client import Connection
from partita.backends.nats.names import consumer_name, stream_name, subject
from partita.backends.nats.pulls import Pull
from partita.core.errors import SettingsError
from partita.core.ports import TopicPartition

PRIORITY_GROUP = "g"
ACK_WAIT = 86_400.0
FORGET_SECONDS = 60.0
CLOSE_REQUEST_SECONDS = 1.0


def _seconds_between(start: str, end: str) -> float:
    """The time between two of the server's stamps, which have nanoseconds; infinite if one is none."""
    try:
        began, ended = (datetime.fromisoformat(f"{stamp[:19]}+00:00") for stamp in (start, end))
    except ValueError:
        return float("inf")
    return (ended - began).total_seconds()


@attrs.frozen
class Standing:
    """
    A consumer's state.

    Args:
        pin: the id of the member that has it; "": nobody has.
        pinned_for: seconds since it has; meaningless when nobody has.
        floor: all up to this offset are acknowledged.
        unacknowledged: messages that were delivered and are not.
        pending: messages that were not delivered.
        delivered: the number of its latest delivery.
        made: when the consumer was made, as the server says it.
        handled: the number of the latest delivery that is acknowledged, with all before it.
        pulls: requests for messages that wait.
    """

    pin: str
    pinned_for: float
    floor: int
    unacknowledged: int
    pending: int
    delivered: int
    made: str
    handled: int = 0
    pulls: int = 0


class Durable:
    """
    The consumer that all members of a group share for one partition.

    Args:
        connection: the member's connection.
        at: the partition.
        group: the group's name.
        temporary: the server may forget it when nobody has used it for a minute.
    """

    def __init__(
        self, connection: Connection, at: TopicPartition, group: str, *, temporary: bool = False
    ) -> None:
        self.at = at
        self._connection = connection
        self._group = group
        self._temporary = temporary
        self._subject = subject(*at)
        self._stream = stream_name(at.topic)
        self._name = consumer_name(group, at.partition)
        self._path = f"{self._stream}.{self._name}"

    async def ensure(self, start: str, pin_timeout: float) -> float:
        """
        Make it if it is not there.

        Args:
            start: where it begins when it is made, "earliest" or "latest".
            pin_timeout: seconds, when it is made.

        Returns:
            The pin timeout that it has.

        Raises:
            SettingsError: there is one that somebody else made for another purpose.
            nats.errors.Error: the client's own error.
        """
        try:
            found = await self._info()
        except NotFoundError as error:
            if error.err_code != CONSUMER_NOT_FOUND:
                raise
            found = await self._create(start, pin_timeout)
        return self._checked(found)

    async def _create(self, start: str, pin_timeout: float) -> Answer:
        config = {
            "durable_name": self._name,
            "description": f"partita: {self.at} for the group {self._group}"[:200],
            "deliver_policy": "all" if start == "earliest" else "new",
            "ack_policy": "all",
            "ack_wait": int(ACK_WAIT * 1e9),
            "max_ack_pending": -1,
            "filter_subject": self._subject,
            "priority_groups": [PRIORITY_GROUP],
            "priority_policy": "pinned_client",
            "priority_timeout": int(pin_timeout * 1e9),
        }
        if self._temporary:
            config["inactive_threshold"] = int(FORGET_SECONDS * 1e9)
        body = {"stream_name": self._stream, "action": "create", "config": config}
        try:
            return await self._connection.ask(f"CONSUMER.CREATE.{self._path}.{self._subject}", body)
        except APIError as error:
            # Another member was faster, with another start or timeout.
            if error.err_code != CONSUMER_EXISTS:
                raise
            return await self._info()

    def _checked(self, found: Answer) -> float:
        policies = found.text("config", "ack_policy"), found.text("config", "priority_policy")
        if policies != ("all", "pinned_client") or found.text("config", "filter_subject") != self._subject:
            raise SettingsError(
                f"the stream of {self.at.topic!r} has a consumer {self._name!r} that partita did not make; "
                "take another group name, or delete that consumer"
            )
        return found.number("config", "priority_timeout") / 1e9

    async def _info(self) -> Answer:
        return await self._connection.ask(f"CONSUMER.INFO.{self._path}")

    async def standing(self) -> Standing:
        """Its state. Raises the client's own error."""
        found = await self._info()
        groups = found.each("priority_groups")
        return Standing(
            pin=groups[0].text("pinned_client_id") if groups else "",
            pinned_for=_seconds_between(groups[0].text("pinned_ts"), found.text("ts")) if groups else 0.0,
            floor=found.number("ack_floor", "stream_seq"),
            unacknowledged=found.number("num_ack_pending"),
            pending=found.number("num_pending"),
            delivered=found.number("delivered", "consumer_seq"),
            made=found.text("created"),
            handled=found.number("ack_floor", "consumer_seq"),
            pulls=found.number("num_waiting"),
        )

    async def pull(self, pull: Pull, inbox: str) -> None:
        """Send a pull whose messages and status go to *inbox*. Raises the client's own error."""
        body = {**pull.request, "group": PRIORITY_GROUP}
        await self._connection.tell(f"CONSUMER.MSG.NEXT.{self._path}", body, inbox)

    async def reset(self) -> None:
        """Deliver again from the floor. Raises the client's own error."""
        await self._connection.ask(f"CONSUMER.RESET.{self._path}", {})

    async def place(self, offset: int, pin_timeout: float) -> str:
        """
        Let the group go on from *offset*; made if it is not there.

        The server moves only a consumer that began at the beginning; another is made anew.

        Returns:
            When the consumer was made.

        Raises:
            SettingsError: there is one that somebody else made for another purpose.
            nats.errors.Error: the client's own error.
        """
        await self.ensure("earliest", pin_timeout)
        if (await self._info()).text("config", "deliver_policy") != "all":
            await self._connection.ask(f"CONSUMER.DELETE.{self._path}")
            await self.ensure("earliest", pin_timeout)
        await self._connection.ask(f"CONSUMER.RESET.{self._path}", {"seq": offset})
        return (await self._info()).text("created")

    async def release(self, unfinished: bool) -> None:
        """
        Give the partition away at once.

        Args:
            unfinished: whether messages were delivered and not acknowledged. They come again to the next
                member only after a reset, and as the server pins nobody while all is delivered, the next
                member may not learn soon that it has one to make.

        Raises:
            nats.errors.Error: the client's own error.
        """
        body = {"group": PRIORITY_GROUP}
        await self._connection.ask(f"CONSUMER.UNPIN.{self._path}", body, CLOSE_REQUEST_SECONDS)
        if unfinished:
            await self._connection.ask(f"CONSUMER.RESET.{self._path}", {}, CLOSE_REQUEST_SECONDS)
