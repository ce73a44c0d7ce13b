"""The page on errors names each of ours, and of the clients' what is retriable, as it is."""

import inspect
import re
from pathlib import Path

from tests.docs.client_errors import codes, kafka_retriable, nats_retriable

from partita.core import errors

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "errors.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))


def test_each_error_of_ours_is_told_with_what_to_do() -> None:
    """And with the class of Python's that it is as well."""
    ours = {
        name: each
        for name, each in vars(errors).items()
        if inspect.isclass(each) and each.__module__ == errors.__name__ and name != "PartitaError"
    }
    rows = [line.strip("|").split("|") for line in SECTIONS["Ours"].splitlines() if line.startswith("| `")]

    assert {row[0].strip(" `") for row in rows} == set(ours)
    for name, builtin, meaning, to_do in ([cell.strip(" `") for cell in row] for row in rows):
        assert builtin in ("", *(each.__name__ for each in ours[name].__mro__))
        assert meaning
        assert to_do
    assert len(ours) < 10


def test_the_attributes_that_are_told_are_there() -> None:
    """Those of ours in the table."""
    for name in re.findall(r"\(`\.(\w+)`|, `\.(\w+)`", SECTIONS["Ours"]):
        attribute = "".join(name)
        assert re.search(
            rf"self\.{attribute}\b|made\.{attribute}\b|, self\.{attribute}", inspect.getsource(errors)
        )


def test_what_is_retriable_is_what_the_clients_say() -> None:
    """A release that changes its mind changes the page."""
    kafka = SECTIONS["aiokafka's"].partition("Others are not")[0]
    nats = SECTIONS["nats-py's"].partition("So is")[0]

    assert set(re.findall(r"`(\w+)`", kafka)) == kafka_retriable()
    assert set(re.findall(r"`(\w+)`", nats)) == nats_retriable()


def test_each_new_code_has_its_row() -> None:
    """`python -m tests.docs.client_errors` prints them."""
    assert [row for row in codes() if row not in PAGE.splitlines()] == []
