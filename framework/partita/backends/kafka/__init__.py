"""
The backend for Apache Kafka, over aiokafka 0.14.

It keeps the decisions that the client's known faults force: poll always, never cancel a call, raw bytes
only, every wait bounded, and a client that failed is thrown away and built anew.
"""

from collections.abc import Mapping

from partita.backends.kafka.backend import KafkaBackend
from partita.backends.kafka.codes import register
from partita.backends.kafka.settings import kafka_settings
from partita.core.client_settings import KafkaSettings

__all__ = ["KafkaBackend", "KafkaSettings", "open_backend"]

register()


def open_backend(
    address: str, options: Mapping[str, str], settings: KafkaSettings = KafkaSettings()
) -> KafkaBackend:
    """
    A backend for `kafka://HOST:PORT[,HOST:PORT]`, not connected yet.

    Args:
        address: the URL without its query.
        options: the URL's query: options of aiokafka's clients under their own names.
        settings: what the program says of them; the address wins.

    Raises:
        SettingsError: a host or an option cannot be used, or the installed aiokafka is not one that this
            backend knows.
    """
    return KafkaBackend(kafka_settings(address, options, settings=settings))
