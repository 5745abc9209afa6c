"""The audit: what must always hold of the books, computed anew from the rows.

Lane by lane, each check in a snapshot of its own, so that it neither holds up workers nor keeps old row versions alive.
What only topics can show (each output once, nothing lost on the way) is the business of `replay verify`.

Source: docs/storage.md, Audit; docs/rules.md, Ledger.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from settlement.ledger import Book, LedgerAccount, Side, owned_by
from settlement.party import PartyKind
from storage import chain, views
from storage.database import Connection, Row
from storage.outcomes import DecisionRow, PostingRow
from storage.queries import read

_SQL = read("audit")

SHOWN = 5
"""Findings told of each lane."""

BATCHES_AT_ONCE = 500
DECISIONS_AT_ONCE = 5_000
"""Bounds of what is held in memory while hashes are computed."""

_BOOKS = [sorted([account for account in LedgerAccount if account.book is book]) for book in (Book.MONEY, Book.LIMIT)]
_OWNED = [sorted(owned_by(owner)) for owner in (PartyKind.ACCOUNT, PartyKind.MERCHANT, None)]
_GROW_BY_DEBIT = sorted([account for account in LedgerAccount if account.normal_side is Side.DEBIT])

_PER_LANE: Sequence[tuple[str, str, Sequence[Sequence[str]]]] = (
    ("debits equal credits", "postings_within_one_book", _BOOKS),
    ("balances are the sums of their postings", "balances", (*_OWNED, _GROW_BY_DEBIT)),
    ("one decision per event", "one_decision_per_event", ()),
    ("one outcome per input record", "one_outcome_per_record", ()),
    ("every input record has its outcome", "every_record_has_an_outcome", ()),
    ("limit = available + held + used", "limits", ()),
    ("the limit is what is granted", "granted", ()),
    ("nothing accepted beyond the limit", "available", ()),
    ("obligations are what is owed and used", "obligations", ()),
    ("obligations are open while something of them is", "obligation_states", ()),
    ("orders agree with their obligations", "orders", ()),
    ("lines are frozen while something is overdue", "overdue", ()),
    ("penalties stay within what was overdue", "penalties", ()),
    ("whatever is due is asked for", "due_is_asked_for", ()),
    ("repayments are what they paid", "repayments", ()),
    ("cash-outs are what they are owed as", "cash_outs", ()),
    ("held is promised to orders", "held", ()),
    ("merchants agree with their cases and deposits", "merchants", ()),
    ("deposits agree with their refunds", "deposits", ()),
    ("shop balances are what came and was not withdrawn", "shop_balances", ()),
    ("what is approved is paid when the freeze ends", "approved_are_paid", ()),
    ("payouts on their way are what is not answered", "payouts", ()),
    ("what is payable to merchants has its payout date", "payables_are_paid", ()),
    ("parked inputs have a deadline", "parked_have_deadlines", ()),
    ("batches and decisions without a hole", "batches", ()),
    ("offsets only move on", "offsets", ()),
)
"""Name of each check, its statement, and its further parameters."""

_OVERALL: Sequence[tuple[str, str]] = (
    ("every party on one lane", "parties_on_one_lane"),
    ("re-routed records have one outcome", "outcomes_of_rerouted"),
    ("merchant transit is what is in flight", "transit"),
)


@dataclass(frozen=True, slots=True)
class Check:
    """One check: `detail` says what was looked at or, where it failed, what was expected and what was found."""

    name: str
    ok: bool
    detail: str


def unheard(_: str) -> None:
    """Progress that nobody wants to know."""


async def audit(connection: Connection, progress: Callable[[str], None] = unheard) -> list[Check]:
    """Run all checks.

    Args:
        connection: outside a transaction; reading is enough (role postpay_auditor).
        progress: told the name of each check as it begins.
    """
    lanes = await connection.fetch(_SQL["lanes"])
    checks = []
    for name, query, parameters in _PER_LANE:
        progress(name)
        findings: list[str] = []
        for row in lanes:
            found = await connection.fetch(_SQL[query], SHOWN, row["lane"], *parameters)
            findings += [f"lane {row['lane']}, {_finding(each)}" for each in found]
        checks.append(_check(name, findings, f"{len(lanes)} lanes"))
    progress("trial balance")
    checks.append(await _trial_balance(connection))
    for name, query in _OVERALL:
        progress(name)
        findings = [_finding(each) for each in await connection.fetch(_SQL[query], SHOWN)]
        checks.append(_check(name, findings, "all lanes together"))
    progress("hash chain")
    checks.append(await _hash_chain(connection, lanes))
    return checks


def _check(name: str, findings: Sequence[str], looked_at: str) -> Check:
    if not findings:
        return Check(name, ok=True, detail=looked_at)
    return Check(name, ok=False, detail="; ".join(findings))


def _finding(row: Row) -> str:
    return f"{row['subject']}: expected {row['expected']}; found {row['found']}"


async def _trial_balance(connection: Connection) -> Check:
    """Per book and currency, debit balances equal credit balances."""
    sums: dict[tuple[str, str], list[int]] = {}
    for total in await views.ledger_totals(connection):
        sides = sums.setdefault((total.book, total.currency), [0, 0])
        sides[total.ledger_account.normal_side is Side.CREDIT] += total.balance_minor
    findings = [
        f"{book} book in {currency}: expected debit balances of {credit}, as on the credit side; found {debit}"
        for (book, currency), (debit, credit) in sums.items()
        if debit != credit
    ]
    totals = ", ".join(f"{book} {currency} {debit}" for (book, currency), (debit, _) in sorted(sums.items()))
    return _check("trial balance", findings, totals or "no postings")


async def _hash_chain(connection: Connection, lanes: Sequence[Row]) -> Check:
    """Compute every batch's hash anew from its rows; after one that differs, go on from what is stored."""
    findings: list[str] = []
    batches = 0
    for lane in lanes:
        previous = chain.genesis(lane["lane"])
        async for batch, decisions, postings in _batches(connection, lane["lane"], lane["batch_seq"]):
            computed = chain.link(previous, batch["batch_seq"], batch["lane_time"], decisions, postings)
            batches += 1
            if computed != batch["chain_hash"] and len(findings) < SHOWN:
                findings.append(
                    f"lane {lane['lane']}, batch {batch['batch_seq']}: expected {computed.hex()} by its rows and the "
                    f"hash before; found {batch['chain_hash'].hex()}"
                )
            previous = batch["chain_hash"]
        if previous != lane["chain_hash"]:
            findings.append(
                f"lane {lane['lane']}: expected its row to hold the last batch's hash {previous.hex()}; "
                f"found {lane['chain_hash'].hex()}"
            )
    return _check("hash chain", findings, f"{batches} batches")


async def _batches(
    connection: Connection, lane: int, last: int
) -> AsyncIterator[tuple[Row, list[DecisionRow], list[PostingRow]]]:
    """Each batch of a lane up to `last` with its decisions and postings; rows once written never change."""
    done = 0
    while rows := await connection.fetch(_SQL["chain_batches"], lane, done, last, BATCHES_AT_ONCE):
        for group in _groups(rows):
            begin, end = group[0]["first_seq"], group[-1]["first_seq"] + group[-1]["decisions"]
            decisions = [DecisionRow(*row) for row in await connection.fetch(_SQL["chain_decisions"], lane, begin, end)]
            postings = [PostingRow(*row) for row in await connection.fetch(_SQL["chain_postings"], lane, begin, end)]
            for batch in group:
                until = batch["first_seq"] + batch["decisions"]
                yield batch, _taken_before(decisions, until), _taken_before(postings, until)
        done = rows[-1]["batch_seq"]


def _taken_before(rows: list[Any], seq: int) -> list[Any]:
    """Take the rows with a lower number off the front."""
    end = next((index for index, row in enumerate(rows) if row.seq >= seq), len(rows))
    taken = rows[:end]
    del rows[:end]
    return taken


def _groups(batches: Sequence[Row]) -> list[list[Row]]:
    """Neighbouring batches, together at most DECISIONS_AT_ONCE decisions or a single batch."""
    groups: list[list[Row]] = []
    decisions = 0
    for batch in batches:
        if not groups or decisions + batch["decisions"] > DECISIONS_AT_ONCE:
            groups.append([])
            decisions = 0
        groups[-1].append(batch)
        decisions += batch["decisions"]
    return groups
