"""
The trace context in message headers: written on publish, read with distrust.

Which formats are spoken is OpenTelemetry's own setting, OTEL_PROPAGATORS; without it W3C trace context
and baggage. A propagator logs what it finds wrong, with the content, once per message. So it is only
handed values that are well formed: anybody may write into a topic, and nobody may fill our logs.
"""

import re
from collections.abc import Iterator, Sequence

from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter, Setter, TextMapPropagator

from partita.core.ports import Headers
from partita.telemetry import semconv

TRACEPARENT_BYTES = 512
HEADER_BYTES = 8192
STATE_MEMBERS = 32
BAGGAGE_MEMBERS = 180
BAGGAGE_MEMBER_BYTES = 4096

_STATE_MEMBER = re.compile(
    r"(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_BAGGAGE_VALUE = r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"
_BAGGAGE_MEMBER = re.compile(rf"{_TOKEN}={_BAGGAGE_VALUE}(?:;{_TOKEN}(?:={_BAGGAGE_VALUE})?)*")


def read_header(headers: Headers, name: str) -> str | None:
    """
    What may be handed to a propagator for one header name, or None.

    A header of exactly that name comes before one that differs in case. Two different `traceparent`
    are none; several `tracestate` or `baggage` are one list.
    """
    values = [value for given, value in headers if given == name]
    if not values:
        lowered = name.lower()
        values = [value for given, value in headers if given.lower() == lowered]
    if not values or sum(map(len, values)) > HEADER_BYTES:
        return None
    return _well_formed(name.lower(), values)


def _well_formed(name: str, values: Sequence[bytes]) -> str | None:
    texts = [value.decode("ascii", "replace") for value in values]
    if name == semconv.TRACESTATE:
        return _state(",".join(texts))
    if name == semconv.BAGGAGE:
        return ",".join(_baggage(",".join(texts))) or None
    text = texts[0]
    if name == semconv.TRACEPARENT and (len(text) > TRACEPARENT_BYTES or len(set(texts)) > 1):
        return None
    return text if text.isascii() and text.isprintable() else None


def _state(text: str) -> str | None:
    """A list of vendor entries is taken whole or not at all, as the W3C recommendation has it."""
    members = [member for part in text.split(",") if (member := part.strip(" \t"))]
    if not members or len(members) > STATE_MEMBERS:
        return None
    return ",".join(members) if all(map(_STATE_MEMBER.fullmatch, members)) else None


def _baggage(text: str) -> Iterator[str]:
    """Entries stand for themselves: those that are well formed are kept."""
    members = [part.strip(" \t") for part in text.split(",")]
    for member in members[:BAGGAGE_MEMBERS]:
        if len(member) <= BAGGAGE_MEMBER_BYTES and _BAGGAGE_MEMBER.fullmatch(member):
            yield member


class HeaderGetter(Getter[Headers]):
    """Reads a message's headers for a propagator."""

    def get(self, carrier: Headers, key: str) -> list[str] | None:
        """The value of one header, in a list."""
        found = read_header(carrier, key)
        return None if found is None else [found]

    def keys(self, carrier: Headers) -> list[str]:
        """The headers' names."""
        return [name for name, _ in carrier]


class HeaderSetter(Setter[list[tuple[str, bytes]]]):
    """Collects what a propagator writes."""

    def set(self, carrier: list[tuple[str, bytes]], key: str, value: str) -> None:
        """Add one header."""
        carrier.append((key, value.encode()))


_GETTER = HeaderGetter()
_SETTER = HeaderSetter()


class Propagation:
    """
    Carries a context in message headers.

    Args:
        propagator: the formats that are read and written.
    """

    def __init__(self, propagator: TextMapPropagator) -> None:
        self._propagator = propagator

    def inject(self, headers: Headers, context: Context) -> Headers:
        """
        *headers* with *context* in them, as last ones. What stood there under the same names goes, in
        any case of letters, and so does the `tracestate` that belonged to a replaced `traceparent`.
        """
        fresh: list[tuple[str, bytes]] = []
        self._propagator.inject(fresh, context, _SETTER)
        if not headers:
            return fresh
        replaced = {name.lower() for name, _ in fresh}
        if semconv.TRACEPARENT in replaced:
            replaced.add(semconv.TRACESTATE)
        return [*(pair for pair in headers if pair[0].lower() not in replaced), *fresh]

    def extract(self, headers: Headers) -> Context:
        """The context that *headers* carry; an empty one when there is none or it is malformed."""
        return self._propagator.extract(headers, Context(), _GETTER) if headers else Context()
