import pytest

from storage.audit.checks import OF_ALL_LANES, OF_EACH_LANE
from storage.queries import read


@pytest.mark.parametrize("file", ["books", "buyers", "merchants", "records"])
def test_every_statement_of_the_audit_is_checked(file):
    checked = {each.sql for each in (*OF_EACH_LANE, *OF_ALL_LANES)}
    assert [name for name, sql in read(f"audit/{file}").items() if sql not in checked] == []


def test_checks_are_told_apart_by_their_names():
    names = [each.name for each in (*OF_EACH_LANE, *OF_ALL_LANES)]
    assert len(set(names)) == len(names)
