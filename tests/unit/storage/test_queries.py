import re
from pathlib import Path

import pytest

import storage
from storage.queries import QueryFileError, parse, read

QUERIES = Path(storage.__file__).parent / "sql" / "queries"
NAMES = sorted(path.relative_to(QUERIES).with_suffix("").as_posix() for path in QUERIES.rglob("*.sql"))


def test_a_file_is_cut_into_its_statements():
    statements = parse("-- a head\n-- name: one\nSELECT 1;\n\n-- name: two\n-- why\nSELECT 2;\n")
    assert statements == {"one": "SELECT 1;", "two": "-- why\nSELECT 2;"}


def test_a_name_given_twice_is_refused():
    with pytest.raises(QueryFileError, match="'one' is given twice"):
        parse("-- name: one\nSELECT 1;\n-- name: one\nSELECT 2;\n")


def test_a_statement_without_a_name_is_refused():
    with pytest.raises(QueryFileError, match="before the first statement"):
        parse("SELECT 1;\n-- name: two\nSELECT 2;\n")


QUOTED = re.compile(r"\$\$.*?\$\$|'[^']*'", re.DOTALL)


@pytest.mark.parametrize("file", NAMES)
def test_every_statement_is_one_and_ends(file):
    for name, statement in read(file).items():
        code = "\n".join(line for line in statement.splitlines() if not line.startswith("--"))
        without_texts = QUOTED.sub("", code)
        assert without_texts.count(";") == 1 and without_texts.endswith(";"), name
