"""
Starting and ending aiokafka's clients within a bounded time, and what is asked of them by private names.

Only a client that is being thrown away has its tasks cancelled.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import aiokafka
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
    OffsetMetadataTooLargeError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from partita.backends.kafka.calls import begin, ended, leave
from partita.backends.kafka.connector import Connector
from partita.backends.kafka.refusal import is_refusal
from partita.backends.kafka.security import Security
from partita.core.health import describe
from partita.core.ports import Commit
from partita.core.ports import TopicPartition as PortPartition

# aiokafka has no types to check against: its objects are Any in this package.
Client = Any

_CANCEL_ROUNDS, _CANCEL_WAIT = 4, 0.25


def make(kind: Callable[..., Any], *arguments: Any, **options: Any) -> Client:
    """An object of the client's."""
    return kind(*arguments, **options)


def build(kind: Callable[..., Any], security: Security, **options: Any) -> Client:
    """One of the client's consumers, producers or admin clients, whose connections a connector makes."""
    built = make(kind, **options)
    Connector(_network(built), security)
    return built


async def start(client: Client, seconds: float) -> None:
    """
    Start a client; one that does not start leaves nothing behind.

    Raises:
        KafkaConnectionError: nothing answered within *seconds*, or no server could be connected.
        Exception: the client's own error.
    """
    task = begin(client.start())
    # Whoever stops waiting for it does not ask how it ended, and asyncio would print its traceback.
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        in_time = await ended(task, seconds)
    except asyncio.CancelledError:
        # The client is half connected: it is ended in a task of its own, whenever its start ends.
        leave(begin(_end_after(task, client)))
        raise
    if not in_time:
        leave(begin(_end_after(task, client)))
        raise KafkaConnectionError(f"no broker answered within {seconds:g} s")
    if task.cancelled() or task.exception():
        await force(client)
    task.result()


async def _end_after(task: asyncio.Task[Any], client: Client) -> None:
    """A start that is left alone ends by the client's own timeouts; this gives it a minute."""
    await ended(task, 60.0)
    await force(client, (task,))


async def end(client: Client, seconds: float) -> None:
    """Stop a client in good order for up to *seconds*, then by force. Does not raise errors of its own."""
    task: asyncio.Task[Any] = begin(_stop(client))
    try:
        in_time = await ended(task, seconds)
    except asyncio.CancelledError:
        # The stop is half done and cannot be repeated (aiokafka 0.14): the rest happens in a task of its own.
        leave(begin(force(client, (task,))))
        raise
    # A stop may raise CancelledError though nobody cancelled it, and then leaves sockets open
    # (aiokafka issue 647).
    if not in_time or task.cancelled() or task.exception():
        await force(client, (task,))


async def _stop(client: Client) -> None:
    stop = "close" if isinstance(client, AIOKafkaAdminClient) else "stop"
    await getattr(client, stop)()


async def force(client: Client, also: Iterable[asyncio.Task[Any]] = ()) -> None:
    """End a client that is thrown away: its tasks, *also* those given, and its sockets."""
    client._closed = True
    network = _network(client)
    tasks = {task for task in (*_tasks(client), *also) if task is not None and not task.done()}
    closing = getattr(getattr(client, "_coordinator", None), "_closing", None)
    if closing is not None and not closing.done():
        closing.set_result(None)
    # Several rounds: some of these catch the first cancellation and then wait for requests.
    for _ in range(_CANCEL_ROUNDS):
        _disconnect(network)
        tasks = {task for task in tasks if not task.done()}
        if not tasks:
            break
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_CANCEL_WAIT)
    _disconnect(network)


def _network(client: Client) -> Client:
    return client.client if isinstance(client, AIOKafkaProducer) else client._client


async def know_controller(admin: Client) -> None:
    """
    Wait until the client knows which broker makes and deletes topics.

    A broker that has just started answers without one at first, and the client then raises
    AttributeError (aiokafka 0.14, `AIOKafkaAdminClient._send_to_controller`).
    """
    network = _network(admin)
    while network.cluster.controller is None:
        await network.force_metadata_update()
        await asyncio.sleep(0.1)


async def choose_broker(admin: Client) -> None:
    """
    Have the client ask a broker that is up, and stay with it.

    It would take any that it has heard of, also one that has been down for a while (aiokafka 0.14,
    `AIOKafkaClient.get_random_node`). One that is connected comes first.

    Raises:
        NodeNotReadyError: none can be connected.
        Exception: the last one refused who we are, or is not who it should be.
    """
    network = _network(admin)
    nodes = [broker.nodeId for broker in network.cluster.brokers()]
    random.shuffle(nodes)
    connected = {node for (node, _), connection in network._conns.items() if connection.connected()}
    for node in sorted(nodes, key=lambda node: node not in connected):
        if await network.ready(node):
            network.get_random_node = partial(int, node)
            return
    error = network.connector.error
    if error is not None and is_refusal(error):
        raise error
    raise NodeNotReadyError(f"no broker can be connected: {describe(error) if error else 'none is known'}")


async def send(admin: Client, node: int, request: object) -> Any:
    """The answer of one broker to a request of the client's protocol classes, on the admin's connection."""
    return await _network(admin).send(node, request)


def _disconnect(network: Client) -> None:
    if network._sync_task is not None:
        network._sync_task.cancel()
    if network._md_update_fut is not None and not network._md_update_fut.done():
        network._md_update_fut.set_result(False)  # or whoever waits for metadata waits for ever
    for connection in list(network._conns.values()):
        connection.close()


def _tasks(client: Client) -> list[asyncio.Task[Any] | None]:
    """The tasks that a client has running."""
    if isinstance(client, AIOKafkaProducer):
        return [client._sender.sender_task]
    if isinstance(client, AIOKafkaAdminClient):
        return []
    coordinator, fetcher = client._coordinator, client._fetcher
    tasks: list[asyncio.Task[Any] | None] = []
    if coordinator is not None:
        tasks += [
            coordinator._coordination_task,
            coordinator._heartbeat_task,
            coordinator._commit_refresh_task,
        ]
    if fetcher is not None:
        tasks += [fetcher._fetch_task, *fetcher._pending_tasks]
    return tasks


def check(consumer: Client) -> None:
    """
    Look after those tasks of a consumer whose end no poll would notice (aiokafka issue 983, 0.14).

    Raises:
        Exception: the error that ended one.
    """
    tasks = (
        consumer._fetcher._fetch_task,
        consumer._client._sync_task,
        consumer._coordinator._coordination_task,
    )
    for task in tasks:
        if task.done():
            # One that was cancelled has no result to give: its CancelledError would pass for that of a poll.
            if not task.cancelled():
                task.result()
            raise KafkaConnectionError("a task that the consumer cannot do without has ended")


def generation(consumer: Client) -> int:
    """The group's generation that this member belongs to; below 1 when the client knows of none."""
    return int(consumer._coordinator.generation) if consumer._coordinator is not None else -1


def member_id(consumer: Client) -> str:
    """The broker's name for this member; "" when the client knows of none."""
    return str(consumer._coordinator.member_id) if consumer._coordinator is not None else ""


def is_member(consumer: Client) -> bool:
    """
    Whether the broker still knows this member, as far as the client has heard.

    After a lost session the client resets its generation and then calls the revoke callback; a commit
    there would pass for one from outside the group (aiokafka issue 344, 0.14).
    """
    return generation(consumer) > 0


async def commit(consumer: Client, generation: int, commits: Mapping[PortPartition, Commit]) -> None:
    """
    Commit under one generation of the group, again and again while the coordinator is away.

    The client's own commit (0.14) takes the generation of the moment it sends: repeated after a lost
    session it would pass for one from outside the group (aiokafka issue 344). It also refuses the commits of
    a revocation that a new topic of a pattern has caused. What is ours is checked by the caller.

    Raises:
        CommitFailedError: the group has moved on.
        Exception: the client's own error.
    """
    coordinator = consumer._coordinator
    wanted = {TopicPartition(*at): OffsetAndMetadata(o.offset, o.metadata) for at, o in commits.items()}
    while True:
        await coordinator.ensure_coordinator_known()
        try:
            return await _commit_once(coordinator, generation, wanted)
        except (UnknownMemberIdError, IllegalGenerationError, RebalanceInProgressError) as error:
            raise CommitFailedError from error
        except OffsetMetadataTooLargeError:
            if not any(each.metadata for each in wanted.values()):
                raise
            # The broker permits less than its default (`offset.metadata.max.bytes`).
            wanted = {at: OffsetAndMetadata(each.offset, "") for at, each in wanted.items()}
        except KafkaError as error:
            if not error.retriable:
                raise
        await asyncio.sleep(coordinator._retry_backoff_ms / 1000)


async def _commit_once(coordinator: Any, generation: int, wanted: Mapping[Any, Any]) -> None:
    async with coordinator._commit_lock:
        if coordinator.generation != generation:
            raise CommitFailedError
        await coordinator._do_commit_offsets(None, wanted)


async def committed(consumer: Client, partitions: Iterable[PortPartition]) -> Mapping[PortPartition, Commit]:
    """What the group has stored, in one request. Raises the client's own error."""
    wanted = [TopicPartition(*at) for at in partitions]
    found = await consumer._coordinator.fetch_committed_offsets(wanted)
    return {PortPartition(*at): Commit(each.offset, each.metadata or "") for at, each in found.items()}


async def begins(consumer: Client, partitions: Iterable[PortPartition]) -> Mapping[PortPartition, int]:
    """The first offset that is left in each partition. Raises the client's own error."""
    wanted = {each: TopicPartition(*each) for each in partitions}
    found = await consumer.beginning_offsets(list(wanted.values())) if wanted else {}
    return {each: found[at] for each, at in wanted.items()}


def is_rebalancing(consumer: Client) -> bool:
    """Whether an assignment is being given up or waited for."""
    return bool(consumer._subscription.reassignment_in_progress)


def is_alive(producer: Client) -> bool:
    """Whether the producer's tasks run; without one nothing is ever sent (aiokafka issues 1004, 983)."""
    tasks = (producer._sender.sender_task, producer.client._sync_task)
    running = [task is not None and not task.done() for task in tasks]
    return all(running) and not producer._closed


def subscribe_matching(
    consumer: Client, matcher: object, listener: aiokafka.ConsumerRebalanceListener
) -> None:
    """
    Subscribe to each topic for whose name `matcher.match(name)` is true, also those made later.

    The public call takes one expression only, and several cannot always be joined into one: their flags
    and group names may collide.
    """
    consumer._subscription.subscribe_pattern(pattern=matcher, listener=listener)
    consumer._client.set_topics([])
