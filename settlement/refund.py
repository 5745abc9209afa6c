"""Taking back what an order holds or made the buyer owe. Source: docs/rules.md, Return and Purchase."""

from settlement import credit_line, debit
from settlement.allocation import pay_out, pay_out_credit
from settlement.draft import Draft
from settlement.entities import Obligation, Order
from settlement.ledger import LedgerAccount
from settlement.revision import revised
from settlement.schedule import obligations_of
from settlement.states import OBLIGATION


def take_back(draft: Draft, order: Order, amount_minor: int, reason: str) -> int:
    """Give back an amount of an order: hold, unpaid principal from the last due date backwards, then what was paid.

    Args:
        draft: the decision.
        order: held or captured; its own amounts and status are the caller's to change.
        amount_minor: at most what is left of the order.
        reason: `returned` or `cancelled`.

    Returns:
        How much of it is paid out to the buyer.
    """
    if order.captured_at is None:
        draft.post(LedgerAccount.LIMIT_AVAILABLE, LedgerAccount.LIMIT_HELD, amount_minor, draft.currency)
        credit_line.released(draft, {order.order_id: amount_minor}, reason)
        return 0
    before = obligations_of(draft, order)
    unpaid_minor = _take_unpaid(draft, before, amount_minor)
    paid_minor = amount_minor - unpaid_minor
    _take_paid(draft, obligations_of(draft, order), paid_minor)
    _post(draft, unpaid_minor, paid_minor)
    draft.hand_to_merchant(order.merchant_id, payable_minor=-amount_minor)
    credit_line.released(draft, {order.order_id: unpaid_minor}, reason)
    if paid_minor:
        pay_out(draft, paid_minor, "order_refund")
    debit.lowered(draft, before, reason)
    pay_out_credit(draft)
    return paid_minor


def _take_unpaid(draft: Draft, obligations: list[Obligation], amount_minor: int) -> int:
    """Reduce what is unpaid, the last due date first; returns by how much."""
    left_minor = amount_minor
    for obligation in reversed(obligations):
        cut_minor = min(obligation.principal_minor - obligation.paid_principal_minor, left_minor)
        if not cut_minor:
            continue
        left_minor -= cut_minor
        after = revised(obligation, principal_minor=obligation.principal_minor - cut_minor)
        if not after.open_minor:
            step = "paid" if after.principal_minor else "taken back"
            after = revised(after, status=OBLIGATION.after(after.status, step), debit_id=None)
        draft.put(after)
    return amount_minor - left_minor


def _take_paid(draft: Draft, obligations: list[Obligation], amount_minor: int) -> None:
    """Reduce what was paid, the last due date first; what is refunded does not count as paid any more."""
    left_minor = amount_minor
    for obligation in reversed(obligations):
        cut_minor = min(obligation.paid_principal_minor, left_minor)
        if not cut_minor:
            continue
        left_minor -= cut_minor
        after = revised(
            obligation,
            principal_minor=obligation.principal_minor - cut_minor,
            paid_principal_minor=obligation.paid_principal_minor - cut_minor,
        )
        if not after.principal_minor:
            after = revised(after, status=OBLIGATION.after(after.status, "taken back"))
        draft.put(after)


def _post(draft: Draft, unpaid_minor: int, paid_minor: int) -> None:
    """Un-book the merchant; the unpaid part is no longer owed, the paid part leaves by a payout."""
    draft.post(LedgerAccount.MERCHANT_TRANSIT, LedgerAccount.RECEIVABLE, unpaid_minor, draft.currency)
    draft.post(LedgerAccount.LIMIT_AVAILABLE, LedgerAccount.LIMIT_USED, unpaid_minor, draft.currency)
    draft.post(LedgerAccount.MERCHANT_TRANSIT, LedgerAccount.PAYOUT_CLEARING, paid_minor, draft.currency)
