"""
What is looked at before the client is used: its private names, which are used here, and its loggers.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection, ScramAuthenticator
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.producer.sender import Sender

from partita.core.errors import SettingsError

PRIVATE: tuple[tuple[type, tuple[str, ...]], ...] = (
    (
        AIOKafkaClient,
        (
            "_conns",
            "_sync_task",
            "_md_update_fut",
            "set_topics",
            "get_random_node",
            "ready",
            "_get_conn",
            "bootstrap",
            "_md_synchronizer",
            "_on_connection_closed",
            "_client_id",
            "_request_timeout_ms",
            "_connections_max_idle_ms",
        ),
    ),
    (
        AIOKafkaConnection,
        ("connect", "authenticator_oauth", "authenticator_scram", "close", "_writer", "_loop"),
    ),
    (ScramAuthenticator, ("create_salted_password",)),
    (AIOKafkaConsumer, ("_client", "_subscription", "_coordinator", "_fetcher", "_closed")),
    (AIOKafkaProducer, ("client", "_sender", "_closed")),
    (AIOKafkaAdminClient, ("_client", "_closed")),
    (BatchBuilder, ("_build", "_builder", "_relative_offset")),
    (Sender, ("sender_task",)),
    (Fetcher, ("_fetch_task", "_pending_tasks")),
    (SubscriptionState, ("subscribe_pattern", "reassignment_in_progress")),
    (
        GroupCoordinator,
        (
            "generation",
            "member_id",
            "ensure_coordinator_known",
            "fetch_committed_offsets",
            "coordinator_dead",
            "_send_req",
            "_on_join_complete",
            "_do_rejoin_group",
            "_lookup_assignor",
            "_commit_lock",
            "_do_commit_offsets",
            "_retry_backoff_ms",
            "_closing",
            "_coordination_task",
            "_heartbeat_task",
            "_commit_refresh_task",
        ),
    ),
)
# At DEBUG these write the SASL password, and every key and value that is sent (aiokafka 0.14).
TALKATIVE = (
    "aiokafka.conn",
    "aiokafka.producer",
    "aiokafka.producer.producer",
    "aiokafka.producer.sender",
    "aiokafka.producer.message_accumulator",
    "aiokafka.producer.transaction_manager",
    "aiokafka.helpers",
)


def probe(private: Iterable[tuple[type, Sequence[str]]] = PRIVATE) -> None:
    """
    Look for each private name that is used here, and keep the client's loggers from telling secrets.

    Args:
        private: classes and the names that they, or their instances once made, must have.

    Raises:
        SettingsError: the installed client lacks one.
    """
    for name in lacking(private):
        raise SettingsError(
            f"aiokafka {aiokafka.__version__} has no {name} any more; install aiokafka>=0.14,<0.15"
        )
    _keep_secrets()


def lacking(private: Iterable[tuple[type, Sequence[str]]]) -> Iterator[str]:
    """Those of the names that are not there."""
    for owner, names in private:
        made = owner.__init__.__code__.co_names  # type: ignore[misc] # attributes are made there
        gone = [each for each in names if not hasattr(owner, each) and each not in made]
        yield from (f"{owner.__name__}.{each}" for each in gone)


def _keep_secrets() -> None:
    for name in TALKATIVE:
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() < logging.INFO:
            logger.setLevel(logging.INFO)
        logger.addFilter(_no_secrets)  # for levels that are set later; added once however often


def _no_secrets(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.INFO
