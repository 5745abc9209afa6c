"""Whoever adds a ledger account says all of it, and where it is told of."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from settlement.entities import Account, MerchantBalance
from settlement.ledger import LedgerAccount, Side, owned_by
from settlement.party import PartyKind

CHAPTER = (Path(__file__).parents[3] / "docs" / "rules.md").read_text(encoding="utf-8").partition("## Ledger\n")[2]
KEPT_IN = {PartyKind.ACCOUNT: Account, PartyKind.MERCHANT: MerchantBalance}


def test_an_account_of_which_not_all_is_said_is_refused_by_its_name():
    with pytest.raises(TypeError, match="ledger account suspense: expected its book, normal side"):
        LedgerAccount.__new_member__(LedgerAccount, "suspense")


def test_an_account_is_found_by_its_name():
    assert LedgerAccount("deposit") is LedgerAccount.DEPOSIT


def test_every_account_is_in_the_chart_of_docs_rules_md():
    chart = CHAPTER.partition("|")[0]
    unknown = {account.value for account in LedgerAccount} - set(re.findall(r"`(\w+)`", chart))
    assert not unknown, f"the chart of accounts in docs/rules.md, Ledger, does not name {unknown}"


@pytest.mark.parametrize("side", Side)
def test_every_account_is_told_of_on_both_sides_in_docs_rules_md(side):
    column = 2 + (side is Side.CREDIT)
    rows = [line.split("|") for line in CHAPTER.splitlines() if line.startswith("| ")]
    told = set(re.findall(r"`(\w+)`", " ".join(row[column] for row in rows)))
    untold = {account.value for account in LedgerAccount} - told
    assert not untold, f"no row of docs/rules.md, Ledger, has a {side} of {untold}"


@pytest.mark.parametrize("owner", PartyKind)
def test_balances_of_a_party_are_fields_of_its_own(owner):
    names = {field.name for field in fields(KEPT_IN[owner])}
    without = {account.value for account in owned_by(owner) if account.balance not in names}
    assert not without, f"{KEPT_IN[owner].__name__} has no field for the balances of {without}"


def test_the_platforms_balances_are_kept_apart():
    assert not [account for account in owned_by(None) if account.balance is not None]
