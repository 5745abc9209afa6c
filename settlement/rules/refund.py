"""Taking back what an order holds or made the buyer owe. Source: docs/rules.md, Return and Purchase."""

from settlement.draft import Draft
from settlement.entities import Obligation, Order
from settlement.ledger import LedgerAccount
from settlement.lifecycles import OBLIGATION
from settlement.rules import credit_line, debit, fees, overdue
from settlement.rules.payout_request import pay_out, pay_out_credit
from settlement.rules.schedule import obligations_of
from settlement.statuses import ObligationStatus
from settlement.values import revised

CANCELLED = "cancelled"
"""Why something is taken back of which nothing is kept, not even the fees that were paid."""


def take_back(draft: Draft, order: Order, amount_minor: int, reason: str) -> int:
    """Give back an amount of an order: hold, unpaid principal from the last due date backwards, then what was paid.

    Args:
        draft: the decision.
        order: held or captured; its own amounts and status are the caller's to change.
        amount_minor: at most what is left of the order.
        reason: `returned` or `cancelled`.

    Returns:
        How much of the amount is paid out to the buyer; charges that were paid for a cancelled order come on top.
    """
    if order.captured_at is None:
        draft.post(LedgerAccount.LIMIT_AVAILABLE, LedgerAccount.LIMIT_HELD, amount_minor, draft.currency)
        credit_line.released(draft, {order.order_id: amount_minor}, reason)
        return 0
    before = obligations_of(draft, order)
    after, unpaid_minor = _without_unpaid(before, amount_minor)
    paid_minor = amount_minor - unpaid_minor
    after = fees.adjusted(draft, order, _without_paid(after, paid_minor))
    charges_minor = 0
    if reason == CANCELLED:
        after, charges_minor = _without_charges(draft, after)
    for earlier, later in zip(before, after, strict=True):
        if later != earlier:
            draft.put(_settled(later))
    _post(draft, unpaid_minor, paid_minor)
    draft.hand_to_merchant(order.merchant_id, payable_minor=-amount_minor)
    credit_line.released(draft, {order.order_id: unpaid_minor}, reason)
    if paid_minor + charges_minor:
        pay_out(draft, paid_minor + charges_minor, "order_refund", order.order_id)
    debit.lowered(draft, before, reason)
    overdue.note_cleared(draft, before)
    pay_out_credit(draft)
    return paid_minor


def _without_unpaid(obligations: list[Obligation], amount_minor: int) -> tuple[list[Obligation], int]:
    """Reduce what is unpaid, the last due date first; returns the obligations and by how much."""
    left_minor, after = amount_minor, []
    for obligation in reversed(obligations):
        cut_minor = min(obligation.principal_minor - obligation.paid_principal_minor, left_minor)
        left_minor -= cut_minor
        after.append(revised(obligation, principal_minor=obligation.principal_minor - cut_minor))
    return after[::-1], amount_minor - left_minor


def _without_paid(obligations: list[Obligation], amount_minor: int) -> list[Obligation]:
    """Reduce what was paid, the last due date first; what is refunded does not count as paid any more."""
    left_minor, after = amount_minor, []
    for obligation in reversed(obligations):
        cut_minor = min(obligation.paid_principal_minor, left_minor)
        left_minor -= cut_minor
        after.append(
            revised(
                obligation,
                principal_minor=obligation.principal_minor - cut_minor,
                paid_principal_minor=obligation.paid_principal_minor - cut_minor,
            )
        )
    return after[::-1]


def _without_charges(draft: Draft, obligations: list[Obligation]) -> tuple[list[Obligation], int]:
    """Give back the fees and penalties that were paid for what is cancelled; returns how much."""
    fee_minor = sum(obligation.paid_fee_minor for obligation in obligations)
    penalty_minor = sum(obligation.paid_penalty_minor for obligation in obligations)
    draft.post(LedgerAccount.FEE_INCOME, LedgerAccount.PAYOUT_CLEARING, fee_minor, draft.currency)
    draft.post(LedgerAccount.PENALTY_INCOME, LedgerAccount.PAYOUT_CLEARING, penalty_minor, draft.currency)
    none = {"fee_minor": 0, "paid_fee_minor": 0, "penalty_minor": 0, "paid_penalty_minor": 0}
    return [revised(obligation, **none) for obligation in obligations], fee_minor + penalty_minor


def _settled(obligation: Obligation) -> Obligation:
    """Note of an obligation whether nothing is left of it, or nothing to pay."""
    if obligation.open_minor or obligation.status is ObligationStatus.RETURNED:
        return obligation
    if not obligation.principal_minor:
        return revised(obligation, status=OBLIGATION.after(obligation.status, "taken back"), debit_id=None)
    if obligation.status is ObligationStatus.PAID:
        return obligation
    return revised(obligation, status=OBLIGATION.after(obligation.status, "paid"), debit_id=None)


def _post(draft: Draft, unpaid_minor: int, paid_minor: int) -> None:
    """Un-book the merchant; the unpaid part is no longer owed, the paid part leaves by a payout."""
    draft.post(LedgerAccount.MERCHANT_TRANSIT, LedgerAccount.RECEIVABLE, unpaid_minor, draft.currency)
    draft.post(LedgerAccount.LIMIT_AVAILABLE, LedgerAccount.LIMIT_USED, unpaid_minor, draft.currency)
    draft.post(LedgerAccount.MERCHANT_TRANSIT, LedgerAccount.PAYOUT_CLEARING, paid_minor, draft.currency)
