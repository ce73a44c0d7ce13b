"""A collector on this machine that keeps the spans it is sent, and a process that is set up to send."""

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.paths: list[str] = []
        self.authorizations: list[str | None] = []
        self.requests: list[ExportTraceServiceRequest] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def spans(self) -> Mapping[str, Span]:
        """By name."""
        scopes = [s for r in self.requests for each in r.resource_spans for s in each.scope_spans]
        return {span.name: span for scope in scopes for span in scope.spans}

    @property
    def services(self) -> set[str]:
        """The names of the services that sent."""
        resources = [each.resource for r in self.requests for each in r.resource_spans]
        attributes = [a for resource in resources for a in resource.attributes]
        return {a.value.string_value for a in attributes if a.key == "service.name"}


class _Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Collector)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        self.server.paths.append(self.path)
        self.server.authorizations.append(self.headers["Authorization"])
        self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens until the block is left."""
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            collector.shutdown()
            thread.join()


def run_script(script: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """What a fresh process prints to its two outputs; none of our own OTEL variables reach it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={**kept, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr
