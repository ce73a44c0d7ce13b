"""What the client's group membership is made to do that it does not do by itself, through private names."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aiokafka.errors import InvalidSessionTimeoutError, NoError, NotCoordinatorForGroupError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest

from partita.backends.kafka.client import Client
from partita.core.errors import SettingsError


def heed_errors_of_the_group(consumer: Client) -> None:
    """
    Have the client ask again for committed offsets while the group cannot answer.

    It looks for errors at the partitions only (0.14; the like of pykafka issue 958), but answers from
    version 2 on tell those of the group elsewhere and name no partition. While a restarted coordinator
    loads (seen on 4.4) a group would pass for one that never committed: all is read again, or skipped.
    """
    coordinator = consumer._coordinator
    send = coordinator._send_req

    async def send_and_check(request: Any) -> Any:
        answer = await send(request)
        if isinstance(request, OffsetFetchRequest):
            error = for_code(getattr(answer, "error_code", 0))
            if error is NotCoordinatorForGroupError:
                coordinator.coordinator_dead()
            if error is not NoError:
                raise error
        return answer

    coordinator._send_req = send_and_check


def tell_the_generation(consumer: Client) -> None:
    """
    Have the assignor told each generation of the group, by which it knows newer claims from older ones.

    It can be told, but the client never does (aiokafka issue 1176, 0.14).
    """
    coordinator = consumer._coordinator
    on_join_complete = coordinator._on_join_complete

    async def tell_and_join(generation: int, member_id: str, protocol: str, assignment: bytes) -> None:
        assignor = coordinator._lookup_assignor(protocol)
        if hasattr(assignor, "on_generation_assignment"):
            assignor.on_generation_assignment(generation)
        await on_join_complete(generation, member_id, protocol, assignment)

    coordinator._on_join_complete = tell_and_join


def rejoin_unless(consumer: Client, refused: Callable[[], bool]) -> None:
    """Have the client join its group no more once *refused* says so; it waits to be closed then."""
    coordinator = consumer._coordinator
    rejoin = coordinator._do_rejoin_group

    async def rejoin_or_wait(subscription: object) -> bool:
        if refused():
            await asyncio.wait([coordinator._closing])
            return False
        return bool(await rejoin(subscription))

    coordinator._do_rejoin_group = rejoin_or_wait


@contextmanager
def session_of(milliseconds: int) -> Iterator[None]:
    """
    Say which option is meant when the broker does not take a member's session timeout.

    Raises:
        SettingsError: caused by the client's error, which tells no number (aiokafka 0.14).
    """
    try:
        yield
    except InvalidSessionTimeoutError as error:
        raise SettingsError(
            f"the broker does not take session_timeout_ms={milliseconds}: it permits what lies between its "
            "group.min.session.timeout.ms (6000 by default) and group.max.session.timeout.ms (1800000)"
        ) from error
