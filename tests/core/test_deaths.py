"""What the commits of a partition say about processes that ended in the middle of it."""

from partita.core.deaths import SUSPICIOUS, Deaths
from partita.core.finished import Finished
from partita.core.offset_map import OffsetMap

NONE = Finished()


def next_owner(said: OffsetMap, offset: int = 5) -> Deaths:
    """Who reads what was stored beside *offset*."""
    return Deaths.found(offset, OffsetMap.decode(offset, said.encode(offset)))


def test_two_owners_that_ended_without_a_word_arouse_suspicion() -> None:
    """Each stores that it has begun; the third sees that two did not end well."""
    first = Deaths.found(5, OffsetMap())
    second = next_owner(first.first(NONE))
    third = next_owner(second.first(NONE))

    assert [each.unclean for each in (first, second, third)] == [0, 1, SUSPICIOUS]
    assert [each.suspected for each in (first, second, third)] == [False, False, True]


def test_an_owner_that_leaves_in_good_order_is_not_counted() -> None:
    """Nor does it clear those before it, which may have met a message that it has not come to."""
    second = next_owner(Deaths.found(5, OffsetMap()).first(NONE))

    left = second.beside(5, NONE, leaving=True)
    going_on = second.beside(5, NONE, leaving=False)

    assert next_owner(left).unclean == 1
    assert next_owner(going_on).unclean == 2
    assert Deaths.found(5, OffsetMap()).beside(5, NONE, leaving=True) == OffsetMap()


def test_a_commit_that_moves_begins_a_new_count() -> None:
    """Whatever ends the process then, it is not what ended the ones before."""
    owner = Deaths(5, unclean=3)

    assert owner.beside(6, NONE, leaving=False).unclean is None


def test_the_message_that_was_under_way_is_known_to_the_next_owner() -> None:
    """With its attempt; one that has ended is not, nor one that was under way when its partition went."""
    owner = Deaths(5, unclean=2)
    owner.begin(8, 1)
    during = owner.beside(5, NONE, leaving=False)
    leaving = owner.beside(5, NONE, leaving=True)
    owner.end()
    after = owner.beside(5, NONE, leaving=False)

    assert next_owner(during).tried == {8: 1}
    assert next_owner(during).suspected
    assert leaving.tried == after.tried == {}


def test_what_is_known_of_a_message_stays_until_it_is_finished() -> None:
    """Also when another is under way, and when the partition goes in good order."""
    owner = Deaths(5, tried={6: 2, 9: 1})
    owner.begin(7, 1)

    assert owner.beside(5, NONE, leaving=False).tried == {6: 2, 9: 1, 7: 1}
    assert owner.beside(5, Finished.of([6]), leaving=True).tried == {9: 1}
    assert owner.beside(7, NONE, leaving=True).tried == {9: 1}


def test_the_care_ends_behind_what_came_first_and_what_is_known() -> None:
    """Before anything has come it has not ended."""
    owner, known = Deaths(5, unclean=2), Deaths(5, tried={40: 1})

    assert not owner.is_over(100)
    for each in (owner, known):
        each.fed(10)
        each.fed(20)

    assert (owner.is_over(9), owner.is_over(10)) == (False, True)
    assert (known.is_over(40), known.is_over(41)) == (False, True)


def test_a_stop_by_somebody_begins_afresh() -> None:
    """Whoever stops a worker may have mended its handler."""
    owner = Deaths(5, unclean=4, tried={6: 5})
    owner.begin(7, 1)

    owner.forget()

    assert not owner.suspected
    assert owner.beside(5, NONE, leaving=True) == OffsetMap()
