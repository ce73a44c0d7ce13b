"""
Sets the OpenTelemetry SDK up for a worker process, from the standard environment variables.

`choose` decides; `set_up` does it. The SDK itself reads the sampler, the batch processor's limits, the
resource and the exporter's headers and timeouts from the same variables.
"""

import importlib
import importlib.util
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import attrs
from opentelemetry import trace as otel_trace

from partita import SettingsError

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

SERVICE_NAME = "partita-worker"
SHUT_DOWN_SECONDS = 5.0
CONSOLE = "console"

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
# By protocol: the exporter's module, what installs it, and where it sends without an endpoint.
EXPORTERS: Mapping[str, tuple[str, str, str]] = {
    "http/protobuf": (
        "opentelemetry.exporter.otlp.proto.http.trace_exporter",
        "partita[otlp]",
        "http://localhost:4318",
    ),
    "grpc": (
        "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
        "opentelemetry-exporter-otlp-proto-grpc",
        "http://localhost:4317",
    ),
}


@attrs.frozen
class Choice:
    """
    What is set up.

    Args:
        reason: whether tracing is on, and why; a line for the start banner.
        sent: "console" and protocols of OTLP.
        printed: whether finished traces are printed as trees.
        installed: whether a provider is there already, so that none is installed.
    """

    reason: str
    sent: tuple[str, ...] = ()
    printed: bool = False
    installed: bool = False


@attrs.frozen
class _Exporting:
    told: str
    sent: str | None = None


def choose(environ: Mapping[str, str], trace: bool, installed: bool, exporters: Collection[str]) -> Choice:
    """
    Decide about traces.

    Args:
        environ: the environment.
        trace: whether --trace was given.
        installed: whether a provider is installed already, as by opentelemetry-instrument.
        exporters: the protocols of OTLP whose exporter can be imported.
    """
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return Choice("tracing off: OTEL_SDK_DISABLED")
    printed = ["printed (--trace)"] if trace else []
    if installed:
        told = ", ".join(["a provider was installed already", *printed])
        return Choice(f"tracing on: {told}", (), trace, installed=True)
    found = list(_exporting(environ, exporters))
    sent = tuple(each.sent for each in found if each.sent is not None)
    on = [*printed, *(each.told for each in found if each.sent is not None)]
    off = [each.told for each in found if each.sent is None]
    if on:
        return Choice(f"tracing on: {', '.join(on)}{''.join(f'; {why}' for why in off)}", sent, trace)
    told = "; ".join(off) or "no OTEL_EXPORTER_OTLP_ENDPOINT, no --trace"
    return Choice(f"tracing off: {told}")


def _exporting(environ: Mapping[str, str], exporters: Collection[str]) -> Iterator[_Exporting]:
    """One for each name in OTEL_TRACES_EXPORTER; without it OTLP where there is an endpoint."""
    named = environ.get("OTEL_TRACES_EXPORTER", "")
    names = list(dict.fromkeys(name for part in named.split(",") if (name := part.strip().lower())))
    if not names and _first(environ, ENDPOINTS)[1]:
        names = ["otlp"]
    for name in names:
        if name == "otlp":
            yield _otlp(environ, exporters)
        elif name == CONSOLE:
            yield _Exporting("to the console (OTEL_TRACES_EXPORTER)", CONSOLE)
        elif name == "none":
            yield _Exporting("OTEL_TRACES_EXPORTER is none")
        else:
            yield _Exporting("OTEL_TRACES_EXPORTER names an unknown exporter; use otlp, console or none")


def _otlp(environ: Mapping[str, str], exporters: Collection[str]) -> _Exporting:
    variable, protocol = _first(environ, PROTOCOLS)
    protocol = protocol.lower() or "http/protobuf"
    if protocol not in EXPORTERS:
        return _Exporting(f"{variable} is unknown; use {' or '.join(EXPORTERS)}")
    _, package, default = EXPORTERS[protocol]
    variable, endpoint = _first(environ, ENDPOINTS)
    if protocol not in exporters:
        return _Exporting(
            f"{variable or 'OTEL_TRACES_EXPORTER'} is set and its exporter is not installed; "
            f"run: pip install '{package}'"
        )
    server = _server(endpoint or default, bare=protocol == "grpc")
    if server is None:
        return _Exporting(f"{variable} is no URL such as {default}")
    return _Exporting(f"OTLP to {server} ({variable or 'OTEL_TRACES_EXPORTER'})", protocol)


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, str]:
    """The first of some variables that is set to more than nothing, and its value."""
    found = ((name, environ.get(name, "").strip()) for name in names)
    return next((each for each in found if each[1]), ("", ""))


def _server(endpoint: str, *, bare: bool) -> str | None:
    """
    Scheme, host and port of an endpoint; None where it has none. User, path and query may hold secrets
    and are left out. *bare*: whether HOST:PORT alone will do.
    """
    if bare and "://" not in endpoint:
        endpoint = f"http://{endpoint}"
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname, parts.port
    except ValueError:
        # Not even the shape of a URL: told like any other endpoint that cannot be used.
        return None
    if parts.scheme not in ("http", "https") or not host:
        return None
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")


@attrs.frozen(eq=False)
class TelemetrySetup:
    """
    What was set up.

    Args:
        reason: whether tracing is on, and why; a line for the start banner.
    """

    reason: str
    _shut_down: Callable[[], None] | None = None

    def shut_down(self, timeout: float = SHUT_DOWN_SECONDS) -> bool:
        """
        Send and print what is left, within *timeout* seconds. Returns whether all of it was done.

        A collector that does not answer is left alone then: its thread ends with the process.
        """
        if self._shut_down is None:
            return True
        thread = threading.Thread(target=self._shut_down, name="partita-telemetry", daemon=True)
        thread.start()
        thread.join(timeout)
        return not thread.is_alive()


def set_up(*, trace: bool, environ: Mapping[str, str], write: Callable[[str], object]) -> TelemetrySetup:
    """
    Install the SDK's provider for this process, unless one is installed or nothing asks for traces.

    Args:
        trace: print each finished trace as a tree.
        environ: the environment, as `os.environ`; the SDK reads that one itself.
        write: takes the printed lines, from another thread.

    Raises:
        SettingsError: the SDK cannot use what a variable says.
    """
    choice = choose(environ, trace, provider_installed(), installed_exporters())
    if not (choice.sent or choice.printed):
        return TelemetrySetup(choice.reason)
    try:
        return _install(choice, write)
    except ValueError as error:
        raise SettingsError(f"the OpenTelemetry variables cannot be used: {error}") from error


def provider_installed() -> bool:
    """Whether this process has a tracer provider already."""
    return not isinstance(otel_trace.get_tracer_provider(), otel_trace.ProxyTracerProvider)


def installed_exporters() -> Collection[str]:
    """The protocols of OTLP whose exporter can be imported."""
    return {protocol for protocol, (module, _, _) in EXPORTERS.items() if _importable(module)}


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        # A package above it is missing too.
        return False


def _install(choice: Choice, write: Callable[[str], object]) -> TelemetrySetup:
    processors = [_sender(each) for each in choice.sent]
    if choice.printed:
        from partita_worker.traceprinter import TracePrinter

        # First, so that a collector that does not answer holds no line back at the end.
        processors.insert(0, TracePrinter(write))
    if choice.installed:
        return _join(choice, processors)
    provider = _provider()
    for processor in processors:
        provider.add_span_processor(processor)
    otel_trace.set_tracer_provider(provider)
    return TelemetrySetup(choice.reason, provider.shutdown)


def _join(choice: Choice, processors: "list[SpanProcessor]") -> TelemetrySetup:
    """Add to the provider of somebody else, who shuts it down."""
    provider = otel_trace.get_tracer_provider()
    add = getattr(provider, "add_span_processor", None)
    if add is None:
        told = choice.reason.replace("printed (--trace)", "which --trace cannot print from")
        return TelemetrySetup(told)
    for processor in processors:
        add(processor)

    def shut_down() -> None:
        for processor in processors:
            processor.shutdown()

    return TelemetrySetup(choice.reason, shut_down)


def _provider() -> "TracerProvider":
    # Both are imported here so that a process without traces never loads the SDK, and a misspelt
    # OTEL_PROPAGATORS, which the second one reads, is told before the work begins.
    importlib.import_module("opentelemetry.propagate")
    from opentelemetry.sdk.trace import TracerProvider

    # Whoever starts a worker shuts it down with a deadline; the SDK's own exit hook has none.
    return TracerProvider(resource=_resource(), shutdown_on_exit=False)


def _resource() -> "Resource":
    from opentelemetry.sdk.resources import Resource

    resource = Resource.create()
    if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
        return resource.merge(Resource({"service.name": SERVICE_NAME}))
    return resource


def _sender(sent: str) -> "SpanProcessor":
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

    if sent == CONSOLE:
        return BatchSpanProcessor(ConsoleSpanExporter())
    exporter: SpanExporter = importlib.import_module(EXPORTERS[sent][0]).OTLPSpanExporter()
    return BatchSpanProcessor(exporter)
