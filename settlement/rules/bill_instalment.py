"""Bills in instalments: what is unpaid of a bill is split over later statements. Source: docs/rules.md, Schedules."""

from datetime import date
from itertools import takewhile

from settlement.dates import business_date
from settlement.decision import Decision, DeclineReason
from settlement.draft import Draft
from settlement.entities import Account, Obligation, Order
from settlement.ledger import LedgerAccount
from settlement.lifecycles import OBLIGATION
from settlement.messages import BillInstalmentRequested
from settlement.rules import debit, due_day
from settlement.rules.fees import fee_of_each
from settlement.rules.schedule import new_obligation, obligations_of, shares, statement_dates
from settlement.statuses import ObligationStatus
from settlement.terms import Programme
from settlement.values import revised


def requested(draft: Draft, body: BillInstalmentRequested) -> Decision:
    """Split what a bill still asks for, or decline with the first reason that applies."""
    account, today = draft.account, business_date(draft.moment.occurred_at)
    _, programme = draft.rules.terms.of_programme(account.programme, today)
    reason = _refusal(account, programme, body, today)
    bill = [] if reason is not None else _bill(draft, body.due_on, today)
    if not bill:
        return _refused(draft, body, reason or DeclineReason.WRONG_STATE)
    debit.leave_out(draft, bill, "bill_instalment")
    parts = [part for obligation in bill for part in _split(draft, obligation.obligation_id, body.periods)]
    fee_minor = sum(part.fee_minor for part in parts)
    draft.post(LedgerAccount.FEE_RECEIVABLE, LedgerAccount.FEE_INCOME, fee_minor, account.currency)
    draft.notify(
        "bill_instalment_granted",
        due_on=body.due_on.isoformat(),
        periods=body.periods,
        amount_minor=sum(part.principal_minor for part in parts),
        fee_minor=fee_minor,
        currency=account.currency,
    )
    for due_on in sorted({part.due_on for part in parts}):
        due_day.expect(draft, due_on)
    return draft.applied()


def _refusal(
    account: Account, programme: Programme, body: BillInstalmentRequested, today: date
) -> DeclineReason | None:
    """The first reason, in the order of docs/rules.md, that speaks against splitting any bill."""
    if account.closed_at is not None:
        return DeclineReason.LINE_CLOSED
    if account.freeze_reasons:
        return DeclineReason.LINE_FROZEN
    if not programme.bill_instalment_periods:
        return DeclineReason.NOT_OFFERED
    if body.periods not in programme.bill_instalment_periods:
        return DeclineReason.PLAN_NOT_OFFERED
    if today >= body.due_on:
        return DeclineReason.TOO_LATE
    return None


def _refused(draft: Draft, body: BillInstalmentRequested, reason: DeclineReason) -> Decision:
    draft.notify("bill_instalment_refused", due_on=body.due_on.isoformat(), periods=body.periods, reason=reason.value)
    return draft.declined(reason)


def _bill(draft: Draft, due_on: date, today: date) -> list[Obligation]:
    """What of a bill that has come can be split: what is unpaid of orders and not in instalments."""
    due = takewhile(lambda each: each.due_on <= due_on, draft.open_obligations())
    return [each for each in due if each.due_on == due_on and _can_be_split(each, today)]


def _can_be_split(obligation: Obligation, today: date) -> bool:
    return (
        obligation.status is ObligationStatus.OPEN
        and obligation.order_id is not None
        and not obligation.in_instalments
        and obligation.plan_id is None
        and obligation.billed_on is not None
        and obligation.billed_on <= today
    )


def _split(draft: Draft, obligation_id: str, periods: int) -> list[Obligation]:
    """Make the unpaid part of an obligation instalments; what was paid of it stays as it is.

    Returns:
        The instalments; none is made of a part that is nothing.
    """
    obligation = draft.get(Obligation, obligation_id)
    order = draft.get(Order, obligation.order_id or "")
    parts = _parts(draft, order, obligation, periods)
    for part in parts:
        draft.put(part)
    if obligation.paid_principal_minor:
        paid = OBLIGATION.after(obligation.status, "paid")
        draft.put(revised(obligation, status=paid, principal_minor=obligation.paid_principal_minor))
    known = order.obligation_ids
    new_ids = [part.obligation_id for part in parts if part.obligation_id not in known]
    order = revised(order, obligation_ids=(*known, *new_ids))
    draft.put(revised(order, due_on=obligations_of(draft, order)[0].due_on))
    return parts


def _parts(draft: Draft, order: Order, obligation: Obligation, periods: int) -> list[Obligation]:
    """The instalments of what is unpaid of an obligation, on the statements after its own.

    One of which nothing was paid goes on as the first of them.
    """
    assert obligation.billed_on is not None
    plan = draft.rules.terms.since(order.terms_from).programmes[draft.account.programme].plans[order.plan_kind]
    dates = statement_dates(plan, obligation.billed_on, periods)
    unpaid_minor = obligation.open_principal_minor
    fee_minor = fee_of_each(draft, order, unpaid_minor)
    split_no = 1 + max(each.split_no for each in obligations_of(draft, order))
    parts: list[Obligation] = []
    for (billed_on, due_on), principal_minor in zip(dates, shares(unpaid_minor, periods), strict=True):
        if not principal_minor and not fee_minor:
            continue
        if not parts and not obligation.paid_principal_minor:
            first = revised(obligation, principal_minor=principal_minor, fee_minor=fee_minor, in_instalments=True)
            parts.append(revised(first, due_on=due_on, billed_on=billed_on, split_no=split_no, exhausted=False))
            continue
        parts.append(
            new_obligation(
                draft,
                order.order_id,
                principal_minor,
                due_on=due_on,
                billed_on=billed_on,
                fee_minor=fee_minor,
                in_instalments=True,
                split_no=split_no,
            )
        )
    return parts
