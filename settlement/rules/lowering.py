"""Orders whose amount is lowered after placing. Source: docs/rules.md, Purchase."""

from settlement import timeline
from settlement.changes import Change, ChangeKind
from settlement.dates import business_date
from settlement.decision import Decision, DeclineReason
from settlement.draft import Draft
from settlement.entities import Obligation, Order
from settlement.ledger import LedgerAccount
from settlement.messages import AmountLowered
from settlement.rules import credit_line, debit, difference, due_day, fees, penalty, purchase
from settlement.rules.schedule import left_minor, obligations_of, restate_orders, shares
from settlement.statuses import OrderStatus
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
        draft.hand_to_merchant(order.merchant_id, payable_minor=-lowered_by_minor)
    credit_line.released(draft, {order.order_id: lowered_by_minor}, "amount_lowered")
    draft.notify(
        "purchase_amount_lowered",
        order_id=order.order_id,
        amount_minor=order.amount_minor,
        lowered_by_minor=lowered_by_minor,
        currency=body.currency,
    )
    if not left_minor(order) and order.returned_minor:
        purchase.returned_in_full(draft, order)
    else:
        restate_orders(draft, [order.order_id])
    if order.captured_at is not None:
        due_day.settle(draft, before, "amount_lowered")
    return draft.applied()


def _refusal(draft: Draft, order: Order, obligations: list[Obligation], body: AmountLowered) -> DeclineReason | None:
    """The first reason, in the order of docs/rules.md, that speaks against lowering an order."""
    if order.status in {OrderStatus.CANCELLED, OrderStatus.RETURNED}:
        return DeclineReason.WRONG_STATE
    if any(obligation.charged_off_minor for obligation in obligations):
        return DeclineReason.WRONG_STATE
    if body.currency != draft.currency:
        return DeclineReason.CURRENCY_MISMATCH
    if body.amount_minor >= order.amount_minor:
        return DeclineReason.NOT_LOWER
    if any(_is_paid_or_debited(obligation) for obligation in obligations):
        return DeclineReason.ALREADY_PAID
    if body.amount_minor < order.returned_minor + order.credited_minor + order.under_return_minor:
        return DeclineReason.BELOW_RETURNED
    return None


def _is_paid_or_debited(obligation: Obligation) -> bool:
    if obligation.paid_principal_minor or obligation.paid_fee_minor or obligation.paid_penalty_minor:
        return True
    return debit.is_requested(obligation)  # a failed debit with a pending retry does not count


def _lower_schedule(draft: Draft, order: Order, obligations: list[Obligation]) -> None:
    """Make the schedule what the new total gives on the same due dates, less what was returned, the last date first.

    It has as many shares as obligations: where an amount was too small for all instalments, it still is. A share that a
    return emptied stays empty: what is left of the order falls by no more than the shares before it.
    """
    rest_minor = left_minor(order)
    after = []
    for known, share_minor in zip(obligations, shares(order.amount_minor, len(obligations)), strict=True):
        principal_minor = min(share_minor, rest_minor)
        rest_minor -= principal_minor
        obligation, cut_minor = known, known.principal_minor - principal_minor
        if cut_minor:
            obligation = timeline.put_in(known, Change(ChangeKind.LESS, draft.place, 0, 0, cut_minor))
        after.append(timeline.lowered(obligation, penalty.rate(draft, known)(business_date(draft.moment.now))))
    for earlier, later in zip(obligations, fees.adjusted(draft, order, after), strict=True):
        if later != earlier:
            difference.take_over(draft, earlier, later, money=LedgerAccount.CUSTOMER_CREDIT, ended="taken back")
