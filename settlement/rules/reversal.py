"""Repayments whose money was taken back. Source: docs/rules.md, Repayment."""

from collections.abc import Iterable

from settlement.dates import business_date, days_after
from settlement.decision import Decision
from settlement.draft import Draft
from settlement.entities import Obligation, Order, Repayment
from settlement.ledger import LedgerAccount
from settlement.lifecycles import OBLIGATION, ORDER
from settlement.messages import RepaymentReversed
from settlement.rules import debit, fees, overdue
from settlement.rules.allocation import Share
from settlement.rules.schedule import is_under_return, new_obligation, obligations_of
from settlement.statuses import ObligationStatus, OrderStatus
from settlement.values import revised


def reversed_(draft: Draft, body: RepaymentReversed) -> Decision:
    """Undo a repayment, once; what it paid that is gone by now becomes owed anew."""
    repayment = draft.find(Repayment, body.repayment_id)
    if repayment is None:
        return draft.missing(Repayment, body.repayment_id)
    if repayment.reversed_at is not None:
        return draft.duplicate()
    draft.put(revised(repayment, reversed_at=draft.moment.occurred_at))
    draft.notify(
        "repayment_reversed",
        repayment_id=repayment.repayment_id,
        amount_minor=repayment.amount_minor,
        currency=draft.currency,
    )
    shares = [Share.parse(text) for text in repayment.shares]
    owed_again_minor = sum(_unpay(draft, share) for share in shares)
    obligation_ids = dict.fromkeys(share.obligation_id for share in shares)
    _reopen(draft, obligation_ids)
    _take_credit(draft, repayment.amount_minor - owed_again_minor)
    _debit_what_is_open(draft, obligation_ids)
    return draft.applied()


def _unpay(draft: Draft, share: Share) -> int:
    """Make owed again what still counts as paid of a share, which what was refunded does not; returns how much."""
    obligation = draft.get(Obligation, share.obligation_id)
    principal_minor = min(share.principal_minor, obligation.paid_principal_minor)
    fee_minor = min(share.fee_minor, obligation.paid_fee_minor)
    penalty_minor = min(share.penalty_minor, obligation.paid_penalty_minor)
    gateway, currency = LedgerAccount.GATEWAY_CLEARING, draft.currency
    draft.post(LedgerAccount.PENALTY_RECEIVABLE, gateway, penalty_minor, currency)
    draft.post(LedgerAccount.FEE_RECEIVABLE, gateway, fee_minor, currency)
    draft.post(LedgerAccount.RECEIVABLE, gateway, principal_minor, currency)
    draft.post(LedgerAccount.LIMIT_USED, LedgerAccount.LIMIT_AVAILABLE, principal_minor, currency)
    waived_minor = share.waived_fee_minor
    draft.post(LedgerAccount.FEE_RECEIVABLE, LedgerAccount.FEE_INCOME, waived_minor, currency)
    draft.put(
        revised(
            obligation,
            fee_minor=obligation.fee_minor + waived_minor,
            paid_principal_minor=obligation.paid_principal_minor - principal_minor,
            paid_fee_minor=obligation.paid_fee_minor - fee_minor,
            paid_penalty_minor=obligation.paid_penalty_minor - penalty_minor,
        )
    )
    return principal_minor + fee_minor + penalty_minor


def _reopen(draft: Draft, obligation_ids: Iterable[str]) -> None:
    """Open what is unpaid again, with the fees that the principal left of each order gives."""
    obligations = [draft.get(Obligation, obligation_id) for obligation_id in obligation_ids]
    order_ids = dict.fromkeys(each.order_id for each in obligations)
    for order_id in order_ids:
        if order_id is None:
            _open(draft, [each for each in obligations if each.order_id is None])
            continue
        order = draft.get(Order, order_id)
        _open(draft, fees.adjusted(draft, order, obligations_of(draft, order)))
        if order.status is OrderStatus.SETTLED and any(each.open_minor for each in obligations_of(draft, order)):
            draft.put(revised(order, status=ORDER.after(order.status, "payment reversed")))


def _open(draft: Draft, obligations: Iterable[Obligation]) -> None:
    for obligation in obligations:
        reopened = obligation.status is ObligationStatus.PAID and obligation.open_minor
        step = {"status": OBLIGATION.after(obligation.status, "payment reversed")} if reopened else {}
        draft.put(revised(obligation, **step))


def _take_credit(draft: Draft, gone_minor: int) -> None:
    """Take what has become credit or was refunded from the credit there is; what that does not cover is owed anew."""
    credit_minor = min(gone_minor, draft.account.customer_credit_minor)
    owed_minor = gone_minor - credit_minor
    gateway, currency = LedgerAccount.GATEWAY_CLEARING, draft.currency
    draft.post(LedgerAccount.CUSTOMER_CREDIT, gateway, credit_minor, currency)
    draft.post(LedgerAccount.RECEIVABLE, gateway, owed_minor, currency)
    draft.post(LedgerAccount.LIMIT_USED, LedgerAccount.LIMIT_AVAILABLE, owed_minor, currency)
    if not owed_minor:
        return
    due_on = days_after(business_date(draft.moment.now), 1)
    draft.put(new_obligation(draft, None, owed_minor, due_on=due_on, billed_on=None))
    debit.expect_due_day(draft, due_on)


def _debit_what_is_open(draft: Draft, obligation_ids: Iterable[str]) -> None:
    """What is past due is overdue; that, and what is due today, is debited once more at the next 00:00."""
    today = business_date(draft.moment.now)
    tomorrow = days_after(today, 1)
    found = [draft.get(Obligation, obligation_id) for obligation_id in obligation_ids]
    reopened = [each for each in found if each.status is ObligationStatus.OPEN and not is_under_return(draft, each)]
    past_due = [each for each in reopened if each.due_on < today]
    overdue.fall(draft, past_due, penalized_from=tomorrow)
    if overdue.is_overdue(draft):  # of something on which only a penalty was left, there may be principal again
        overdue.expect_penalty(draft, tomorrow)
    debit.debit_again(draft, [each for each in reopened if each.due_on <= today], tomorrow)
    for due_on in sorted({each.due_on for each in reopened}):
        if due_on == today:
            overdue.expect(draft, due_on)
        elif due_on > today:
            debit.expect_due_day(draft, due_on)
