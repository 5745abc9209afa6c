"""Paying off everything at once. Source: docs/rules.md, Repayment."""

from datetime import date

from settlement.dates import business_date
from settlement.draft import Draft
from settlement.entities import Obligation
from settlement.ledger import LedgerAccount
from settlement.lifecycles import OBLIGATION
from settlement.rules import penalty
from settlement.rules.allocation import Share
from settlement.values import revised


def amount_minor(draft: Draft) -> int:
    """What it takes, or took when a payment was made, to be rid of all that is owed, unbilled fees left out."""
    paid_at = draft.moment.occurred_at
    today = business_date(paid_at)
    return sum(
        penalty.without_days_after(obligation, paid_at).open_minor - _unbilled_fee_minor(obligation, today)
        for obligation in draft.open_obligations()
    )


def begin(draft: Draft, paid_minor: int) -> list[Share]:
    """Waive the fees that are not billed, if a payment covers the rest; else tell that it is treated as any other.

    Returns:
        What was waived.
    """
    required_minor = amount_minor(draft)
    currency = draft.currency
    if paid_minor < required_minor:
        draft.notify("payoff_insufficient", amount_minor=paid_minor, required_minor=required_minor, currency=currency)
        return []
    waived = _waive(draft)
    if required_minor:
        waived_minor = sum(share.waived_fee_minor for share in waived)
        draft.notify("payoff_received", amount_minor=required_minor, waived_minor=waived_minor, currency=currency)
    return waived


def _waive(draft: Draft) -> list[Share]:
    today = business_date(draft.moment.occurred_at)
    waived: list[Share] = []
    for obligation in list(draft.open_obligations()):
        fee_minor = _unbilled_fee_minor(obligation, today)
        if fee_minor:
            waived.append(Share(obligation.obligation_id, 0, 0, 0, fee_minor))
            after = revised(obligation, fee_minor=obligation.fee_minor - fee_minor)
            if not after.open_minor:
                after = revised(after, status=OBLIGATION.after(after.status, "paid"), debit_id=None)
            draft.put(after)
    waived_minor = sum(share.waived_fee_minor for share in waived)
    draft.post(LedgerAccount.FEE_INCOME, LedgerAccount.FEE_RECEIVABLE, waived_minor, draft.currency)
    return waived


def _unbilled_fee_minor(obligation: Obligation, today: date) -> int:
    """What is unpaid of a fee whose statement has not come."""
    if obligation.billed_on is None or obligation.billed_on <= today:
        return 0
    return obligation.fee_minor - obligation.paid_fee_minor
