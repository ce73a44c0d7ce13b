"""What a program says of a client."""

from partita import KafkaSettings, NatsSettings


def test_everything_that_is_said_can_be_had_together() -> None:
    """Of all tables; what is no table is left for the check that tells of it."""
    kafka = KafkaSettings(options={"a": 1}, consumer={"b": 2}, producer=[3], admin={"d": 4})  # type: ignore[arg-type]

    assert kafka.said == {"a": 1, "b": 2, "d": 4}
    assert NatsSettings(options={"a": 1}).said == {"a": 1}


def test_no_value_is_in_the_text_of_settings() -> None:
    """Some are secrets."""
    assert "planted" not in repr(KafkaSettings(options={"x": "planted"}, admin={"y": "planted"}))
    assert "planted" not in repr(NatsSettings(options={"x": "planted"}))
