"""A real Kafka or NATS on this machine, from packages only: for a first try, and for tests."""
