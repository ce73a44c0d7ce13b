"""Whether a worker traces, and the line that says why, for each environment."""

import pytest

from partita_worker.telemetry import EXPORTERS, choose

ALL = set(EXPORTERS)
HTTP = "OTEL_EXPORTER_OTLP_ENDPOINT"
HERE = "http://127.0.0.1:4318"


@pytest.mark.parametrize(
    ("environ", "trace", "reason"),
    [
        ({}, False, "tracing off: no OTEL_EXPORTER_OTLP_ENDPOINT, no --trace"),
        ({HTTP: ""}, False, "tracing off: no OTEL_EXPORTER_OTLP_ENDPOINT, no --trace"),
        ({}, True, "tracing on: printed (--trace)"),
        ({HTTP: HERE}, False, f"tracing on: OTLP to {HERE} (OTEL_EXPORTER_OTLP_ENDPOINT)"),
        (
            {HTTP: HERE},
            True,
            f"tracing on: printed (--trace), OTLP to {HERE} (OTEL_EXPORTER_OTLP_ENDPOINT)",
        ),
        (
            {HTTP: "http://other", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{HERE}/v1/traces"},
            False,
            f"tracing on: OTLP to {HERE} (OTEL_EXPORTER_OTLP_TRACES_ENDPOINT)",
        ),
        (
            {"OTEL_TRACES_EXPORTER": "otlp"},
            False,
            "tracing on: OTLP to http://localhost:4318 (OTEL_TRACES_EXPORTER)",
        ),
        (
            {"OTEL_TRACES_EXPORTER": " console ,otlp,console"},
            False,
            "tracing on: to the console (OTEL_TRACES_EXPORTER), "
            "OTLP to http://localhost:4318 (OTEL_TRACES_EXPORTER)",
        ),
        (
            {HTTP: "localhost:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            False,
            "tracing on: OTLP to http://localhost:4317 (OTEL_EXPORTER_OTLP_ENDPOINT)",
        ),
        (
            {HTTP: HERE, "OTEL_TRACES_EXPORTER": "none"},
            False,
            "tracing off: OTEL_TRACES_EXPORTER is none",
        ),
        (
            {"OTEL_TRACES_EXPORTER": "none"},
            True,
            "tracing on: printed (--trace); OTEL_TRACES_EXPORTER is none",
        ),
        (
            {"OTEL_TRACES_EXPORTER": "zipkin"},
            False,
            "tracing off: OTEL_TRACES_EXPORTER names an unknown exporter; use otlp, console or none",
        ),
        (
            {HTTP: HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
            False,
            "tracing off: OTEL_EXPORTER_OTLP_PROTOCOL is unknown; use http/protobuf or grpc",
        ),
        (
            {HTTP: "127.0.0.1:4318"},
            False,
            "tracing off: OTEL_EXPORTER_OTLP_ENDPOINT is no URL such as http://localhost:4318",
        ),
        ({HTTP: HERE, "OTEL_SDK_DISABLED": "TRUE"}, True, "tracing off: OTEL_SDK_DISABLED"),
        ({"OTEL_SDK_DISABLED": "false"}, True, "tracing on: printed (--trace)"),
    ],
)
def test_reason_names_what_decided(environ: dict[str, str], trace: bool, reason: str) -> None:
    """The banner's line says whether and why, and names the variable to look at."""
    choice = choose(environ, trace, installed=False, exporters=ALL)

    assert choice.reason == reason
    assert choice.printed == (trace and "on:" in reason)
    assert bool(choice.sent) == ("OTLP to" in reason or "console (" in reason)


@pytest.mark.parametrize(
    ("protocol", "package"),
    [("http/protobuf", "partita[otlp]"), ("grpc", "opentelemetry-exporter-otlp-proto-grpc")],
)
def test_missing_exporter_is_off_and_names_what_installs_it(protocol: str, package: str) -> None:
    """An endpoint without its exporter sends nothing, and says which line changes that."""
    environ = {HTTP: HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}

    choice = choose(environ, False, installed=False, exporters=())

    assert choice.sent == ()
    assert choice.reason == (
        "tracing off: OTEL_EXPORTER_OTLP_ENDPOINT is set and its exporter is not installed; "
        f"run: pip install '{package}'"
    )


@pytest.mark.parametrize("trace", [False, True])
def test_installed_provider_is_kept(trace: bool) -> None:
    """A process that opentelemetry-instrument has set up is never set up a second time."""
    choice = choose({HTTP: HERE}, trace, installed=True, exporters=ALL)

    assert (choice.sent, choice.printed, choice.installed) == ((), trace, True)
    assert choice.reason.startswith("tracing on: a provider was installed already")
    assert ("--trace" in choice.reason) == trace


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [
        ("https://user:secret@collector:4318/secret?key=secret#secret", "https://collector:4318"),
        ("https://secret@collector", "https://collector"),
        ("http://[::1]:4318/v1/traces", "http://[::1]:4318"),
        ("http://collector:99999/secret", None),
        ("http://[::1/secret", None),
        ("http://", None),
        ("ftp://secret:secret@collector", None),
        ("secret", None),
    ],
)
def test_endpoint_is_shown_without_its_secrets(endpoint: str, shown: str | None) -> None:
    """The banner is copied into tickets: user, path and query never stand in it."""
    choice = choose({HTTP: endpoint}, False, installed=False, exporters=ALL)

    assert "secret" not in choice.reason
    assert bool(choice.sent) == (shown is not None)
    if shown is not None:
        assert f" {shown} (" in choice.reason
