"""Overdue debt that is owed anew, in parts, on later dates. Source: docs/rules.md, Hardship."""

from collections.abc import Iterable, Sequence
from datetime import date

from settlement import timeline
from settlement.asks import open_parts
from settlement.changes import BY_MESSAGE, Change, ChangeKind
from settlement.concession import Concession, ConcessionKind, concession_key
from settlement.dates import business_date, days_after
from settlement.decision import Decision, DeclineReason
from settlement.draft import Draft
from settlement.entities import CashOut, Obligation, Order, PlanKind
from settlement.lifecycles import OBLIGATION
from settlement.messages import DebtRescheduled
from settlement.rules import conceding, debit, difference, due_day, overdue
from settlement.rules.credit_line import OVERDUE
from settlement.rules.restoring import restore
from settlement.rules.schedule import new_obligation, obligations_of, shares, statement_dates
from settlement.statuses import ObligationStatus
from settlement.values import revised

Dates = Sequence[tuple[date | None, date]]
"""When parts are billed, if they are, and due."""


def rescheduled(draft: Draft, body: DebtRescheduled) -> Decision:
    """Let all that is overdue be owed in parts, without fee or further penalty; the line works again at once."""
    key = concession_key(ConcessionKind.PLAN, body.plan_id)
    known = draft.find(Concession, key)
    if known is not None:
        return draft.repeated(known.fingerprint, draft.cause.fingerprint)
    late = overdue.overdue_ones(draft)
    if not late:
        reason = DeclineReason.NOTHING_DUE
        draft.notify("debt_rescheduling_refused", reason=reason.value, periods=body.periods)
        return draft.declined(reason, subject=(Concession, key))
    amount_minor = sum(each.open_minor for each in late)
    conceding.record(draft, key, amount_minor, body.reason, approved_by=body.approved_by)
    debit.leave_out(draft, late, "rescheduled")
    parts = [part for each in late for part in _split(draft, each.obligation_id, body)]
    draft.change_account(appeal_upheld=False)  # it is the plan that lifts the freeze
    difference.conclude(draft, late)
    if OVERDUE in draft.account.freeze_reasons:  # whatever the programme says of clearing
        restore(draft, "cleared")
    due_dates = sorted({part.due_on for part in parts})
    draft.notify(
        "debt_rescheduled",
        amount_minor=amount_minor,
        currency=draft.currency,
        periods=body.periods,
        first_due_on=due_dates[0].isoformat(),
    )
    for due_on in due_dates:
        due_day.expect(draft, due_on)
    return draft.applied()


def call_in(draft: Draft) -> bool:
    """After a decision: who misses one part of a plan owes all others of it on that very day.

    Returns:
        Whether there was anything to do.
    """
    missed = {
        each.plan_id
        for each in draft.touched(Obligation)
        if each.plan_id is not None
        and each.status is ObligationStatus.OVERDUE
        and timeline.falls_of(each)[-1].place >= draft.began_at  # others may have been put off since it did
    }
    if not missed:
        return False
    today = business_date(draft.moment.now)
    ahead = [each for each in draft.open_obligations() if each.plan_id in missed and each.due_on > today]
    if not ahead:
        return False
    for part in ahead:
        draft.put(revised(part, due_on=today, exhausted=False))
    _redate_orders(draft, ahead)
    if draft.moment.rank == BY_MESSAGE:
        due_day.expect(draft, today)
    else:
        due_day.due_day(draft, today)
    return True


def _split(draft: Draft, obligation_id: str, body: DebtRescheduled) -> list[Obligation]:
    """Make what is unpaid of an overdue obligation parts of a plan, of which it is the first.

    It keeps what was paid of it, and the fee and penalties that are open.
    """
    obligation = draft.get(Obligation, obligation_id)
    (billed_on, due_on), *later = _dates(draft, obligation, body.periods)
    unpaid_minor = open_parts(obligation).principal_minor
    first_minor, *others = shares(unpaid_minor, body.periods)
    first = timeline.overdue_ended(obligation, draft.moment.now)
    if first_minor < unpaid_minor:
        first = timeline.put_in(first, Change(ChangeKind.MOVED, draft.place, 0, 0, unpaid_minor - first_minor))
    first = revised(
        first,
        status=OBLIGATION.after(first.status, "rescheduled"),
        due_on=due_on,
        billed_on=billed_on,
        exhausted=False,
        plan_id=body.plan_id,
    )
    parts = [first]
    for (billed_on, due_on), principal_minor in zip(later, others, strict=True):
        if principal_minor:
            part = new_obligation(
                draft,
                obligation.order_id,
                principal_minor,
                due_on=due_on,
                billed_on=billed_on,
                plan_id=body.plan_id,
                cash_out_id=obligation.cash_out_id,
            )
            parts.append(part)
    for part in parts:
        draft.put(part)
    _hand_to_owner(draft, parts)
    return parts


def _dates(draft: Draft, obligation: Obligation, periods: int) -> Dates:
    """The next statements after the date of the request or, where the plan has none, every 30 days from it."""
    asked_on, terms = business_date(draft.moment.occurred_at), draft.rules.terms
    if obligation.order_id is not None:
        order = draft.get(Order, obligation.order_id)
        programme, kind = terms.since(order.terms_from).programmes[draft.account.programme], order.plan_kind
    else:
        (_, programme), kind = terms.of_programme(draft.account.programme, asked_on), PlanKind.STATEMENT
    plan = programme.plans.get(kind)
    if plan is not None and plan.bill_day is not None:
        return statement_dates(plan, asked_on, periods)
    days = terms.on(asked_on).rescheduling_days
    return [(None, days_after(asked_on, days * number)) for number in range(1, periods + 1)]


def _hand_to_owner(draft: Draft, parts: Sequence[Obligation]) -> None:
    """Let the order or cash-out of an obligation know of the parts it was split into."""
    first, *others = parts
    made = tuple([part.obligation_id for part in others])
    if first.order_id is not None:
        order = draft.get(Order, first.order_id)
        draft.put(revised(order, obligation_ids=(*order.obligation_ids, *made)))
        _redate_orders(draft, [first])
    elif first.cash_out_id is not None and made:
        cash_out = draft.get(CashOut, first.cash_out_id)
        draft.put(revised(cash_out, obligation_ids=(*cash_out.obligation_ids, *made)))


def _redate_orders(draft: Draft, moved: Iterable[Obligation]) -> None:
    """The due date of an order is the first one of what it made."""
    for order_id in dict.fromkeys(each.order_id for each in moved if each.order_id is not None):
        order = draft.get(Order, order_id)
        draft.put(revised(order, due_on=obligations_of(draft, order)[0].due_on))
