"""A real Kafka from packages."""

from tests.brokers import Server

from partita_worker.devbroker.kafka import count_brokers, properties


def test_kafka_answers_after_a_kill_on_the_same_port_with_the_same_data(own_kafka: Server) -> None:
    """`kill -9` and a start bring the same broker back: its data folder is not made anew."""
    host, port = own_kafka.address.split(":")
    before = own_kafka.pid

    own_kafka.kill()
    own_kafka.start()

    assert host == "127.0.0.1"
    assert count_brokers(int(port)) == 1
    assert own_kafka.pid != before


def test_every_listener_is_on_this_machine_only() -> None:
    """Neither clients nor controllers of other machines reach a broker for a first try."""
    listeners = [line for line in properties(9092, 9093).splitlines() if "://" in line]

    assert all(place.startswith("127.0.0.1:") for line in listeners for place in line.split("://")[1:])
    assert len(listeners) == 2
