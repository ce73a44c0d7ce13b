"""Counters, and the classes that durations are sorted into."""

from partita.core.figures import BOUNDS, MANY, MOST_TOPICS, OTHER_TOPICS, Durations, Figures, Published
from partita.core.metrics import FAMILIES, Number, Series


def told(durations: Durations) -> dict[str, Number]:
    """What a histogram without labels says, by its key."""
    return dict(durations.samples("t", {}))


def test_a_duration_is_counted_in_every_class_that_it_does_not_exceed() -> None:
    """One of exactly a class's end belongs to that class, however it came in."""
    one, other = Durations(), Durations()
    for seconds in (0.0005, 0.001, 0.3, 61.0):
        one.add(seconds, 1)
        other.recent.append(seconds)

    assert told(one) == told(other)
    assert told(one)['t_bucket{le="0.001"}'] == 2
    assert told(one)['t_bucket{le="0.1"}'] == 2
    assert told(one)['t_bucket{le="0.5"}'] == 3
    assert told(one)['t_bucket{le="60.0"}'] == 3
    assert told(one)['t_bucket{le="+Inf"}'] == told(one)["t_count"] == 4
    assert told(one)["t_sum"] == 0.0005 + 0.001 + 0.3 + 61.0


def test_several_that_were_measured_together_count_with_their_mean() -> None:
    """And nothing at all is nothing."""
    durations = Durations()

    durations.add(0.4, 100)
    durations.add(5.0, 0)

    assert told(durations)['t_bucket{le="0.005"}'] == 100
    assert (told(durations)["t_sum"], told(durations)["t_count"]) == (0.4, 100)


def test_what_is_recent_does_not_pile_up() -> None:
    """It is sorted in when it is much, and not before."""
    durations = Durations()

    durations.recent += [0.01] * (MANY - 1)
    durations.relieve()
    kept = len(durations.recent)
    durations.recent.append(0.01)
    durations.relieve()

    assert kept == MANY - 1
    assert durations.recent == []
    assert told(durations)["t_count"] == MANY


def test_figures_add_up_number_by_number() -> None:
    """Those of an earlier assignment and those of this one."""
    before, now = Figures(received_bytes=1, consumed=2, retries=3), Figures(received_bytes=10, failures=1)
    before.calls.add(0.1, 1)
    now.calls.recent.append(0.2)

    before.take(now)
    found = {series.name: number for series, number in before.samples({"group": "g"})}

    assert found["partita_received_bytes_total"] == 11
    assert found["partita_consumed_messages_total"] == 2
    assert found["partita_retries_total"] == 3
    assert found["partita_handler_failures_total"] == 1
    assert found["partita_handler_seconds_count"] == 2


def test_what_was_published_is_counted_for_each_partition() -> None:
    """Failures for each topic, since many fail before they have a partition."""
    published = Published()

    published.to("a", 0).count(2, 20)
    published.to("a", 0).count(1, 5)
    published.to("a", 1).waits.add(0.1, 1)
    published.fail("b")
    found = dict(published.samples())

    assert found[Series("partita_published_messages_total", {"topic": "a", "partition": 0})] == 3
    assert found[Series("partita_published_bytes_total", {"topic": "a", "partition": 0})] == 25
    assert found[Series("partita_publish_seconds_count", {"topic": "a", "partition": 1})] == 1
    assert found[Series("partita_publish_failures_total", {"topic": "b"})] == 1


def test_names_of_topics_that_fail_do_not_pile_up() -> None:
    """They may come from anywhere: beyond a thousand they share a label, and known ones keep theirs."""
    published = Published()

    for number in range(MOST_TOPICS + 3):
        published.fail(f"topic {number}")
    published.fail("topic 0")
    found = {series.labels["topic"]: number for series, number in published.samples()}

    assert len(found) == MOST_TOPICS + 1
    assert (found["topic 0"], found[OTHER_TOPICS]) == (2, 3)


def test_every_number_belongs_to_a_family_with_its_labels() -> None:
    """Nothing is printed that the reference does not describe."""
    published = Published()
    published.to("a", 0).waits.add(0.1, 1)
    published.fail("a")
    owned = {"group": "g", "topic": "t", "partition": 0}

    for series, _ in [*published.samples(), *Figures().samples(owned)]:
        name = series.name
        for end in ("_bucket", "_sum", "_count"):
            name = name.removesuffix(end)
        assert FAMILIES[name].labels == tuple(label for label in series.labels if label != "le")
        assert (FAMILIES[name].kind == "counter") == name.endswith("_total")
    assert list(BOUNDS) == sorted(BOUNDS)
