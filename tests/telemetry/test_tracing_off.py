"""Without a provider a message costs nothing: not one call into OpenTelemetry."""

import subprocess
import sys

from partita.telemetry.tracing import find_tracing

# A process of its own, because a provider is installed for a whole process and cannot be taken out.
SCRIPT = """
import asyncio, os, sys
from partita import Context, Router, open_bus

if "installed" in sys.argv:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    trace.set_tracer_provider(TracerProvider())

router = Router()
part = os.sep + "opentelemetry" + os.sep
calls = []

def spy(frame, event, argument):
    if event == "call" and part in frame.f_code.co_filename:
        calls.append(frame.f_code.co_qualname)

@router.handler("orders", to="bills")
async def charge(value: bytes, context: Context) -> bytes:
    await context.publish("seen", value)
    return value

@router.handler("bills")
async def bill(value: bytes) -> None:
    pass

async def main():
    async with open_bus("memory://") as bus:
        sys.setprofile(spy)
        for i in range(20):
            await bus.publish("orders", b"%d" % i, headers=[("traceparent", b"junk")])
        bus.send("orders", b"sent")
        await bus.flush()
        summary = await bus.run(router, burst=True)
        sys.setprofile(None)
    print(summary.handled, len(calls), any("sdk" in name for name in sys.modules if "opentelemetry" in name))

asyncio.run(main())
"""


def _run(*arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_message_makes_no_opentelemetry_call_without_a_provider() -> None:
    """From publish to commit, a message without traces never enters OpenTelemetry's code."""
    handled, calls, sdk = _run()

    assert (handled, calls, sdk) == ("42", "0", "False")


def test_spy_sees_the_calls_that_a_provider_causes() -> None:
    """The test above means something: the same run with a provider does call OpenTelemetry."""
    handled, calls, sdk = _run("installed")

    assert (handled, sdk) == ("42", "True")
    assert int(calls) > 42


def test_no_provider_and_one_that_does_nothing_are_no_tracing() -> None:
    """A provider that makes no spans counts as none, as with OTEL_SDK_DISABLED."""
    script = (
        "from opentelemetry import trace\n"
        "from partita.telemetry.tracing import find_tracing\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "trace.set_tracer_provider(TracerProvider())\n"
        "print(find_tracing('kafka', 'kafka://a:1') is None)"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"OTEL_SDK_DISABLED": "true"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout == "True\n"
    assert find_tracing("kafka", "kafka://a:1") is None
