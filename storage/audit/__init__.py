"""The audit: what must always hold of the books, computed anew from the rows.

Lane by lane, each check in a snapshot of its own, so that it neither holds up workers nor keeps old row versions alive.
What only topics can show (each output once, nothing lost on the way) is the business of `replay verify`.

Source: docs/storage.md, Audit; docs/rules.md, Ledger.
"""

from collections import Counter
from collections.abc import Callable

from settlement.ledger import Side
from storage import figures, recorded
from storage.audit.checks import OF_ALL_LANES, OF_EACH_LANE, SHOWN, Check, concluded, finding
from storage.audit.hash_chain import hash_chain
from storage.audit.operator_chain import operator_chain
from storage.database import Connection

__all__ = ["Check", "audit"]


def unheard(_: str) -> None:
    """Progress that nobody wants to know."""


async def audit(connection: Connection, progress: Callable[[str], None] = unheard) -> list[Check]:
    """Run all checks.

    Args:
        connection: outside a transaction; reading is enough (role postpay_auditor).
        progress: told the name of each check as it begins.
    """
    lanes = await recorded.lanes(connection)
    checks = []
    for each in OF_EACH_LANE:
        progress(each.name)
        findings: list[str] = []
        for row in lanes:
            found = await connection.fetch(each.sql, SHOWN, row["lane"], *each.parameters)
            findings += [f"lane {row['lane']}, {finding(wrong)}" for wrong in found]
        checks.append(concluded(each.name, findings, f"{len(lanes)} lanes"))
    progress("trial balance")
    checks.append(await _trial_balance(connection))
    for each in OF_ALL_LANES:
        progress(each.name)
        findings = [finding(wrong) for wrong in await connection.fetch(each.sql, SHOWN, *each.parameters)]
        checks.append(concluded(each.name, findings, "all lanes together"))
    progress("hash chain")
    checks.append(await hash_chain(connection, lanes))
    progress("operator log")
    checks.append(await operator_chain(connection))
    return checks


async def _trial_balance(connection: Connection) -> Check:
    """Per book and currency, debit balances equal credit balances."""
    debits: Counter[tuple[str, str]] = Counter()
    credits_: Counter[tuple[str, str]] = Counter()
    for total in await figures.ledger_totals(connection):
        side = debits if total.ledger_account.normal_side is Side.DEBIT else credits_
        side[total.book, total.currency] += total.balance_minor
    books = sorted({*debits, *credits_})
    findings = [
        f"{book} book in {currency}: expected debit balances of {credits_[book, currency]}, as on the credit side;"
        f" found {debits[book, currency]}"
        for book, currency in books
        if debits[book, currency] != credits_[book, currency]
    ]
    totals = ", ".join(f"{book} {currency} {debits[book, currency]}" for book, currency in books)
    return concluded("trial balance", findings, totals or "no postings")
