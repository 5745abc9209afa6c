"""Orders from placing to capture or cancelling. Source: docs/rules.md, Purchase."""

from datetime import date, datetime, timedelta

from settlement.asks import open_parts
from settlement.dates import business_date, days_after, midnight
from settlement.decision import Decision, DeclineReason
from settlement.draft import Draft
from settlement.entities import Account, Order, PlanKind, Return
from settlement.ledger import LedgerAccount
from settlement.lifecycles import ORDER, RETURN
from settlement.messages import PurchaseCancelled, PurchaseKept, PurchasePlaced, PurchaseReceived
from settlement.rules import debit, due_day, reminder
from settlement.rules.eligibility import amount_refusal, buyer_refusal
from settlement.rules.refund import take_back
from settlement.rules.schedule import capture, left_minor, obligations_of
from settlement.shop import ShopSettings
from settlement.statuses import ObligationStatus, OrderStatus
from settlement.terms import CapturedOn, Programme
from settlement.timers import TimerKind
from settlement.values import revised


def placed(draft: Draft, body: PurchasePlaced) -> Decision:
    """Accept an order and hold its amount, or decline it with the first reason that applies."""
    known = draft.find(Order, body.order_id)
    if known is not None:
        return draft.repeated(known.fingerprint, draft.cause.fingerprint)
    account = draft.account
    placed_on = business_date(draft.moment.occurred_at)
    terms, programme = draft.rules.terms.of_programme(account.programme, placed_on)
    reason = _refusal(draft, account, programme, body)
    if reason is not None:
        draft.notify(
            "purchase_declined",
            order_id=body.order_id,
            amount_minor=body.amount_minor,
            currency=body.currency,
            reason=reason.value,
        )
        return draft.declined(reason, subject=(Order, body.order_id))
    plan = body.plan
    order = Order(
        account_id=account.account_id,
        order_id=body.order_id,
        no=draft.next_no(),
        merchant_id=body.merchant_id,
        plan_kind=plan.kind,
        plan_days=plan.days,
        plan_periods=plan.periods,
        status=OrderStatus.HELD,
        amount_minor=body.amount_minor,
        returned_minor=0,
        under_return_minor=0,
        placed_at=draft.moment.occurred_at,
        received_at=None,
        kept_at=None,
        captured_at=None,
        due_on=days_after(placed_on, plan.days or 0) if plan.kind is PlanKind.DEFERRED else None,
        terms_from=terms.effective_from,
        obligation_ids=(),
        open_return_ids=(),
        fingerprint=draft.cause.fingerprint,
    )
    draft.put(order)
    draft.post(LedgerAccount.LIMIT_HELD, LedgerAccount.LIMIT_AVAILABLE, body.amount_minor, body.currency)
    draft.notify("purchase_accepted", order_id=body.order_id, amount_minor=body.amount_minor, currency=body.currency)
    if programme.captured_on is CapturedOn.PLACING:
        order = _capture(draft, order)
    _expect_receipt(draft, order, draft.moment.occurred_at + timedelta(days=terms.automatic_receipt_days))
    return draft.applied()


def received(draft: Draft, body: PurchaseReceived) -> Decision:
    """The buyer has the goods: capture what is captured on receipt, or start the trial."""
    order = draft.find(Order, body.order_id)
    if order is None:
        return draft.missing(Order, body.order_id)
    if order.received_at is not None:
        return draft.duplicate()
    if order.status in {OrderStatus.CANCELLED, OrderStatus.RETURNED}:
        return draft.declined(DeclineReason.WRONG_STATE)
    draft.cancel(TimerKind.AUTOMATIC_RECEIPT, order.order_id)
    _receive(draft, order)
    return draft.applied()


def receipt_due(draft: Draft, order_id: str) -> None:
    """Nobody has told the receipt of an order in time: it counts as received now."""
    _receive(draft, draft.get(Order, order_id))


def kept(draft: Draft, body: PurchaseKept) -> Decision:
    """The trial buyer is satisfied: capture and debit at once; the due date stays the trial's end."""
    order = draft.find(Order, body.order_id)
    if order is None:
        return draft.missing(Order, body.order_id)
    if order.kept_at is not None:
        return draft.duplicate()
    if order.status is OrderStatus.HELD and order.plan_kind is PlanKind.TRIAL and not order.open_return_ids:
        return draft.wait(Order, order.order_id)
    if order.status is not OrderStatus.TRIAL or order.open_return_ids:
        return draft.declined(DeclineReason.WRONG_STATE)
    due_on = _due_on(order)
    order = capture(draft, revised(order, kept_at=draft.moment.occurred_at))
    reminder.forget_trial_end(draft, order.order_id)
    due_day.expect(draft, due_on)
    debit.request(
        draft,
        [(each, open_parts(each)) for each in obligations_of(draft, order)],
        due_on=due_on,
        attempt=1,
        reason="kept",
        first_requested_at=draft.moment.now,
    )
    return draft.applied()


def cancelled(draft: Draft, body: PurchaseCancelled) -> Decision:
    """Give an order up before it was received, open returns of it included."""
    order = draft.find(Order, body.order_id)
    if order is None:
        return draft.missing(Order, body.order_id)
    if order.status is OrderStatus.CANCELLED:
        return draft.duplicate()
    if order.received_at is not None or not ORDER.allows(order.status, "cancelled"):
        return draft.declined(DeclineReason.WRONG_STATE)
    for return_id in order.open_return_ids:
        open_return = draft.get(Return, return_id)
        draft.put(revised(open_return, status=RETURN.after(open_return.status, "order cancelled")))
        draft.cancel(TimerKind.PARCEL_EXPIRY, return_id)
        draft.hand_to_merchant(order.merchant_id, after_sales=-1)
    draft.cancel(TimerKind.AUTOMATIC_RECEIPT, order.order_id)
    take_back(draft, order, left_minor(order), "cancelled", keeps_nothing=True)
    draft.put(revised(order, status=ORDER.after(order.status, "cancelled"), under_return_minor=0, open_return_ids=()))
    return draft.applied()


def trial_ended(draft: Draft, order_id: str) -> None:
    """00:00 of a trial's end date; while a return is open, its end decides how the order goes on."""
    order = draft.get(Order, order_id)
    if order.status is not OrderStatus.TRIAL or order.open_return_ids:
        return
    due_on = _due_on(order)
    capture(draft, order)
    # By a timer of the same instant, so that all trials ending now share one debit.
    draft.schedule(TimerKind.DUE_DAY, due_on.isoformat(), draft.moment.now)


def returned_in_full(draft: Draft, order: Order) -> None:
    """End an order of which nothing is left: it is neither waited for nor debited any more."""
    draft.put(revised(order, status=ORDER.after(order.status, "returned in full")))
    draft.cancel(TimerKind.AUTOMATIC_RECEIPT, order.order_id)
    reminder.forget_trial_end(draft, order.order_id)


def resume(draft: Draft, order: Order) -> None:
    """Let an order go on whose last open return has ended and left something of it.

    Its due date is at least the next business date; what is overdue stays so, and is debited again at the next 00:00.
    """
    next_date = days_after(business_date(draft.moment.occurred_at), 1)
    if order.captured_at is None:
        if order.due_on is not None:
            order = revised(order, due_on=max(order.due_on, next_date))
            draft.put(order)
        if order.received_at is not None:
            _go_on(draft, order)
        return
    obligations = obligations_of(draft, order)
    open_ones = [each for each in obligations if each.status is ObligationStatus.OPEN]
    for obligation in open_ones:
        draft.put(revised(obligation, due_on=max(obligation.due_on, next_date), exhausted=False))
    if open_ones:
        draft.put(revised(order, due_on=obligations_of(draft, order)[0].due_on))
    for due_on in sorted({max(each.due_on, next_date) for each in open_ones}):
        due_day.expect(draft, due_on)
    for late in [each for each in obligations if each.status is ObligationStatus.OVERDUE]:
        draft.put(revised(late, exhausted=False))


def _expect_receipt(draft: Draft, order: Order, receipt_at: datetime) -> None:
    """See to it that an order counts as received at an instant; at once, as of that instant, when it has passed."""
    if receipt_at > draft.moment.now:
        draft.schedule(TimerKind.AUTOMATIC_RECEIPT, order.order_id, receipt_at)
    else:
        draft.decide_as_of(receipt_at)
        _receive(draft, order)


def _receive(draft: Draft, order: Order) -> None:
    """The buyer has the goods; while a return is open, its end decides how the order goes on."""
    order = revised(order, received_at=draft.moment.occurred_at)
    if order.plan_kind is PlanKind.TRIAL:
        trial_ends_on = days_after(business_date(draft.moment.occurred_at), order.plan_days or 0)
        order = revised(order, status=ORDER.after(order.status, "received on trial"), due_on=trial_ends_on)
    draft.put(order)
    if not order.open_return_ids:
        _go_on(draft, order)
    elif order.status is OrderStatus.TRIAL:
        reminder.expect_trial_reminder(draft, order, _due_on(order))


def _go_on(draft: Draft, order: Order) -> None:
    """What a received order comes to when no return holds it up."""
    if order.status is OrderStatus.HELD:
        _capture(draft, order)
    elif order.status is OrderStatus.TRIAL:
        due_on = _due_on(order)
        if midnight(due_on) > draft.moment.now:
            reminder.expect_trial_end(draft, order, due_on)
        else:
            reminder.forget_trial_end(draft, order.order_id)
            _capture(draft, order)


def _capture(draft: Draft, order: Order) -> Order:
    captured = capture(draft, order)
    for due_on in dict.fromkeys(obligation.due_on for obligation in obligations_of(draft, captured)):
        due_day.expect(draft, due_on)
    return draft.get(Order, order.order_id)


def _due_on(order: Order) -> date:
    """The due date of an order that has one: a deferred one, or a trial that has begun."""
    assert order.due_on is not None
    return order.due_on


def _refusal(draft: Draft, account: Account, programme: Programme, body: PurchasePlaced) -> DeclineReason | None:
    """The first reason, in the order of docs/rules.md, that speaks against an order."""
    reason = buyer_refusal(draft, account, programme)
    if reason is not None:
        return reason
    shop = draft.lane.find(ShopSettings, body.merchant_id)
    if not body.item_eligible or (body.item_plans is not None and body.plan.kind not in body.item_plans):
        return DeclineReason.NOT_SUPPORTED
    if shop is not None and not shop.enabled:
        return DeclineReason.NOT_SUPPORTED
    offered = programme.plans.get(body.plan.kind)
    if offered is None or not offered.include(body.plan.days, body.plan.periods):
        return DeclineReason.PLAN_NOT_OFFERED
    if shop is not None and not shop.takes(body.plan):
        return DeclineReason.PLAN_NOT_OFFERED
    if shop is not None and shop.is_exceeded(body.amount_minor, body.currency):
        return DeclineReason.ABOVE_SHOP_MAXIMUM
    return amount_refusal(account, body.amount_minor, body.currency)
