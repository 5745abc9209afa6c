"""Returns: requests, reviews, inspected parcels, and how the order goes on. Source: docs/rules.md, Return."""

from datetime import timedelta

from settlement import timeline
from settlement.changes import BY_MESSAGE, Place
from settlement.dates import business_date
from settlement.decision import Decision, DeclineReason
from settlement.draft import Draft
from settlement.entities import Obligation, Order, Return
from settlement.ledger import LedgerAccount
from settlement.lifecycles import RETURN
from settlement.messages import ParcelInspected, ReturnRequested, ReturnReviewed, ReturnWithdrawn
from settlement.rules import debit, difference, due_day, purchase
from settlement.rules.refund import take_back
from settlement.rules.schedule import left_minor, obligations_of, restate_orders
from settlement.statuses import OrderStatus, ReturnStatus
from settlement.terms import Programme, ReturnWindow
from settlement.timers import TimerKind
from settlement.values import revised

QUALITY_ISSUE = "quality_issue"
"""The reason that needs evidence and a review, and that no window limits; all others are approved at once."""

APPROVED = "approved"


def requested(draft: Draft, body: ReturnRequested) -> Decision:
    """Open a return: a quality issue is reviewed first, anything else is approved at once."""
    known = draft.find(Return, body.return_id)
    if known is not None:
        return draft.repeated(known.fingerprint, draft.cause.fingerprint)
    order = draft.find(Order, body.order_id)
    if order is None:
        return draft.missing(Order, body.order_id, subject=(Return, body.return_id))
    programme = _programme_of(draft, order)
    reason = _refusal(draft, order, programme, body)
    if reason is not None:
        draft.notify(
            "return_declined",
            return_id=body.return_id,
            order_id=body.order_id,
            amount_minor=body.amount_minor,
            currency=body.currency,
            reason=reason.value,
        )
        return draft.declined(reason, subject=(Return, body.return_id))
    step = "requested" if body.reason == QUALITY_ISSUE else _approval(programme, body.reason)
    opened = _record(draft, body, step)
    if opened.review == APPROVED:
        _tell_approved(draft, opened)
    order = revised(
        order,
        under_return_minor=order.under_return_minor + opened.amount_minor,
        open_return_ids=(*order.open_return_ids, opened.return_id),
    )
    draft.put(order)
    undone = _undo_falls(draft, order) if _is_in_time(draft, order, programme) else []
    debit.leave_out(draft, obligations_of(draft, order), "return_requested")
    if undone:
        due_day.settle(draft, undone, "return_requested")
    draft.hand_to_merchant(order.merchant_id, after_sales=1)
    _go_ahead(draft, opened)
    return draft.applied()


def reviewed(draft: Draft, body: ReturnReviewed) -> Decision:
    """Take over what the platform thinks of a quality issue."""
    asked = draft.find(Return, body.return_id)
    if asked is None:
        return draft.missing(Return, body.return_id)
    if asked.status is not ReturnStatus.AWAITING_REVIEW:
        return draft.duplicate() if asked.review == body.outcome else draft.declined(DeclineReason.WRONG_STATE)
    if body.outcome != APPROVED:
        draft.notify("return_rejected", return_id=asked.return_id, order_id=asked.order_id, opinion=body.opinion)
        _end(draft, revised(asked, review=body.outcome), "rejected")
        return draft.applied()
    programme = _programme_of(draft, draft.get(Order, asked.order_id))
    status = RETURN.after(asked.status, _approval(programme, asked.reason))
    approved = revised(asked, status=status, review=APPROVED)
    draft.put(approved)
    _tell_approved(draft, approved)
    _go_ahead(draft, approved)
    return draft.applied()


def withdrawn(draft: Draft, body: ReturnWithdrawn) -> Decision:
    """The buyer keeps the goods after all."""
    open_return = draft.find(Return, body.return_id)
    if open_return is None:
        return draft.missing(Return, body.return_id)
    if open_return.status is ReturnStatus.WITHDRAWN:
        return draft.duplicate()
    if not RETURN.allows(open_return.status, "withdrawn"):
        return draft.declined(DeclineReason.WRONG_STATE)
    _end(draft, open_return, "withdrawn")
    return draft.applied()


def parcel_expired(draft: Draft, return_id: str) -> None:
    """The parcel of a return has not come in time."""
    expired = draft.get(Return, return_id)
    draft.notify("return_expired", return_id=expired.return_id, order_id=expired.order_id)
    _end(draft, expired, "parcel not come")


def parcel_inspected(draft: Draft, body: ParcelInspected) -> Decision:
    """An intact parcel is refunded, a damaged one refused with photos."""
    inspected = draft.find(Return, body.return_id)
    if inspected is None:
        return draft.missing(Return, body.return_id)
    if inspected.status is ReturnStatus.AWAITING_REVIEW:
        return draft.wait(Return, body.return_id)
    if inspected.status is not ReturnStatus.AWAITING_PARCEL:
        return _inspected_again(draft, inspected, body)
    if body.condition == "intact":
        draft.put(revised(inspected, status=RETURN.after(inspected.status, "parcel intact")))
        _refund(draft, inspected)
        return draft.applied()
    draft.notify(
        "parcel_refused",
        return_id=inspected.return_id,
        order_id=inspected.order_id,
        damage=list(body.damage),
        photos=list(body.photos),
    )
    _end(draft, inspected, "parcel damaged")
    return draft.applied()


def _inspected_again(draft: Draft, inspected: Return, body: ParcelInspected) -> Decision:
    """The same finding once more changes nothing; another one comes too late."""
    order = draft.get(Order, inspected.order_id)
    without_inspection = inspected.reason in _programme_of(draft, order).uninspected_returns
    found = {ReturnStatus.REFUNDED: "intact", ReturnStatus.PARCEL_REFUSED: "damaged"}.get(inspected.status)
    if found == body.condition and not without_inspection:
        return draft.duplicate()
    return draft.declined(DeclineReason.WRONG_STATE)


def _programme_of(draft: Draft, order: Order) -> Programme:
    """The terms the order was accepted under."""
    return draft.rules.terms.since(order.terms_from).programmes[draft.account.programme]


def _refusal(draft: Draft, order: Order, programme: Programme, body: ReturnRequested) -> DeclineReason | None:
    """The first reason, in the order of docs/rules.md, that speaks against a return."""
    if order.status is OrderStatus.CANCELLED:
        return DeclineReason.WRONG_STATE
    if body.currency != draft.currency:
        return DeclineReason.CURRENCY_MISMATCH
    if body.amount_minor > left_minor(order) - order.under_return_minor:
        return DeclineReason.AMOUNT_EXCEEDS_ORDER
    if body.reason == QUALITY_ISSUE:
        return None if body.evidence else DeclineReason.EVIDENCE_MISSING
    return None if _is_in_time(draft, order, programme) else DeclineReason.WINDOW_CLOSED


def _is_in_time(draft: Draft, order: Order, programme: Programme) -> bool:
    """Tell whether a return is requested within its window, while nothing of the order was overdue."""
    return _is_open(draft, order, programme) and not _was_overdue(draft, order)


def _is_open(draft: Draft, order: Order, programme: Programme) -> bool:
    """Tell whether the window for returns is open; it is until a trial has begun."""
    if order.due_on is None:
        return True
    requested_on = business_date(draft.moment.occurred_at)
    if programme.return_window is ReturnWindow.BEFORE_TRIAL_END:
        return requested_on < order.due_on
    return requested_on <= order.due_on


def _was_overdue(draft: Draft, order: Order) -> bool:
    """Tell whether something of an order was overdue when the message occurred, and is still or was so until later."""
    place = _place(draft)
    for obligation in obligations_of(draft, order):
        for fall in timeline.falls_of(obligation):
            ended_at = timeline.ended_at(obligation, fall)
            if fall.place <= place and (ended_at is None or ended_at > place.at):
                return True
    return False


def _undo_falls(draft: Draft, order: Order) -> list[Obligation]:
    """A return that is told late would have kept its order from falling overdue: it did not.

    Returns:
        What changed, as it was before.
    """
    before = []
    for obligation in obligations_of(draft, order):
        after = timeline.without_falls_after(obligation, _place(draft))
        if after is not obligation:
            before.append(obligation)
            difference.take_over(draft, obligation, after, money=LedgerAccount.CUSTOMER_CREDIT)
    return before


def _place(draft: Draft) -> Place:
    return Place(draft.moment.occurred_at, BY_MESSAGE, draft.place.no)


def _approval(programme: Programme, reason: str) -> str:
    """The step that approves a return: whether its parcel is waited for."""
    return "refunded without inspection" if reason in programme.uninspected_returns else "approved"


def _tell_approved(draft: Draft, approved: Return) -> None:
    draft.notify(
        "return_approved",
        return_id=approved.return_id,
        order_id=approved.order_id,
        amount_minor=approved.amount_minor,
        currency=draft.currency,
    )


def _record(draft: Draft, body: ReturnRequested, step: str) -> Return:
    opened = Return(
        account_id=draft.party.id,
        return_id=body.return_id,
        no=draft.next_no(),
        order_id=body.order_id,
        status=RETURN.begins[step],
        amount_minor=body.amount_minor,
        reason=body.reason,
        evidence=body.evidence,
        description=body.description,
        requested_at=draft.moment.occurred_at,
        fingerprint=draft.cause.fingerprint,
        review=None if body.reason == QUALITY_ISSUE else APPROVED,
    )
    draft.put(opened)
    return opened


def _go_ahead(draft: Draft, asked: Return) -> None:
    """What a return comes to next: it is reviewed, refunded at once, or its parcel is waited for.

    A wait that is over when this is told ends at once, as of then.
    """
    if asked.status is ReturnStatus.REFUNDED:
        _refund(draft, asked)
    elif asked.status is ReturnStatus.AWAITING_PARCEL:
        terms = draft.rules.terms.since(draft.get(Order, asked.order_id).terms_from)
        expires_at = draft.moment.occurred_at + timedelta(days=terms.parcel_wait_days)
        if expires_at > draft.moment.now:
            draft.schedule(TimerKind.PARCEL_EXPIRY, asked.return_id, expires_at)
        else:
            draft.decide_as_of(expires_at)
            parcel_expired(draft, asked.return_id)


def _end(draft: Draft, open_return: Return, step: str) -> None:
    """End a return without a refund; its order goes on."""
    ended = revised(open_return, status=RETURN.after(open_return.status, step))
    draft.put(ended)
    _close(draft, ended)
    _go_on(draft, ended.order_id)


def _close(draft: Draft, ended: Return) -> Order:
    """Take a return that ended off its order; returns the order."""
    order = draft.get(Order, ended.order_id)
    order = revised(
        order,
        under_return_minor=order.under_return_minor - ended.amount_minor,
        open_return_ids=tuple([each for each in order.open_return_ids if each != ended.return_id]),
    )
    draft.put(order)
    draft.cancel(TimerKind.PARCEL_EXPIRY, ended.return_id)
    draft.hand_to_merchant(order.merchant_id, after_sales=-1)
    return order


def _refund(draft: Draft, accepted: Return) -> None:
    """Give back what was returned; what is left of the order goes on."""
    order = _close(draft, accepted)
    is_all = accepted.amount_minor == left_minor(order)
    keeps_nothing = is_all and accepted.reason == QUALITY_ISSUE
    paid_out_minor = take_back(draft, order, accepted.amount_minor, "returned", keeps_nothing=keeps_nothing)
    order = revised(order, returned_minor=order.returned_minor + accepted.amount_minor)
    if is_all:
        purchase.returned_in_full(draft, order)
    else:
        draft.put(order)
        restate_orders(draft, [order.order_id])
        _go_on(draft, order.order_id)
    draft.notify(
        "return_refunded",
        return_id=accepted.return_id,
        order_id=accepted.order_id,
        amount_minor=accepted.amount_minor,
        paid_out_minor=paid_out_minor,
        currency=draft.currency,
    )


def _go_on(draft: Draft, order_id: str) -> None:
    """Let the rest of an order go on, unless another return still holds it up."""
    order = draft.get(Order, order_id)
    if not order.open_return_ids:
        purchase.resume(draft, order)
