"""
What must hold after any fault, checked from what the handlers wrote and what the broker had committed.

I2: every message is handled. I3: order per key. I5: what is unfinished is bounded. I7: a commit covers
only what is done, and never goes back; what it covers does not start again. I8: one owner of a partition
at a time.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

from tests.faults.commits import Committed, never_back
from tests.faults.eventlog import Event, places

Place = tuple[int, int]


def all_handled(events: Sequence[Event], published: Collection[Place]) -> None:
    """I2: each published message is done."""
    missing = set(published) - set(places(events, "done"))
    assert not missing, f"{len(missing)} never done, such as {sorted(missing)[:5]}"


def repeated(events: Sequence[Event]) -> set[Place]:
    """The messages that were started more than once."""
    return {place for place, count in Counter(places(events, "start")).items() if count > 1}


def in_key_order(events: Sequence[Event]) -> None:
    """I3: of each key the first `done` of each message come in offset order, and one worker has one open."""
    last: dict[tuple[int, str], int] = {}
    done: set[Place] = set()
    running: dict[tuple[str, int, str], int] = {}
    for each in events:
        mine, lane = (each.worker, each.partition, each.key), (each.partition, each.key)
        if each.name == "start":
            assert running.get(mine) in (None, each.offset), f"{each} beside {running[mine]}"
            running[mine] = each.offset
            continue
        running.pop(mine, None)
        if each.place not in done:
            assert each.offset > last.get(lane, -1), f"{each} after {last[lane]}"
            last[lane] = each.offset
            done.add(each.place)


def single_owner(events: Sequence[Event], zombies: Collection[str] = ()) -> None:
    """I8: no two workers have calls of one partition under way at once; *zombies* are not looked at."""
    under_way: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for each in events:
        if each.worker in zombies:
            continue
        owners = under_way[each.partition]
        owners[each.worker] += 1 if each.name == "start" else -1
        assert len([w for w, n in owners.items() if n > 0]) <= 1, f"{each} beside {dict(owners)}"


def commits_are_safe(
    events: Sequence[Event],
    answers: Sequence[Committed],
    zombies: Collection[str] = (),
    given_up: Collection[Place] = (),
) -> None:
    """
    I7: what a commit covers was done before, starts nowhere again, and no offset goes back.

    Args:
        events: what the handlers wrote.
        answers: what the broker had.
        zombies: workers that were frozen, and may go on with what they had in hand.
        given_up: messages that are finished without having been done.
    """
    never_back(answers)
    finished_at: dict[Place, int] = dict.fromkeys(given_up, 0)
    for each in events:
        if each.name == "done":
            finished_at.setdefault(each.place, each.at)
    first_cover = _first_cover(answers, {each.place for each in events})
    for place, at in first_cover.items():
        assert finished_at.get(place, at + 1) <= at, f"{place} was committed and not done"
    for each in events:
        if each.name == "start" and each.worker not in zombies:
            covered = first_cover.get(each.place)
            assert covered is None or each.at <= covered, f"{each} although it was committed"


def _first_cover(answers: Sequence[Committed], seen: Collection[Place]) -> dict[Place, int]:
    """When each message was first said to be finished; messages that no handler has seen are left out."""
    found: dict[Place, int] = {}
    left = set(seen)
    before = None
    for answer in answers:
        if before == (answer.offsets, answer.above):
            continue
        before = answer.offsets, answer.above
        covered = {place for place in left if answer.covers(*place)}
        found.update(dict.fromkeys(covered, answer.at))
        left -= covered
    return found


def read_ahead(events: Sequence[Event]) -> tuple[int, int]:
    """
    I5: how far any partition, read from offset 0, ran ahead of what was unfinished in it.

    Returns the most messages below a started one that were not done, and the most offsets between a started
    message and the first that was not done.
    """
    done: defaultdict[int, list[int]] = defaultdict(list)
    first: Counter[int] = Counter()
    most_open = most_span = 0
    for each in events:
        here = done[each.partition]
        if each.name == "done":
            if (at := bisect_left(here, each.offset)) == len(here) or here[at] != each.offset:
                here.insert(at, each.offset)
            while first[each.partition] < len(here) and here[first[each.partition]] == first[each.partition]:
                first[each.partition] += 1
        else:
            most_open = max(most_open, each.offset - bisect_left(here, each.offset))
            most_span = max(most_span, each.offset - first[each.partition])
    return most_open, most_span
