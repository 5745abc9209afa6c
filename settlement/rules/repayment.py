"""Repayments received, and debits that failed. Source: docs/rules.md, Repayment."""

from settlement.decision import Decision, DeclineReason
from settlement.draft import Draft
from settlement.entities import Debit, Obligation, Order, Repayment
from settlement.ledger import LedgerAccount
from settlement.messages import RepaymentFailed, RepaymentReceived
from settlement.rules import debit, payoff
from settlement.rules.allocation import Allocation, Share
from settlement.rules.payout_request import pay_out_credit
from settlement.rules.schedule import obligations_of
from settlement.statuses import DebitStatus

PAYOFF = "payoff"
"""The purpose of a repayment that is to settle everything at once."""


def received(draft: Draft, body: RepaymentReceived) -> Decision:
    """Spread a repayment over what is owed; what is left over becomes customer credit.

    An order that was declined owes nothing, but the money has come.
    """
    known = draft.find(Repayment, body.repayment_id)
    if known is not None:
        return draft.repeated(known.fingerprint, draft.cause.fingerprint)
    answered = None
    if body.debit_id is not None:
        answered = draft.find(Debit, body.debit_id)
        if answered is None:
            return draft.missing(Debit, body.debit_id, subject=(Repayment, body.repayment_id))
    order = None
    if body.order_id is not None:
        order = draft.find(Order, body.order_id)
        if order is None and not draft.was_declined(Order, body.order_id):
            return draft.wait(Order, body.order_id)
    if body.currency != draft.currency:
        return draft.declined(DeclineReason.CURRENCY_MISMATCH, subject=(Repayment, body.repayment_id))
    if answered is not None:
        debit.succeeded(draft, answered)
        draft.notify("debit_made", debit_id=answered.debit_id, amount_minor=body.amount_minor, currency=body.currency)
    waived = payoff.begin(draft, body.amount_minor) if body.purpose == PAYOFF else []
    allocation = _allocate(draft, body, answered, order)
    _record(draft, body, [*waived, *allocation.shares], allocation.left_minor)
    pay_out_credit(draft)
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


def _record(draft: Draft, body: RepaymentReceived, shares: list[Share], credit_minor: int) -> None:
    draft.put(
        Repayment(
            account_id=draft.party.id,
            repayment_id=body.repayment_id,
            no=draft.next_no(),
            amount_minor=body.amount_minor,
            purpose=body.purpose,
            order_id=body.order_id,
            debit_id=body.debit_id,
            channel=body.channel,
            received_at=draft.moment.occurred_at,
            fingerprint=draft.cause.fingerprint,
            shares=tuple(map(str, shares)),
            credit_minor=credit_minor,
        )
    )


def _allocate(draft: Draft, body: RepaymentReceived, answered: Debit | None, order: Order | None) -> Allocation:
    """Pay the debit's obligations and then any, or only the order's, or any: in the order of docs/rules.md."""
    allocation = Allocation(draft, LedgerAccount.GATEWAY_CLEARING, body.amount_minor, draft.moment.occurred_at)
    if answered is not None:
        own = [draft.get(Obligation, obligation_id) for obligation_id in answered.obligation_ids]
        allocation.pay(sorted(own, key=lambda each: (each.due_on, each.no)))
    if answered is None and body.purpose == "order":
        allocation.pay(obligations_of(draft, order) if order is not None else [])
    else:
        allocation.pay(draft.open_obligations())
    draft.post(LedgerAccount.GATEWAY_CLEARING, LedgerAccount.CUSTOMER_CREDIT, allocation.left_minor, body.currency)
    allocation.finish()
    debit.lowered(draft, allocation.paid, "repaid")
    return allocation
