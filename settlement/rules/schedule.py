"""Schedules of obligations: what a captured order makes the buyer owe, and when. Source: docs/rules.md, Schedules."""

from collections.abc import Iterable, Sequence
from datetime import date

from settlement.dates import business_date, days_after, next_day_of_month
from settlement.decision import InvariantBrokenError
from settlement.draft import Draft
from settlement.entities import Obligation, Order, PlanKind
from settlement.ledger import LedgerAccount
from settlement.lifecycles import OBLIGATION, ORDER
from settlement.rules.fees import fee_of_each
from settlement.statuses import ObligationStatus, OrderStatus
from settlement.terms import PlanTerms
from settlement.values import revised


def capture(draft: Draft, order: Order) -> Order:
    """Turn what an order holds into what the buyer owes: held → used, the merchant's claim, and the fees.

    Returns:
        The order, captured.
    """
    captured_minor = order.amount_minor - order.returned_minor
    currency = draft.currency
    dates = _dates(draft, order)
    in_instalments = order.plan_kind is PlanKind.INSTALMENT
    fee_minor = fee_of_each(draft, order, captured_minor) if in_instalments else 0
    obligations = [
        new_obligation(
            draft,
            order.order_id,
            principal_minor,
            due_on=due_on,
            billed_on=billed_on,
            fee_minor=fee_minor,
            in_instalments=in_instalments,
        )
        for (billed_on, due_on), principal_minor in zip(dates, shares(captured_minor, len(dates)), strict=True)
        if principal_minor or fee_minor  # of an amount smaller than the number of instalments only the first is made
    ]
    for obligation in obligations:
        draft.put(obligation)
    draft.post(LedgerAccount.LIMIT_USED, LedgerAccount.LIMIT_HELD, captured_minor, currency)
    draft.post(LedgerAccount.RECEIVABLE, LedgerAccount.MERCHANT_TRANSIT, captured_minor, currency)
    draft.post(LedgerAccount.FEE_RECEIVABLE, LedgerAccount.FEE_INCOME, fee_minor * len(obligations), currency)
    draft.hand_to_merchant(order.merchant_id, payable_minor=captured_minor)
    captured = revised(
        order,
        status=ORDER.after(order.status, "captured"),
        captured_at=draft.moment.now,
        due_on=dates[0][1],
        obligation_ids=tuple([obligation.obligation_id for obligation in obligations]),
    )
    draft.put(captured)
    return captured


def new_obligation(
    draft: Draft,
    order_id: str | None,
    principal_minor: int,
    *,
    due_on: date,
    billed_on: date | None,
    fee_minor: int = 0,
    in_instalments: bool = False,
    split_no: int = 0,
    plan_id: str | None = None,
    cash_out_id: str | None = None,
) -> Obligation:
    """Return an obligation of which nothing is paid yet; recording and posting it are the caller's.

    Args:
        draft: gives its id and number.
        order_id: None for what belongs to no order.
        principal_minor: minor units of the account's currency.
        due_on: its due date.
        billed_on: its statement's date, None where there are no statements.
        fee_minor: likewise minor units.
        in_instalments: whether it is one of several parts that bear a fee.
        split_no: of which split, 0 for the capture.
        plan_id: of the plan it is a part of.
        cash_out_id: of the cash-out that is owed.
    """
    return Obligation(
        account_id=draft.party.id,
        obligation_id=draft.new_id(),
        no=draft.next_no(),
        order_id=order_id,
        due_on=due_on,
        status=OBLIGATION.begins["captured"],
        principal_minor=principal_minor,
        fee_minor=fee_minor,
        penalty_minor=0,
        paid_principal_minor=0,
        paid_fee_minor=0,
        paid_penalty_minor=0,
        billed_on=billed_on,
        in_instalments=in_instalments,
        split_no=split_no,
        plan_id=plan_id,
        cash_out_id=cash_out_id,
    )


def _dates(draft: Draft, order: Order) -> Sequence[tuple[date | None, date]]:
    """When an order that is captured now is billed and due: on its one due date, or with the statements that follow."""
    if order.due_on is not None:
        return [(None, order.due_on)]
    programme = draft.rules.terms.since(order.terms_from).programmes[draft.account.programme]
    captured_on = business_date(draft.moment.occurred_at)
    return statement_dates(programme.plans[order.plan_kind], captured_on, order.plan_periods or 1)


def statement_dates(plan: PlanTerms, after: date, number: int) -> list[tuple[date, date]]:
    """Return when as many statements in a row are billed and due, the first billed after a date."""
    if plan.bill_day is None or plan.due_day is None:
        raise InvariantBrokenError("statements are asked of a plan that has none")
    dates, billed_on = [], after
    for _ in range(number):
        billed_on = next_day_of_month(billed_on, plan.bill_day)
        dates.append((billed_on, next_day_of_month(days_after(billed_on, -1), plan.due_day)))
    return dates


def obligations_of(draft: Draft, order: Order) -> list[Obligation]:
    """All obligations of an order, paid or not, in the order they are paid."""
    found = [draft.get(Obligation, obligation_id) for obligation_id in order.obligation_ids]
    return sorted(found, key=lambda obligation: (obligation.due_on, obligation.no))


def shares(amount_minor: int, parts: int) -> list[int]:
    """Split an amount into equal parts rounded down; the remainder goes to the first."""
    part_minor, rest_minor = divmod(amount_minor, parts)
    return [part_minor + rest_minor] + [part_minor] * (parts - 1)


def left_minor(order: Order) -> int:
    """What was neither sent back of an order nor taken off by a discount."""
    return order.amount_minor - order.returned_minor - order.credited_minor


def is_under_return(draft: Draft, obligation: Obligation) -> bool:
    """Tell whether a return of its order is open."""
    return obligation.order_id is not None and bool(draft.get(Order, obligation.order_id).open_return_ids)


def restate_orders(draft: Draft, order_ids: Iterable[str]) -> None:
    """Bring captured orders in line with their obligations: something overdue, something to pay, or nothing left to."""
    for order_id in order_ids:
        order = draft.get(Order, order_id)
        if order.status not in {OrderStatus.OWED, OrderStatus.OVERDUE, OrderStatus.SETTLED}:
            continue
        status: OrderStatus = order.status
        open_ones = [each for each in obligations_of(draft, order) if each.open_minor]
        is_overdue = any(each.status is ObligationStatus.OVERDUE for each in open_ones)
        if not open_ones:
            status = status if status is OrderStatus.SETTLED else ORDER.after(status, "nothing left to pay")
        else:
            if status is OrderStatus.SETTLED:
                status = ORDER.after(status, "payment reversed")
            if is_overdue and status is OrderStatus.OWED:
                status = ORDER.after(status, "fell overdue")
            elif not is_overdue and status is OrderStatus.OVERDUE:
                status = ORDER.after(status, "nothing overdue")
        if status is not order.status:
            draft.put(revised(order, status=status))
