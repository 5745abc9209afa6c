"""Schedules of obligations: what a captured order makes the buyer owe, and when. Source: docs/rules.md, Schedules."""

from collections.abc import Iterable
from datetime import date

from settlement.draft import Draft
from settlement.entities import Obligation, ObligationStatus, Order, OrderStatus
from settlement.ledger import LedgerAccount
from settlement.revision import revised
from settlement.states import ORDER


def capture(draft: Draft, order: Order, due_on: date) -> Order:
    """Turn what an order holds into what the buyer owes: held → used, and the merchant's claim.

    Returns:
        The order, captured.
    """
    captured_minor = order.amount_minor - order.returned_minor
    currency = draft.currency
    obligation = Obligation(
        account_id=order.account_id,
        obligation_id=draft.new_id(),
        no=draft.next_no(),
        order_id=order.order_id,
        due_on=due_on,
        status=ObligationStatus.OPEN,
        principal_minor=captured_minor,
        fee_minor=0,
        penalty_minor=0,
        paid_principal_minor=0,
        paid_fee_minor=0,
        paid_penalty_minor=0,
        debit_id=None,
    )
    draft.put(obligation)
    draft.post(LedgerAccount.LIMIT_USED, LedgerAccount.LIMIT_HELD, captured_minor, currency)
    draft.post(LedgerAccount.RECEIVABLE, LedgerAccount.MERCHANT_TRANSIT, captured_minor, currency)
    draft.hand_to_merchant(order.merchant_id, payable_minor=captured_minor)
    captured = revised(
        order,
        status=ORDER.after(order.status, "captured"),
        captured_at=draft.moment.now,
        due_on=due_on,
        obligation_ids=(obligation.obligation_id,),
    )
    draft.put(captured)
    return captured


def obligations_of(draft: Draft, order: Order) -> list[Obligation]:
    """All obligations of an order, paid or not, in the order they are paid."""
    found = [draft.get(Obligation, obligation_id) for obligation_id in order.obligation_ids]
    return sorted(found, key=lambda obligation: (obligation.due_on, obligation.no))


def shares(amount_minor: int, parts: int) -> list[int]:
    """Split an amount into equal parts rounded down; the remainder goes to the first."""
    part_minor, rest_minor = divmod(amount_minor, parts)
    return [part_minor + rest_minor] + [part_minor] * (parts - 1)


def settle_orders(draft: Draft, order_ids: Iterable[str]) -> None:
    """Note of each order whether nothing is left to pay of it."""
    for order_id in order_ids:
        order = draft.get(Order, order_id)
        unpaid = any(obligation.open_minor for obligation in obligations_of(draft, order))
        if order.status is OrderStatus.OWED and not unpaid:
            draft.put(revised(order, status=ORDER.after(order.status, "nothing left to pay")))
