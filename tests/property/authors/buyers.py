"""Stories of an account."""

from random import Random

from settlement.entities import Account, Debit, Obligation, Order, PlanKind, Return
from settlement.messages import (
    CreditLineOpened,
    IdentityVerified,
    LimitChanged,
    ParcelInspected,
    Plan,
    PurchaseCancelled,
    PurchaseKept,
    PurchasePlaced,
    PurchaseReceived,
    RepaymentFailed,
    RepaymentReceived,
    ReturnRequested,
    ScoreChanged,
)
from settlement.party import Party
from settlement.statuses import DebitStatus, OrderStatus
from tests.property.authors.author import Author

PROGRAMMES = {
    Plan(PlanKind.TRIAL, 7): "tmall",
    Plan(PlanKind.DEFERRED, 30): "kuaishou",
    Plan(PlanKind.STATEMENT): "taobao",
}
"""A plan of each programme whose orders cost no fee."""


class BuyerAuthor(Author):
    """Tells a story of orders of one plan."""

    def __init__(self, dice: Random, party: Party) -> None:
        super().__init__(dice, party)
        self.plan = dice.choice(tuple(PROGRAMMES))
        self.trial = self.plan.kind is PlanKind.TRIAL
        self.has_bills = self.plan.kind is PlanKind.STATEMENT

    def begin(self) -> None:
        programme = PROGRAMMES[self.plan]
        self.say(CreditLineOpened(programme, 10**6, "CNY", 700, card_linked=True, identity_verified=False))
        for _ in range(self.dice.randint(1, 4)):
            self.order()
        for body in (LimitChanged(2 * 10**6, "CNY", "review"), ScoreChanged(800), IdentityVerified()):
            if self.dice.random() < 0.5:
                self.say(body)
        for order in self.orders():
            self.live(order)

    def go_on(self) -> None:
        """A later phase: debits are answered; either returns and receipts change debts, or money comes in freely."""
        if self.answerable() and self.dice.random() < 0.5:
            self.hear_of_payouts(may_fail=not self.has_bills)
            return
        has_credit = any(account.customer_credit_minor for account in self.lane.rows(self.party, Account))
        freely = not self.has_bills and (has_credit or self.dice.random() < 0.5)
        asked = {obligation_id for debit in self.requested() for obligation_id in debit.obligation_ids}
        owed = self.lane.rows(self.party, Obligation)
        being_debited = {each.order_id for each in owed if each.obligation_id in asked}
        for debit in self.requested():
            if self.dice.random() < 0.7:
                self.answer(debit, in_part=freely, beyond=freely)
        if freely:
            for _ in range(self.dice.randint(0, 3)):
                self.repay()
            return
        for order in self.orders():
            if order.order_id not in being_debited and self.dice.random() < 0.4:
                self.live(order)

    def order(self) -> None:
        name = f"o{len(self.orders()) + 1}"
        merchant_id = self.dice.choice(("m1", "m2"))
        self.say(PurchasePlaced(name, merchant_id, self.dice.randint(2, 9) * 100, "CNY", self.plan, True, None))

    def live(self, order: Order) -> None:
        """What may happen to an order within a phase."""
        kept = order.kept_at is not None
        if order.status is OrderStatus.HELD and order.received_at is None:
            if self.dice.random() < 0.2:
                self.say(PurchaseCancelled(order.order_id, "changed"))
                return
            self.say(PurchaseReceived(order.order_id))
            kept = self.trial and self.dice.random() < 0.4
            if kept:
                self.say(PurchaseKept(order.order_id))
                for debit in self.requested():
                    if debit.reason == "kept" and self.dice.random() < 0.6:
                        self.answer(debit, in_part=True, beyond=False)
        sent_back_before = any(each.order_id == order.order_id for each in self.lane.rows(self.party, Return))
        if not kept and not sent_back_before and self.dice.random() < 0.5:
            for _ in range(self.dice.choice((1, 1, 2))):
                self.send_back(self.lane.tables[self.party].entities[Order][order.order_id])

    def send_back(self, order: Order) -> None:
        left = order.amount_minor - order.returned_minor - order.under_return_minor
        if left < 2:
            return
        return_id = f"r{self.made}"
        amount = self.dice.choice((left, left // 2))
        self.say(ReturnRequested(return_id, order.order_id, amount, "CNY", "other", (), None))
        waits = self.trial and self.dice.random() < 0.2
        if PROGRAMMES[self.plan] != "kuaishou" and not waits:
            if self.dice.random() < 0.6:
                self.say(ParcelInspected(return_id, "intact", (), (), "courier"))
            else:
                self.say(ParcelInspected(return_id, "damaged", ("water",), ("https://photo/1",), "courier"))

    def answer(self, debit: Debit, *, in_part: bool, beyond: bool) -> None:
        if self.dice.random() < 0.4:
            self.say(RepaymentFailed(debit.debit_id, "no money", retryable=self.dice.random() < 0.7))
            return
        amount = debit.amount_minor
        if in_part:
            amount = self.dice.choice((amount, max(amount // 2, 1)))
        if beyond:
            amount += self.dice.choice((0, 0, 50))
        name = f"p{self.made}"
        self.say(RepaymentReceived(name, amount, "CNY", "account", None, debit.debit_id, "auto_debit"))

    def repay(self) -> None:
        owed = sum(each.open_minor for each in self.lane.rows(self.party, Obligation))
        orders = [order.order_id for order in self.orders()]
        order_id = self.dice.choice([None, *orders])
        purpose = "account" if order_id is None else "order"
        amount = self.dice.choice((max(owed, 1), max(owed // 3, 1), owed + 70))
        self.say(RepaymentReceived(f"p{self.made}", amount, "CNY", purpose, order_id, None, "manual"))

    def orders(self) -> list[Order]:
        return sorted(self.lane.rows(self.party, Order), key=lambda order: order.no)

    def requested(self) -> list[Debit]:
        """Debits to answer."""
        debits = self.lane.rows(self.party, Debit)
        return [debit for debit in debits if debit.status is DebitStatus.REQUESTED and debit.attempt == 1]
