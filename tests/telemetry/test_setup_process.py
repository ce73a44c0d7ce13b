"""The SDK set up in a real process: traces over OTLP, as printed trees, or not at all."""

import socket

from tests.telemetry.collector import collecting, run_script

BUS = """
import asyncio, os, sys
from partita import Context, Router, open_bus
from partita_worker.telemetry import set_up

setup = set_up(trace="trace" in os.environ, environ=os.environ, write=sys.stdout.write)
router = Router()

@router.handler("orders", to="bills")
async def charge(value: bytes) -> bytes:
    return value

@router.handler("bills")
async def bill(value: bytes) -> None:
    pass

async def main():
    async with open_bus("memory://") as bus:
        await bus.publish("orders", b"secret", partition=0)
        await bus.run(router, burst=True)

asyncio.run(main())
done = setup.shut_down(5.0)
print(setup.reason, done, sep="\\n", file=sys.stderr)
"""


def test_connected_trace_arrives_at_a_collector_by_one_variable() -> None:
    """An endpoint is all it takes; publish, handler, publish and handler are one trace there."""
    with collecting() as collector:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        _, told = run_script(BUS, environ | {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=secret"})

    spans = collector.spans
    assert told == f"tracing on: OTLP to {collector.url} (OTEL_EXPORTER_OTLP_ENDPOINT)\nTrue\n"
    assert set(spans) == {"publish orders", "process orders", "publish bills", "process bills"}
    assert len({span.trace_id for span in spans.values()}) == 1
    for child, parent in [
        ("process orders", "publish orders"),
        ("publish bills", "process orders"),
        ("process bills", "publish bills"),
    ]:
        assert spans[child].parent_span_id == spans[parent].span_id
    assert [link.span_id for link in spans["process bills"].links] == [spans["publish bills"].span_id]
    assert (set(collector.paths), set(collector.authorizations)) == ({"/v1/traces"}, {"secret"})
    assert collector.services == {"partita-worker"}
    assert b"secret" not in b"".join(request.SerializeToString() for request in collector.requests)


def test_standard_variables_are_respected() -> None:
    """Service name, resource, endpoint for traces, compression and batch limits are the SDK's own."""
    with collecting() as collector:
        environ = {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector.url}/mine",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            "OTEL_RESOURCE_ATTRIBUTES": "service.name=other,team=billing",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "1",
        }
        run_script(BUS, environ)
        sent = len(collector.requests)
        run_script(BUS, environ | {"OTEL_SERVICE_NAME": "billing", "OTEL_TRACES_SAMPLER": "always_off"})

    assert (set(collector.paths), collector.services) == ({"/mine"}, {"other"})
    assert (sent, len(collector.requests)) == (4, 4)


def test_trace_is_printed_as_one_connected_tree() -> None:
    """--trace needs no tool: what one message caused is printed when it is over."""
    printed, told = run_script(BUS, {"trace": "1"})

    head, *lines = printed.splitlines()
    assert told == "tracing on: printed (--trace)\nTrue\n"
    assert head.startswith("trace ")
    assert [line.split("  consumer")[0].split("  producer")[0].rstrip() for line in lines] == [
        "  publish orders",
        "    process orders",
        "      publish bills",
        "        process bills",
    ]
    assert all(line.endswith("  ok") for line in lines)
    assert "memory  0@" in lines[0]
    assert "secret" not in printed


def test_collector_that_does_not_answer_holds_the_end_up_for_a_bounded_time() -> None:
    """A stop never waits for a collector: it says that not all was sent, and ends."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "trace": "1",
        }
        printed, told = run_script(BUS.replace("shut_down(5.0)", "shut_down(0.2)"), environ)

    assert told.endswith("\nFalse\n")
    assert printed.startswith("trace ")


def test_nothing_asked_for_loads_no_sdk() -> None:
    """A worker without traces neither loads the SDK nor installs a provider."""
    script = (
        "import os, sys\n"
        "from partita_worker.telemetry import provider_installed, set_up\n"
        "setup = set_up(trace=False, environ=os.environ, write=print)\n"
        "print(setup.reason, setup.shut_down(), provider_installed())\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )

    printed, _ = run_script(script, {})

    off = "tracing off: no OTEL_EXPORTER_OTLP_ENDPOINT, no --trace"
    assert printed == f"{off} True False\n[]\n"


def test_second_set_up_keeps_the_first_provider_and_can_still_print() -> None:
    """What opentelemetry-instrument installed stays; --trace prints from it."""
    script = (
        "import sys\n"
        "from opentelemetry import trace\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "mine = TracerProvider()\n"
        "trace.set_tracer_provider(mine)\n" + BUS
    )

    printed, told = run_script(script, {"trace": "1", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})

    assert told == "tracing on: a provider was installed already, printed (--trace)\nTrue\n"
    assert printed.count("\n") == 5


def test_variable_that_the_sdk_cannot_use_is_a_settings_error() -> None:
    """A misspelt propagator is told before the work begins, not by a traceback of OpenTelemetry's."""
    script = (
        "import os\n"
        "from partita import SettingsError\n"
        "from partita_worker.telemetry import set_up\n"
        "try:\n"
        "    set_up(trace=True, environ=os.environ, write=print)\n"
        "except SettingsError as error:\n"
        "    print(error)\n"
    )

    misspelt, _ = run_script(script, {"OTEL_PROPAGATORS": "tracecontxt"})
    impossible, _ = run_script(
        script, {"OTEL_TRACES_EXPORTER": "console", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "999999"}
    )

    assert misspelt.startswith("the OpenTelemetry variables cannot be used: ")
    assert "tracecontxt" in misspelt
    assert "max_export_batch_size" in impossible


def test_propagators_none_carries_no_context() -> None:
    """OTEL_PROPAGATORS says what is carried; with none each side of the broker is a trace of its own."""
    printed, _ = run_script(BUS, {"trace": "1", "OTEL_PROPAGATORS": "none"})

    assert printed.count("trace ") == 3
