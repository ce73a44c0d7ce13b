"""Fetches that the broker answers with errors: asked again after a pause, with new metadata if that helps."""

import asyncio
from collections.abc import Iterator
from typing import Any

from aiokafka.errors import NoError, for_code
from aiokafka.protocol.api import Response

from partita.backends.kafka.client import Client

FETCH = 1  # the number of this request in the protocol
SHORTEST, LONGEST = 0.1, 1.0  # seconds


def pause_after_errors(consumer: Client) -> None:
    """
    Have the client wait before it fetches again what was answered with an error.

    It asks again at once, several hundred times a second, and of errors that it does not know it asks for no
    new metadata (aiokafka 0.14; issue 496).
    """
    network = consumer._client
    send, pause = network.send, SHORTEST

    async def send_and_pause(node: Any, request: Any, **options: Any) -> Any:
        nonlocal pause
        answer = await send(node, request, **options)
        if getattr(answer, "API_KEY", None) != FETCH:
            return answer
        errors = list(_errors(answer))
        if not errors:
            pause = SHORTEST
            return answer
        if any(error.invalid_metadata for error in errors):
            network.force_metadata_update()
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST)
        return answer

    network.send = send_and_pause


def _errors(answer: Response) -> Iterator[Any]:
    """The client's class for each error in an answer to a fetch."""
    for _, partitions in answer.topics:  # type: ignore[attr-defined]
        for _, code, *_ in partitions:
            if (error := for_code(code)) is not NoError:
                yield error
