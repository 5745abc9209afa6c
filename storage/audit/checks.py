"""What is checked, in the order it is told: statements that find what is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

from settlement.ledger import Book, LedgerAccount, Side, owned_by
from settlement.party import PartyKind
from storage.database import Row
from storage.queries import read

_BOOKS, _RECORDS, _BUYERS, _MERCHANTS = (read(f"audit/{name}") for name in ("books", "records", "buyers", "merchants"))

BELOW_NOTHING_AFTER = ("credit_line.limit_changed", "repayment.reversed", "debt.charged_off")
"""Messages after which an account may have less than nothing available."""

SHOWN = 5
"""Findings told of each lane."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: `detail` says what was looked at or, where it failed, what was expected and what was found."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A check that is one statement; `parameters` are those after the number of findings and, if any, the lane."""

    name: str
    sql: str
    parameters: Sequence[Sequence[str]] = ()


_ACCOUNTS_OF_BOOKS = [
    sorted([account for account in LedgerAccount if account.book is book]) for book in (Book.MONEY, Book.LIMIT)
]
_ACCOUNTS_WITH_BALANCES = (
    *(sorted(owned_by(owner)) for owner in (PartyKind.ACCOUNT, PartyKind.MERCHANT, None)),
    sorted([account for account in LedgerAccount if account.normal_side is Side.DEBIT]),
)

OF_EACH_LANE: Sequence[Statement] = (
    Statement(
        "debits equal credits",
        _BOOKS["postings_within_one_book"],
        _ACCOUNTS_OF_BOOKS,
    ),
    Statement("balances are the sums of their postings", _BOOKS["balances"], _ACCOUNTS_WITH_BALANCES),
    Statement("one decision per event", _RECORDS["one_decision_per_event"]),
    Statement("one outcome per input record", _RECORDS["one_outcome_per_record"]),
    Statement("every input record has its outcome", _RECORDS["every_record_has_an_outcome"]),
    Statement("limit = available + held + used", _BUYERS["limits"]),
    Statement("the limit is what is granted", _BUYERS["granted"]),
    Statement("nothing accepted beyond the limit", _BUYERS["available"], [BELOW_NOTHING_AFTER]),
    Statement("obligations are what is owed and used", _BUYERS["obligations"]),
    Statement("obligations are open while something of them is", _BUYERS["obligation_states"]),
    Statement("no more is recovered than was charged off", _BUYERS["recovered"]),
    Statement("orders agree with their obligations", _BUYERS["orders"]),
    Statement("lines are frozen while something is overdue", _BUYERS["overdue"]),
    Statement("penalties stay within what was overdue", _BUYERS["penalties"]),
    Statement("what is past due is overdue", _BUYERS["past_due_is_overdue"]),
    Statement("whatever is due is asked for", _BUYERS["due_is_asked_for"]),
    Statement("repayments are what they paid", _BUYERS["repayments"]),
    Statement("cash-outs are what they are owed as", _BUYERS["cash_outs"]),
    Statement("held is promised to orders", _BUYERS["held"]),
    Statement("orders cost less by their discounts", _BUYERS["discounts"]),
    Statement("merchants agree with their cases and deposits", _MERCHANTS["merchants"]),
    Statement("deposits agree with their refunds", _MERCHANTS["deposits"]),
    Statement("shop balances are what came and was not withdrawn", _MERCHANTS["shop_balances"]),
    Statement("what is approved is paid when the freeze ends", _MERCHANTS["approved_are_paid"]),
    Statement("payouts on their way are what is not answered", _BOOKS["payouts"]),
    Statement("money in suspense is what was not released", _BOOKS["suspense"]),
    Statement("what is payable to merchants has its payout date", _MERCHANTS["payables_are_paid"]),
    Statement("parked inputs have a deadline", _RECORDS["parked_have_deadlines"]),
    Statement("batches and decisions without a hole", _RECORDS["batches"]),
    Statement("offsets only move on", _RECORDS["offsets"]),
)

OF_ALL_LANES: Sequence[Statement] = (
    Statement("every party on one lane", _RECORDS["parties_on_one_lane"]),
    Statement("re-routed records have one outcome", _RECORDS["outcomes_of_rerouted"]),
    Statement("merchant transit is what is in flight", _BOOKS["transit"]),
    Statement("lanes go on from where they were split", _RECORDS["branches"]),
    Statement("archives are what is in files", _RECORDS["archives"]),
)


def concluded(name: str, findings: Sequence[str], looked_at: str) -> Check:
    """The check that found this."""
    if not findings:
        return Check(name, ok=True, detail=looked_at)
    return Check(name, ok=False, detail="; ".join(findings))


def finding(row: Row) -> str:
    """One row of a statement in words."""
    return f"{row['subject']}: expected {row['expected']}; found {row['found']}"
