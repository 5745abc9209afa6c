"""Orders whose amount is lowered after placing. Source: docs/rules.md, Purchase."""

from settlement.decision import Decision, DeclineReason
from settlement.draft import Draft
from settlement.entities import Debit, Obligation, Order
from settlement.ledger import LedgerAccount
from settlement.lifecycles import OBLIGATION
from settlement.messages import AmountLowered
from settlement.rules import credit_line, debit, fees, overdue, purchase
from settlement.rules.payout_request import pay_out_credit
from settlement.rules.schedule import obligations_of, settle_orders, shares
from settlement.statuses import DebitStatus, ObligationStatus, OrderStatus
from settlement.values import revised


def lowered(draft: Draft, body: AmountLowered) -> Decision:
    """Set an order's total lower, unless something of it was paid or is being debited."""
    order = draft.find(Order, body.order_id)
    if order is None:
        return draft.missing(Order, body.order_id)
    before = obligations_of(draft, order)
    reason = _refusal(draft, order, before, body)
    if reason is not None:
        return draft.declined(reason)
    lowered_by_minor = order.amount_minor - body.amount_minor
    order = revised(order, amount_minor=body.amount_minor)
    draft.put(order)
    if order.captured_at is None:
        draft.post(LedgerAccount.LIMIT_AVAILABLE, LedgerAccount.LIMIT_HELD, lowered_by_minor, body.currency)
    else:
        _lower_schedule(draft, order, before)
        draft.post(LedgerAccount.LIMIT_AVAILABLE, LedgerAccount.LIMIT_USED, lowered_by_minor, body.currency)
        draft.post(LedgerAccount.MERCHANT_TRANSIT, LedgerAccount.RECEIVABLE, lowered_by_minor, body.currency)
        draft.hand_to_merchant(order.merchant_id, payable_minor=-lowered_by_minor)
    credit_line.released(draft, {order.order_id: lowered_by_minor}, "amount_lowered")
    draft.notify(
        "purchase_amount_lowered",
        order_id=order.order_id,
        amount_minor=order.amount_minor,
        lowered_by_minor=lowered_by_minor,
        currency=body.currency,
    )
    if order.returned_minor == order.amount_minor:
        purchase.returned_in_full(draft, order)
    else:
        settle_orders(draft, [order.order_id])
    debit.lowered(draft, before, "amount_lowered")
    overdue.note_cleared(draft, before)
    if order.captured_at is not None:
        pay_out_credit(draft)
    return draft.applied()


def _refusal(draft: Draft, order: Order, obligations: list[Obligation], body: AmountLowered) -> DeclineReason | None:
    """The first reason, in the order of docs/rules.md, that speaks against lowering an order."""
    if order.status in {OrderStatus.CANCELLED, OrderStatus.RETURNED}:
        return DeclineReason.WRONG_STATE
    if body.currency != draft.currency:
        return DeclineReason.CURRENCY_MISMATCH
    if body.amount_minor >= order.amount_minor:
        return DeclineReason.NOT_LOWER
    if any(_is_paid_or_debited(draft, obligation) for obligation in obligations):
        return DeclineReason.ALREADY_PAID
    if body.amount_minor < order.returned_minor + order.under_return_minor:
        return DeclineReason.BELOW_RETURNED
    return None


def _is_paid_or_debited(draft: Draft, obligation: Obligation) -> bool:
    if obligation.paid_principal_minor or obligation.paid_fee_minor or obligation.paid_penalty_minor:
        return True
    # A failed debit with a pending retry does not count.
    return obligation.debit_id is not None and draft.get(Debit, obligation.debit_id).status is DebitStatus.REQUESTED


def _lower_schedule(draft: Draft, order: Order, obligations: list[Obligation]) -> None:
    """Make the schedule what the new total gives on the same due dates, less what was returned, the last date first.

    It has as many shares as obligations: where an amount was too small for all instalments, it still is. A share that a
    return emptied stays empty: what is left of the order falls by no more than the shares before it.
    """
    left_minor = order.amount_minor - order.returned_minor
    after = []
    for obligation, share_minor in zip(obligations, shares(order.amount_minor, len(obligations)), strict=True):
        principal_minor = min(share_minor, left_minor)
        left_minor -= principal_minor
        after.append(revised(obligation, principal_minor=principal_minor))
    for obligation in fees.adjusted(draft, order, after):
        if obligation.status is not ObligationStatus.RETURNED and not obligation.open_minor:
            step = OBLIGATION.after(obligation.status, "taken back")
            draft.put(revised(obligation, status=step, debit_id=None))
        else:
            draft.put(obligation)
