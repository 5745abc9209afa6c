"""Discounts on captured orders, without a parcel. Source: docs/rules.md, Discount."""

from settlement.concession import Concession, ConcessionKind, concession_key
from settlement.decision import Decision, DeclineReason
from settlement.draft import Draft
from settlement.entities import Order
from settlement.messages import PurchaseCredited
from settlement.rules import conceding, purchase
from settlement.rules.refund import take_back
from settlement.rules.schedule import left_minor, restate_orders
from settlement.statuses import OrderStatus
from settlement.values import revised


def credited(draft: Draft, body: PurchaseCredited) -> Decision:
    """Take an amount off an order: what is unpaid of it first, then what was paid goes back to the buyer."""
    key = concession_key(ConcessionKind.CREDIT, body.credit_id)
    known = draft.find(Concession, key)
    if known is not None:
        return draft.repeated(known.fingerprint, draft.cause.fingerprint)
    order = draft.find(Order, body.order_id)
    if order is None:
        return draft.missing(Order, body.order_id, subject=(Concession, key))
    reason = _refusal(draft, order, body)
    if reason is not None:
        draft.notify(
            "purchase_credit_declined",
            order_id=body.order_id,
            amount_minor=body.amount_minor,
            currency=body.currency,
            reason=reason.value,
        )
        return draft.declined(reason, subject=(Concession, key))
    conceding.record(draft, key, body.amount_minor, body.reason, order_id=body.order_id)
    order = revised(order, credited_minor=order.credited_minor + body.amount_minor)
    draft.put(order)
    paid_out_minor = take_back(draft, order, body.amount_minor, "credited", holds_penalties=True)
    if not left_minor(order) and order.returned_minor:
        purchase.returned_in_full(draft, draft.get(Order, order.order_id))
    else:
        restate_orders(draft, [order.order_id])
    draft.notify(
        "purchase_credited",
        order_id=body.order_id,
        amount_minor=body.amount_minor,
        paid_out_minor=paid_out_minor,
        currency=body.currency,
        reason=body.reason,
    )
    return draft.applied()


def _refusal(draft: Draft, order: Order, body: PurchaseCredited) -> DeclineReason | None:
    """The first reason, in the order of docs/rules.md, that speaks against a discount."""
    if order.captured_at is None or order.status in {OrderStatus.CANCELLED, OrderStatus.RETURNED}:
        return DeclineReason.WRONG_STATE
    if body.currency != draft.currency:
        return DeclineReason.CURRENCY_MISMATCH
    if body.amount_minor > left_minor(order) - order.under_return_minor:
        return DeclineReason.AMOUNT_EXCEEDS_ORDER
    return None
