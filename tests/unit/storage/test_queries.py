from pathlib import Path

import pytest

import storage
from storage.migrations import released
from storage.queries import QueryFileError, parse, read, statements

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


@pytest.mark.parametrize("file", NAMES)
def test_every_statement_is_one_and_ends(file):
    for name, statement in read(file).items():
        assert len(statements(statement)) == 1 and statement.endswith(";"), name


def test_a_script_is_cut_where_a_statement_ends_and_nowhere_else():
    whole = (
        "-- why; because\nSELECT ';', \"a;b\", 'it''s; so'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$",
        "DO $do$ BEGIN EXECUTE $$SELECT 1;$$; END $do$",
        "/* one; two */ SELECT 2",
    )
    assert statements(";\n".join(whole) + ";\n-- the end; really\n") == [*whole]


def test_migrations_are_cut_into_statements_that_begin_with_a_command():
    commands = {
        "CREATE",
        "ALTER",
        "DROP",
        "COMMENT",
        "GRANT",
        "REVOKE",
        "INSERT",
        "UPDATE",
        "DELETE",
        "DO",
        "SELECT",
        "CALL",
    }
    begins = {
        next(line for line in statement.splitlines() if line and not line.startswith("--")).split()[0]
        for migration in released()
        for statement in statements(migration.sql)
    }
    assert begins <= commands
