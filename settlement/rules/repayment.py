"""Repayments received and reinstated, and debits that failed. Source: docs/rules.md, Repayment."""

from settlement import timeline
from settlement.changes import BY_MESSAGE, Place
from settlement.dates import business_date
from settlement.decision import AppliedReason, Decision, DeclineReason
from settlement.draft import Draft
from settlement.entities import Debit, Obligation, Order, Repayment
from settlement.ledger import LedgerAccount
from settlement.messages import RepaymentFailed, RepaymentReceived, RepaymentReinstated
from settlement.rules import debit, due_day, loss, payoff, penalty
from settlement.rules.allocation import Allocation, Share, had_paid, money_of
from settlement.rules.payout_request import pay_out
from settlement.statuses import DebitStatus
from settlement.values import revised

PAYOFF = "payoff"
"""The purpose of a repayment that is to settle everything at once."""


def received(draft: Draft, body: RepaymentReceived) -> Decision:
    """Spread a repayment over what is owed; what is left over becomes customer credit.

    An order that was declined owes nothing, but the money has come.
    """
    known = draft.find(Repayment, body.repayment_id)
    if known is not None:
        return draft.repeated(known.fingerprint, draft.cause.fingerprint)
    if body.debit_id is not None and draft.find(Debit, body.debit_id) is None:
        return draft.missing(Debit, body.debit_id, subject=(Repayment, body.repayment_id))
    order_id = body.order_id
    if order_id is not None and draft.find(Order, order_id) is None and not draft.was_declined(Order, order_id):
        return draft.wait(Order, order_id)
    if body.currency != draft.currency:
        return draft.declined(DeclineReason.CURRENCY_MISMATCH, subject=(Repayment, body.repayment_id))
    _take(draft, _recorded(draft, body, body.purpose, body.order_id, body.debit_id))
    return draft.applied()


def unmatched(draft: Draft, body: RepaymentReceived) -> Decision:
    """What a repayment names has not become known in time: it counts for the account, as of when it was made."""
    other = draft.find(Repayment, body.repayment_id)
    if other is not None:
        return draft.repeated(other.fingerprint, draft.cause.fingerprint)
    if body.currency != draft.currency:
        return draft.declined(DeclineReason.CURRENCY_MISMATCH, subject=(Repayment, body.repayment_id))
    known = body.debit_id is not None and draft.find(Debit, body.debit_id) is not None
    _take(draft, _recorded(draft, body, "account", None, body.debit_id if known else None))
    draft.notify(
        "repayment_unmatched_reference",
        repayment_id=body.repayment_id,
        amount_minor=body.amount_minor,
        currency=body.currency,
        reference=body.order_id if known or body.debit_id is None else body.debit_id,
    )
    return draft.applied(AppliedReason.REFERENCE_UNKNOWN)


def reinstated(draft: Draft, body: RepaymentReinstated) -> Decision:
    """Undo a reversal, once: it is as if the repayment had never been reversed."""
    repayment = draft.find(Repayment, body.repayment_id)
    if repayment is None:
        return draft.missing(Repayment, body.repayment_id)
    if repayment.reinstated:
        return draft.duplicate()
    if repayment.reversed_at is None:
        return draft.wait(Repayment, body.repayment_id)
    draft.notify(
        "repayment_reinstated",
        repayment_id=repayment.repayment_id,
        amount_minor=repayment.amount_minor,
        currency=draft.currency,
    )
    _spread(draft, revised(repayment, reversed_at=None, reinstated=True, recovered_minor=0), is_new=False)
    return draft.applied()


def failed(draft: Draft, body: RepaymentFailed) -> Decision:
    """A debit was not made."""
    answered = draft.find(Debit, body.debit_id)
    if answered is None:
        return draft.missing(Debit, body.debit_id)
    if answered.status is DebitStatus.FAILED:
        return draft.duplicate()
    if answered.status is not DebitStatus.REQUESTED:
        return draft.declined(DeclineReason.WRONG_STATE)
    debit.failed(draft, answered, retryable=body.retryable)
    return draft.applied()


def _recorded(
    draft: Draft, body: RepaymentReceived, purpose: str, order_id: str | None, debit_id: str | None
) -> Repayment:
    """The record of a repayment that has paid nothing yet.

    A debit's success counts from its request. One of a debit that had been cancelled, or has succeeded already, pays
    what is due in the order it is paid; one that came too late pays what its debit asked for first.
    """
    no = draft.next_no()
    place = Place(draft.moment.occurred_at, BY_MESSAGE, no)
    is_over = is_late = False
    if debit_id is not None:
        answered = draft.get(Debit, debit_id)
        place = min(debit.place_of(answered) or place, place)
        is_over = answered.status in {DebitStatus.CANCELLED, DebitStatus.SUCCEEDED}
        is_late = answered.unanswered_at is not None
    return Repayment(
        account_id=draft.party.id,
        repayment_id=body.repayment_id,
        no=no,
        amount_minor=body.amount_minor,
        purpose=purpose,
        order_id=order_id,
        debit_id=debit_id,
        channel=body.channel,
        received_at=draft.moment.occurred_at,
        fingerprint=draft.cause.fingerprint,
        counts_at=place.at,
        counts_rank=place.rank,
        own_first=is_late or not is_over,
        due_by=business_date(draft.moment.now) if is_over or is_late else None,
    )


def _take(draft: Draft, repayment: Repayment) -> None:
    """Take a repayment that has come, as the answer to its debit if it is one."""
    if repayment.debit_id is not None:
        debit.succeeded(draft, draft.get(Debit, repayment.debit_id))
        draft.notify(
            "debit_made",
            debit_id=repayment.debit_id,
            amount_minor=repayment.amount_minor,
            currency=draft.currency,
        )
    _spread(draft, repayment, is_new=True)


def _spread(draft: Draft, repayment: Repayment, *, is_new: bool) -> None:
    """Spread a repayment from where it counts, and let what is left over go where it belongs."""
    draft.put(repayment)
    place = loss.not_before(draft, _place_of(draft, repayment))
    allocation = Allocation(draft, LedgerAccount.GATEWAY_CLEARING)
    waived: list[Share] = []
    paid_before = had_paid(repayment)
    if not is_new:
        waived = _forget(draft, allocation, repayment, place)
    elif repayment.purpose == PAYOFF:
        waived = payoff.begin(draft, allocation, repayment)
    allocation.make_room(place)
    left_minor = allocation.spread(money_of(draft, repayment, repayment.amount_minor, place), paid_before)
    is_after_all = repayment.due_by is not None
    out_minor = left_minor if is_after_all else 0
    out_minor += allocation.spread_displaced(business_date(draft.moment.now) if is_after_all else None)
    out_minor = allocation.spend_credit(out_minor)  # nothing goes out while something is due
    credit_minor = draft.account.customer_credit_minor + allocation.left_minor(repayment.amount_minor) - out_minor
    allocation.spend_credit(credit_minor)
    shares = tuple(map(str, waived))
    allocation.record(revised(repayment, shares=shares))
    before = allocation.finish(repayment.amount_minor)
    if out_minor:
        draft.post(LedgerAccount.CUSTOMER_CREDIT, LedgerAccount.PAYOUT_CLEARING, out_minor, draft.currency)
        pay_out(draft, out_minor, "overpayment")
    due_day.settle(draft, before, "repaid")


def _place_of(draft: Draft, repayment: Repayment) -> Place:
    """From where it counts, as it was recorded: the place of its debit's request, or its own."""
    if repayment.counts_at is None:
        return Place(repayment.received_at, BY_MESSAGE)
    if repayment.debit_id is not None:
        requested = debit.place_of(draft.get(Debit, repayment.debit_id))
        if requested is not None and (requested.at, requested.rank) == (repayment.counts_at, repayment.counts_rank):
            return requested
    return Place(repayment.counts_at, repayment.counts_rank, repayment.no)


def _forget(draft: Draft, allocation: Allocation, repayment: Repayment, place: Place) -> list[Share]:
    """Take what a repayment paid, and its reversal, out of what happened; the fees it made go away go once more.

    Returns:
        The fees.
    """
    waived: list[Share] = []
    for share in map(Share.parse, repayment.shares):
        obligation = draft.get(Obligation, share.obligation_id)
        if loss.is_over(draft, obligation):
            continue
        without = timeline.without_reversal(obligation, repayment.repayment_id)
        fee_minor = min(share.waived_fee_minor, without.open_fee_minor)
        if fee_minor > 0:
            waived.append(Share(share.obligation_id, 0, 0, 0, fee_minor))
            without = payoff.without_fee(draft, without, fee_minor)
        allocation.work_on(obligation, penalty.derived(draft, without, place))
    return waived
