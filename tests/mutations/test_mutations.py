"""The tests are tested: each kept mutation of the engine turns the tests red that guard against it."""

import pytest
from tests.mutations.copies import ALL_PASSED, SOME_FAILED, Copy, Mutation
from tests.mutations.kept import MUTATIONS


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The packages and their tests, where nobody minds."""
    return Copy.make(tmp_path_factory.mktemp("mutations"))


def test_without_a_mutation_the_tests_pass(copy: Copy) -> None:
    """What fails below fails of its mutation."""
    assert copy.run({test for each in MUTATIONS for test in each.tests}) == (ALL_PASSED, set())


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.wrong)
def test_a_mutated_engine_fails_its_tests(copy: Copy, mutation: Mutation) -> None:
    """They fail, each of them, and not of an import."""
    with copy.mutated(mutation):
        assert copy.run(mutation.tests) == (SOME_FAILED, set(mutation.tests))


def test_a_mutation_whose_text_has_changed_is_told(copy: Copy) -> None:
    """Rather than passed over, when the engine is rewritten."""
    gone = Mutation("nothing", "core/ledger.py", "no such text", "", ())

    with pytest.raises(LookupError, match=r"nothing: its old text stands 0 times in core/ledger\.py"):
        copy.mutated(gone).__enter__()
