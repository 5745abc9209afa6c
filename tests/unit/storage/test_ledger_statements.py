"""Statements that list ledger accounts list those of the chart."""

import re
from pathlib import Path

import pytest

import storage
from settlement.ledger import LedgerAccount, owned_by
from settlement.party import PartyKind
from storage.queries import read

QUERIES = Path(storage.__file__).parent / "sql" / "queries"
FILES = sorted(file.relative_to(QUERIES).with_suffix("").as_posix() for file in QUERIES.rglob("*.sql"))
STATEMENTS = {f"{file}.sql, {name}": text for file in FILES for name, text in read(file).items()}
LISTING = [name for name, text in STATEMENTS.items() if "AS balance (ledger_account" in text]
TABLES = {PartyKind.ACCOUNT: "account", PartyKind.MERCHANT: "merchant_balance"}


@pytest.mark.parametrize("name", LISTING)
@pytest.mark.parametrize("owner", PartyKind)
def test_a_list_of_balances_has_every_account_of_its_party(name, owner):
    listed = re.search(rf"FROM {TABLES[owner]} CROSS JOIN LATERAL \(\s*VALUES(.*?)\) AS", STATEMENTS[name], re.DOTALL)
    pairs = set(re.findall(r"\('(\w+)', (\w+)\)", listed.group(1)))
    expected = {(account.value, account.balance) for account in owned_by(owner)}
    assert not expected - pairs, f"{name} lacks {expected - pairs}"
    assert not pairs - expected, f"{name} has what settlement/ledger.py does not: {pairs - expected}"


def test_balances_are_listed_to_be_shown_and_to_be_audited():
    assert {name.partition(".")[0] for name in LISTING} >= {"audit/books", "figures"}


def test_no_statement_names_an_account_that_is_not_there():
    named = {
        (name, account)
        for name, text in STATEMENTS.items()
        for account in re.findall(r"(?:ledger_account|debit|credit) (?:=|<>) '(\w+)'", text)
    }
    assert named
    assert not {pair for pair in named if pair[1] not in set(LedgerAccount)}
