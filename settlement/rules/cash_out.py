"""Cash-outs: limit paid out to the buyer's card, owed with the next statement. Source: docs/rules.md, Cash-out."""

from datetime import date, timedelta

from settlement.dates import business_date
from settlement.decision import Decision, DeclineReason
from settlement.draft import Draft
from settlement.entities import Account, CashOut, PlanKind
from settlement.ledger import LedgerAccount
from settlement.messages import CashOutRequested
from settlement.rules import due_day
from settlement.rules.eligibility import amount_refusal, buyer_refusal
from settlement.rules.payout_request import pay_out
from settlement.rules.schedule import new_obligation, statement_dates
from settlement.terms import Programme


def requested(draft: Draft, body: CashOutRequested) -> Decision:
    """Pay limit out and owe it, or decline with the first reason that applies."""
    account = draft.account
    known = draft.find(CashOut, body.cash_out_id)
    if known is not None and account.closed_at is None:
        return draft.repeated(known.fingerprint, draft.cause.fingerprint)
    _, programme = draft.rules.terms.of_programme(account.programme, business_date(draft.moment.occurred_at))
    reason = _refusal(draft, account, programme, body)
    if reason is not None:
        draft.notify(
            "cash_out_declined",
            cash_out_id=body.cash_out_id,
            amount_minor=body.amount_minor,
            currency=body.currency,
            reason=reason.value,
        )
        return draft.declined(reason)
    due_on = _owe(draft, programme, body)
    draft.post(LedgerAccount.LIMIT_USED, LedgerAccount.LIMIT_AVAILABLE, body.amount_minor, body.currency)
    draft.post(LedgerAccount.RECEIVABLE, LedgerAccount.PAYOUT_CLEARING, body.amount_minor, body.currency)
    pay_out(draft, body.amount_minor, "cash_out", body.cash_out_id)
    draft.notify(
        "cash_out_paid",
        cash_out_id=body.cash_out_id,
        amount_minor=body.amount_minor,
        currency=body.currency,
        due_on=due_on.isoformat(),
    )
    due_day.expect(draft, due_on)
    return draft.applied()


def _owe(draft: Draft, programme: Programme, body: CashOutRequested) -> date:
    """Record a cash-out and what it makes the buyer owe; returns its due date."""
    account, day = draft.account, business_date(draft.moment.occurred_at)
    ((billed_on, due_on),) = statement_dates(programme.plans[PlanKind.STATEMENT], day, 1)
    obligation = new_obligation(
        draft, None, body.amount_minor, due_on=due_on, billed_on=billed_on, cash_out_id=body.cash_out_id
    )
    draft.put(obligation)
    draft.put(
        CashOut(
            account_id=account.account_id,
            cash_out_id=body.cash_out_id,
            no=draft.next_no(),
            amount_minor=body.amount_minor,
            requested_at=draft.moment.occurred_at,
            obligation_ids=(obligation.obligation_id,),
            fingerprint=draft.cause.fingerprint,
        )
    )
    draft.change_account(
        cash_out_on=max(day, account.cash_out_on or day),
        cash_out_day_minor=_cashed_out_minor(account, day) + body.amount_minor,
    )
    return due_on


def _refusal(draft: Draft, account: Account, programme: Programme, body: CashOutRequested) -> DeclineReason | None:
    """The first reason, in the order of docs/rules.md, that speaks against a cash-out."""
    reason = buyer_refusal(draft, account, programme) or amount_refusal(account, body.amount_minor, body.currency)
    if reason is not None:
        return reason
    terms, occurred_at = programme.cash_out, draft.moment.occurred_at
    if terms is None:
        return DeclineReason.NOT_OFFERED
    if not account.identity_verified:
        return DeclineReason.IDENTITY_NOT_VERIFIED
    until = account.overdue_until
    if until is not None and occurred_at - until < timedelta(days=terms.days_without_overdue):
        return DeclineReason.RECENT_OVERDUE
    if _cashed_out_minor(account, business_date(occurred_at)) + body.amount_minor > terms.daily_cap_minor:
        return DeclineReason.DAILY_CAP_EXCEEDED
    return None


def _cashed_out_minor(account: Account, day: date) -> int:
    """What was cashed out already on a date; one before the latest on which something was counts as that."""
    if account.cash_out_on is None or account.cash_out_on < day:
        return 0
    return account.cash_out_day_minor
