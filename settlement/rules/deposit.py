"""Promotion deposits and their refunds. Source: docs/rules.md, Deposit refund."""

from datetime import date

from settlement.dates import business_date, days_after, midnight
from settlement.decision import Decision, DeclineReason
from settlement.draft import Draft
from settlement.entities import Deposit, DepositRefund, Merchant
from settlement.ledger import LedgerAccount
from settlement.lifecycles import DEPOSIT_REFUND
from settlement.messages import DepositPaid, DepositRefundRequested, DepositRefundReviewed, DepositRefundWithdrawn
from settlement.notices import Param
from settlement.rules import deposit_escalation, payout_request
from settlement.rules.merchant import owes_platform
from settlement.statuses import DepositRefundStatus
from settlement.terms import DepositTerms
from settlement.timers import TimerKind
from settlement.values import revised


def paid(draft: Draft, body: DepositPaid) -> Decision:
    """Take a deposit, frozen for a while from the date it was paid."""
    known = draft.find(Deposit, body.deposit_id)
    if known is not None:
        return draft.repeated(known.fingerprint, draft.cause.fingerprint)
    if body.currency != draft.get(Merchant, draft.party.id).currency:
        return draft.declined(DeclineReason.CURRENCY_MISMATCH, subject=(Deposit, body.deposit_id))
    paid_on = business_date(draft.moment.occurred_at)
    draft.put(
        Deposit(
            merchant_id=draft.party.id,
            deposit_id=body.deposit_id,
            no=draft.next_no(),
            route=body.route,
            currency=body.currency,
            amount_minor=body.amount_minor,
            left_minor=body.amount_minor,
            paid_at=draft.moment.occurred_at,
            frozen_until=days_after(paid_on, _terms(draft, paid_on).freeze_days),
            open_request_id=None,
            fingerprint=draft.cause.fingerprint,
        )
    )
    draft.post(LedgerAccount.GATEWAY_CLEARING, LedgerAccount.DEPOSIT, body.amount_minor, body.currency)
    return draft.applied()


def refund_requested(draft: Draft, body: DepositRefundRequested) -> Decision:
    """Take a request up for review, or decline it with every condition it does not meet."""
    known = draft.find(DepositRefund, body.request_id)
    if known is not None and known.fingerprint is not None:
        return draft.repeated(known.fingerprint, draft.cause.fingerprint)
    deposit = draft.find(Deposit, body.deposit_id)
    if deposit is None:
        return draft.missing(Deposit, body.deposit_id, subject=(DepositRefund, body.request_id))
    unmet = _unmet_at_request(draft, deposit, body)
    step = "conditions unmet" if unmet else "requested"
    request = DepositRefund(
        merchant_id=draft.party.id,
        request_id=body.request_id,
        no=draft.next_no() if known is None else known.no,
        deposit_id=body.deposit_id,
        currency=body.currency,
        amount_minor=deposit.left_minor if body.amount_minor is None else body.amount_minor,
        refund_to=body.refund_to,
        status=DEPOSIT_REFUND.begins[step] if known is None else DEPOSIT_REFUND.after(known.status, step),
        reasons=tuple([reason.value for reason in unmet]),
        urgent=body.urgent,
        urgency=body.urgency,
        reason=body.reason,
        contact=body.contact,
        requested_at=draft.moment.occurred_at,
        review_due_on=None,
        fingerprint=None,
    )
    if unmet:
        _notify_refused(draft, request)
        subject = (DepositRefund, body.request_id)
        return draft.declined(*unmet, subject=subject, record=(*draft.numbered(), request))
    review_due_on = _review_due_on(draft, urgent=body.urgent)
    request = revised(request, review_due_on=review_due_on, fingerprint=draft.cause.fingerprint)
    draft.put(request)
    draft.put(revised(deposit, open_request_id=request.request_id))
    _notify(draft, "deposit_refund_received", request, review_due_on=review_due_on.isoformat())
    deposit_escalation.expect(draft, request, deposit)
    return draft.applied()


def refund_reviewed(draft: Draft, body: DepositRefundReviewed) -> Decision:
    """Approve a request, if it still meets the conditions, or reject it."""
    request = draft.find(DepositRefund, body.request_id)
    if request is None:
        return draft.missing(DepositRefund, body.request_id)
    if request.fingerprint is None:
        return draft.declined(DeclineReason.SUBJECT_DECLINED)
    if request.status is not DepositRefundStatus.AWAITING_REVIEW:
        return _reviewed_again(draft, request, body)
    request = revised(request, opinion=body.opinion)
    if body.outcome == "rejected":
        _end(draft, request, "rejected")
        _notify(draft, "deposit_refund_rejected", request, opinion=body.opinion)
        return draft.applied()
    if _declined_on_check(draft, request):
        return draft.applied()
    deposit = draft.get(Deposit, request.deposit_id)
    approved = revised(request, status=DEPOSIT_REFUND.after(request.status, "approved"))
    draft.put(approved)
    deposit_escalation.forget_review(draft, request.request_id)
    paid_at = max(midnight(deposit.frozen_until), draft.moment.now)
    _notify(
        draft,
        "deposit_refund_approved",
        request,
        opinion=body.opinion,
        paid_on=business_date(paid_at).isoformat(),
    )
    if paid_at > draft.moment.now:
        draft.schedule(TimerKind.DEPOSIT_PAYMENT, request.request_id, paid_at)
    else:
        _pay(draft, approved, deposit)
    return draft.applied()


def refund_withdrawn(draft: Draft, body: DepositRefundWithdrawn) -> Decision:
    """The merchant leaves its deposit where it is; what is paid already stays paid."""
    request = draft.find(DepositRefund, body.request_id)
    if request is None:
        return draft.missing(DepositRefund, body.request_id)
    if request.fingerprint is None:
        return draft.declined(DeclineReason.SUBJECT_DECLINED)
    if request.status is DepositRefundStatus.WITHDRAWN:
        return draft.duplicate()
    if not DEPOSIT_REFUND.allows(request.status, "withdrawn"):
        return draft.declined(DeclineReason.WRONG_STATE)
    draft.cancel(TimerKind.DEPOSIT_PAYMENT, request.request_id)
    _end(draft, request, "withdrawn")
    return draft.applied()


def payment_due(draft: Draft, request_id: str) -> None:
    """The freeze period of an approved request's deposit is over: pay, if the conditions are still met."""
    request = draft.get(DepositRefund, request_id)
    if request.status is DepositRefundStatus.APPROVED and not _declined_on_check(draft, request):
        _pay(draft, request, draft.get(Deposit, request.deposit_id))


def _reviewed_again(draft: Draft, request: DepositRefund, body: DepositRefundReviewed) -> Decision:
    """The same outcome once more changes nothing; the other one comes too late."""
    rejected = request.status is DepositRefundStatus.REJECTED
    withdrawn = request.status is DepositRefundStatus.WITHDRAWN
    if withdrawn or rejected != (body.outcome == "rejected"):
        return draft.declined(DeclineReason.WRONG_STATE)
    return draft.duplicate()


def _unmet_at_request(draft: Draft, deposit: Deposit, body: DepositRefundRequested) -> list[DeclineReason]:
    """Everything that speaks against a new request, in the order of docs/rules.md."""
    if body.currency != deposit.currency:
        return [DeclineReason.CURRENCY_MISMATCH]
    amount_minor = deposit.left_minor if body.amount_minor is None else body.amount_minor
    unmet = _unmet(draft, deposit, amount_minor)
    if deposit.open_request_id is not None:
        unmet.append(DeclineReason.REFUND_IN_PROGRESS)
    return unmet


def _unmet(draft: Draft, deposit: Deposit, amount_minor: int) -> list[DeclineReason]:
    """The conditions that are not met now, in the order of docs/rules.md."""
    merchant = draft.get(Merchant, draft.party.id)
    conditions = (
        (merchant.open_promotions > 0, DeclineReason.PROMOTION_ACTIVE),
        (merchant.open_disputes > 0, DeclineReason.DISPUTE_OPEN),
        (merchant.open_after_sales > 0, DeclineReason.AFTER_SALE_OPEN),
        (merchant.open_violations > 0, DeclineReason.VIOLATION_OPEN),
        (owes_platform(draft), DeclineReason.OWES_PLATFORM),
        # Nothing left is nothing to refund, whether or not an amount was named.
        (not 0 < amount_minor <= deposit.left_minor, DeclineReason.AMOUNT_EXCEEDS_DEPOSIT),
    )
    return [reason for unmet, reason in conditions if unmet]


def _declined_on_check(draft: Draft, request: DepositRefund) -> bool:
    """Check the conditions once more; a request that fails ends, with all reasons."""
    unmet = _unmet(draft, draft.get(Deposit, request.deposit_id), request.amount_minor)
    if not unmet:
        return False
    declined = revised(request, reasons=tuple([reason.value for reason in unmet]))
    _end(draft, declined, "conditions unmet")
    _notify_refused(draft, declined)
    return True


def _end(draft: Draft, request: DepositRefund, step: str) -> None:
    """End a request without paying; its deposit is free for another one."""
    draft.put(revised(request, status=DEPOSIT_REFUND.after(request.status, step)))
    draft.put(revised(draft.get(Deposit, request.deposit_id), open_request_id=None))
    deposit_escalation.forget(draft, request.request_id)


def _pay(draft: Draft, request: DepositRefund, deposit: Deposit) -> None:
    """Pay back by the route the deposit came, or move it to the shop balance."""
    amount_minor = request.amount_minor
    draft.put(revised(request, status=DEPOSIT_REFUND.after(request.status, "paid")))
    draft.put(revised(deposit, left_minor=deposit.left_minor - amount_minor, open_request_id=None))
    deposit_escalation.forget(draft, request.request_id)
    if request.refund_to == "shop_balance":
        draft.post(LedgerAccount.DEPOSIT, LedgerAccount.SHOP_BALANCE, amount_minor, request.currency)
    else:
        draft.post(LedgerAccount.DEPOSIT, LedgerAccount.PAYOUT_CLEARING, amount_minor, request.currency)
        payout_request.request(
            draft,
            amount_minor,
            request.currency,
            route=deposit.route,
            reason="deposit_refund",
            source_id=request.request_id,
        )
    _notify(draft, "deposit_refund_paid", request, refund_to=request.refund_to)


def _review_due_on(draft: Draft, *, urgent: bool) -> date:
    """The working day by which a request is to be reviewed.

    Raises:
        UnknownYearError: the calendar does not know a year on the way.
    """
    requested_on = business_date(draft.moment.occurred_at)
    terms = _terms(draft, requested_on)
    working_days = terms.urgent_review_working_days if urgent else terms.review_working_days
    return draft.rules.calendar.after(requested_on, working_days)


def _terms(draft: Draft, day: date) -> DepositTerms:
    return draft.rules.terms.on(day).deposits


def _notify_refused(draft: Draft, request: DepositRefund) -> None:
    _notify(draft, "deposit_refund_refused", request, reasons=list(request.reasons))


def _notify(draft: Draft, template: str, request: DepositRefund, **params: Param) -> None:
    draft.notify(
        template,
        request_id=request.request_id,
        deposit_id=request.deposit_id,
        amount_minor=request.amount_minor,
        currency=request.currency,
        **params,
    )
