"""What buyers pay before it is due."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from demo.account import BuyerAccount, rounded_up
from demo.habits import ArrivedOrder
from demo.record import Record


def early(account: BuyerAccount, order: ArrivedOrder, paid_at: datetime) -> Record:
    """The order alone, or some round sum that may be more than is owed."""
    repayment_id = order.order_id.replace("ord", "rep")
    if account.dice.chance(0.25):
        return account.repayment(repayment_id, paid_at, rounded_up(order.amount_minor, 10_000))
    return account.repayment(repayment_id, paid_at, order.amount_minor, purpose="order", order_id=order.order_id)


def payoff(account: BuyerAccount, orders: Sequence[ArrivedOrder]) -> Iterator[Record]:
    """All instalments at once, by the buyer's own sum: the orders of late, without fees, and what was paid of them."""
    if not account.dice.chance(0.12):
        return
    paid_at = account.dice.moment_of(account.quarter.start + account.dice.days(15, account.quarter.days))
    bought = [order for order in orders if order.received_at < paid_at and order.plan["kind"] == "instalment"]
    if bought:
        yield account.repayment(
            account.id_of("payoff", 1), paid_at, sum(each.amount_minor for each in bought), purpose="payoff"
        )
