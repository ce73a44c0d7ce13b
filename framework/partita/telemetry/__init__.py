"""What a bus tells about itself, through the OpenTelemetry API. The names are in semconv.py."""
