"""The bus of a command: with what the settings file says of the client."""

from collections.abc import Mapping

from partita import EventBus, KafkaSettings, NatsSettings, RouteError, Router, SettingsError, open_bus
from partita_worker.loading import load
from partita_worker.settings_file import HERE

CLIENTS = ("consumer", "producer", "admin")
OBJECT = "object"


def make_bus(url: str) -> EventBus:
    """
    A bus that is not open yet.

    Raises:
        SettingsError: the address or an option cannot be used; all that is wrong with options is told.
        SettingRefused: the settings file cannot be used.
        UsageError: an object that it names is not there.
    """
    scheme = url.partition("://")[0]
    try:
        if scheme == "kafka" and HERE.file.table("kafka"):
            return open_bus(url, settings=_kafka(HERE.file.table("kafka")))
        if scheme in ("nats", "tls") and HERE.file.table("nats"):
            return open_bus(url, settings=NatsSettings(options=_objects(HERE.file.table("nats"))))
    except SettingsError as error:
        raise SettingsError(_placed(str(error), "kafka" if scheme == "kafka" else "nats")) from error
    return open_bus(url)


def problems_of(url: str) -> list[str]:
    """What cannot be used of an address and of what the file says of its client."""
    try:
        make_bus(url)
    except SettingsError as error:
        head, *each = str(error).split("\n  - ")
        return each or [head]
    return []


def _kafka(table: Mapping[str, object]) -> KafkaSettings:
    shared = {name: value for name, value in table.items() if name not in CLIENTS}
    each = {client: _objects(HERE.file.table("kafka", client)) for client in CLIENTS}
    consumer, producer, admin = each["consumer"], each["producer"], each["admin"]
    return KafkaSettings(options=_objects(shared), consumer=consumer, producer=producer, admin=admin)


def _objects(table: Mapping[str, object]) -> Mapping[str, object]:
    """A table in which each `{object = "module:attribute"}` is the object itself."""
    return {name: _object(value) for name, value in table.items()}


def _object(value: object) -> object:
    if isinstance(value, Mapping) and set(value) == {OBJECT}:
        return load(str(value[OBJECT]), object, HERE.app_dir)
    return value


def _placed(text: str, broker: str) -> str:
    """Problems with the tables of the file in place of what a program would have written."""
    for client in CLIENTS:
        text = text.replace(f"settings.{client}: ", f"{HERE.file.place(broker, client, '')}: ")
    return text.replace("settings: ", f"{HERE.file.place(broker, '')}: ")


def configured(router: Router) -> Router:
    """
    A router with the options that the settings file has for its handlers.

    Raises:
        RouteError: there is no such handler, or an option cannot be used.
        SettingRefused: the tables cannot be used.
    """
    routes = HERE.file.table("routes")
    if routes:
        said = {name: _objects(HERE.file.table("routes", name)) for name in routes}
        try:
            router.configure(said)
        except RouteError as error:
            raise RouteError(f"{HERE.file.place('routes', '')}: {error}") from error
    return router
