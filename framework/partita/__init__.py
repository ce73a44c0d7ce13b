"""Partita: an actor-style message worker framework over Kafka, NATS JetStream and memory."""

from partita.batch import Batch
from partita.bus import EventBus
from partita.core.administration import (
    GroupDescription,
    GroupMember,
    GroupPartition,
    OffsetReset,
    PartitionDescription,
    TopicDescription,
)
from partita.core.backlog import Backlog, BacklogLimits, PartitionBacklog, PublisherBacklog
from partita.core.client_options import ClientOption
from partita.core.client_settings import KafkaSettings, NatsSettings
from partita.core.errors import (
    Closed,
    DecodeError,
    MessageTooLarge,
    PartitaError,
    PublishErrors,
    RestartLimitReached,
    RouteError,
    SettingsError,
    TopicMissing,
    Unroutable,
)
from partita.core.health import Health, Parked, Part
from partita.core.metrics import Series
from partita.core.process_flow import FlowLimits
from partita.core.replays import ReplayOptions, ReplaySummary
from partita.core.retries import Retry
from partita.core.secrets import exposed_secrets, masked_url
from partita.core.settings import RouteOptions
from partita.core.standing import Standing
from partita.core.states import PartitionState, StateName
from partita.dead_letters import DeadLetter, DeadLetters
from partita.message import Context, Delivery, Message, Outgoing, Receipt
from partita.opening import open_bus
from partita.router import Route, Router
from partita.subscription import Subscription, Summary
from partita.supervising import Supervised

__all__ = [
    "Backlog",
    "BacklogLimits",
    "Batch",
    "ClientOption",
    "Closed",
    "Context",
    "DeadLetter",
    "DeadLetters",
    "DecodeError",
    "Delivery",
    "EventBus",
    "FlowLimits",
    "GroupDescription",
    "GroupMember",
    "GroupPartition",
    "Health",
    "KafkaSettings",
    "Message",
    "MessageTooLarge",
    "NatsSettings",
    "OffsetReset",
    "Outgoing",
    "Parked",
    "Part",
    "PartitaError",
    "PartitionBacklog",
    "PartitionDescription",
    "PartitionState",
    "PublishErrors",
    "PublisherBacklog",
    "Receipt",
    "ReplayOptions",
    "ReplaySummary",
    "RestartLimitReached",
    "Retry",
    "Route",
    "RouteError",
    "RouteOptions",
    "Router",
    "Series",
    "SettingsError",
    "Standing",
    "StateName",
    "Subscription",
    "Summary",
    "Supervised",
    "TopicDescription",
    "TopicMissing",
    "Unroutable",
    "exposed_secrets",
    "masked_url",
    "open_bus",
]
