"""Repayments whose money was taken back. Source: docs/rules.md, Repayment."""

from settlement import timeline
from settlement.changes import Change, ChangeKind
from settlement.dates import business_date, days_after
from settlement.decision import Decision
from settlement.draft import Draft
from settlement.entities import Obligation, Order, Repayment
from settlement.ledger import LedgerAccount
from settlement.messages import RepaymentReversed
from settlement.rules import charge_off, debit, difference, due_day, fees, loss, overdue, payoff
from settlement.rules.allocation import Share
from settlement.rules.schedule import is_under_return, new_obligation, obligations_of
from settlement.statuses import ObligationStatus
from settlement.values import revised


def reversed_(draft: Draft, body: RepaymentReversed) -> Decision:
    """Undo a repayment, once; what it paid that is gone by now becomes owed anew."""
    repayment = draft.find(Repayment, body.repayment_id)
    if repayment is None:
        return draft.missing(Repayment, body.repayment_id)
    if repayment.reversed_at is not None or repayment.reinstated:
        return draft.duplicate()
    draft.put(revised(repayment, reversed_at=draft.moment.occurred_at))
    draft.notify(
        "repayment_reversed",
        repayment_id=repayment.repayment_id,
        amount_minor=repayment.amount_minor,
        currency=draft.currency,
    )
    before, owed_again_minor = _unpay(draft, repayment)
    gone_minor = repayment.amount_minor - owed_again_minor - loss.taken_back(draft, repayment)
    gone = _take_credit(draft, gone_minor)
    if draft.account.charged_off_at is not None:
        again = [draft.get(Obligation, each.obligation_id) for each in before if loss.is_over(draft, each)]
        charge_off.give_up(draft, [each for each in (*again, *gone) if each.open_minor])
    difference.conclude(draft, before)
    debit.lowered(draft, before, "repayment_reversed")  # by the fees, which may be less now
    _fall(draft, before)
    return draft.applied()


def _unpay(draft: Draft, repayment: Repayment) -> tuple[list[Obligation], int]:
    """Make owed again what still counts as paid of a repayment, which what was refunded does not.

    The fees become those that the principal left of each order gives.

    Returns:
        What it paid, as it was before, and how much is owed again.
    """
    shares = [Share.parse(text) for text in repayment.shares]
    before = {share.obligation_id: draft.get(Obligation, share.obligation_id) for share in shares}
    after, owed_again_minor = dict(before), 0
    for share in shares:
        obligation = after[share.obligation_id]
        unpaid = Change(
            ChangeKind.UNPAID,
            draft.place,
            min(share.penalty_minor, obligation.paid_penalty_minor),
            min(share.fee_minor, obligation.paid_fee_minor),
            min(share.principal_minor, obligation.paid_principal_minor),
            repayment.repayment_id,
        )
        owed_again_minor += unpaid.amount_minor
        obligation = timeline.put_in(obligation, unpaid)
        if share.waived_fee_minor:
            obligation = payoff.without_fee(draft, obligation, -share.waived_fee_minor)
        after[share.obligation_id] = obligation
    for order_id in dict.fromkeys(each.order_id for each in before.values()):
        if order_id is None:
            continue
        order = draft.get(Order, order_id)
        known = obligations_of(draft, order)
        before |= {each.obligation_id: each for each in known}
        together = [after.get(each.obligation_id, each) for each in known]
        after |= {each.obligation_id: each for each in fees.adjusted(draft, order, together)}
    for obligation_id, earlier in before.items():
        later = after[obligation_id]
        if later != earlier:
            later = revised(later, exhausted=False)
            difference.take_over(draft, earlier, later, money=LedgerAccount.GATEWAY_CLEARING)
    return list(before.values()), owed_again_minor


def _take_credit(draft: Draft, gone_minor: int) -> list[Obligation]:
    """Take what has become credit or was refunded from the credit there is; what that does not cover is owed anew.

    Returns:
        What is owed anew, if anything is.
    """
    credit_minor = min(gone_minor, draft.account.customer_credit_minor)
    owed_minor = gone_minor - credit_minor
    gateway, currency = LedgerAccount.GATEWAY_CLEARING, draft.currency
    draft.post(LedgerAccount.CUSTOMER_CREDIT, gateway, credit_minor, currency)
    draft.post(LedgerAccount.RECEIVABLE, gateway, owed_minor, currency)
    draft.post(LedgerAccount.LIMIT_USED, LedgerAccount.LIMIT_AVAILABLE, owed_minor, currency)
    if not owed_minor:
        return []
    due_on = days_after(business_date(draft.moment.now), 1)
    gone = new_obligation(draft, None, owed_minor, due_on=due_on, billed_on=None)
    draft.put(gone)
    due_day.expect(draft, due_on)
    return [gone]


def _fall(draft: Draft, before: list[Obligation]) -> None:
    """What is open again and past due is overdue, from now on; what is due later goes its way.

    Of what is overdue already more is so: that counts if what it was overdue for before turns out to be paid in time.
    """
    today = business_date(draft.moment.now)
    tomorrow = days_after(today, 1)
    found = [draft.get(Obligation, each.obligation_id) for each in before]
    for earlier, later in zip(before, found, strict=True):
        if later.status is ObligationStatus.OVERDUE and later.open_minor > earlier.open_minor:
            draft.put(timeline.fallen(later, draft.take_place()))
    reopened = [each for each in found if each.status is ObligationStatus.OPEN and not is_under_return(draft, each)]
    overdue.fall(draft, [each for each in reopened if each.due_on < today], penalized_from=tomorrow)
    if overdue.is_overdue(draft):  # of something on which only a penalty was left, there may be principal again
        overdue.expect_penalty(draft, tomorrow)
    for due_on in sorted({each.due_on for each in reopened}):
        if due_on == today:
            overdue.expect(draft, due_on)
        elif due_on > today:
            due_day.expect(draft, due_on)
