"""Random lives of the model alone, drawn while it lives them: it stands by itself, whatever the core makes of them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

from settlement.entities import PlanKind
from settlement.messages import (
    AmountLowered,
    BillInstalmentRequested,
    Body,
    CardLinked,
    CashOutRequested,
    ClockTicked,
    CreditLineOpened,
    DebitRequested,
    DebtChargedOff,
    DebtRescheduled,
    ParcelInspected,
    PayoutFailed,
    PenaltyWaived,
    Plan,
    PurchaseCancelled,
    PurchaseCredited,
    PurchasePlaced,
    PurchaseReceived,
    RepaymentFailed,
    RepaymentReceived,
    RepaymentReinstated,
    RepaymentReversed,
    ReturnRequested,
    ReturnReviewed,
    SuspenseReleased,
)
from settlement.party import Party, PartyKind
from tests.property.model.facts import Facts, open_amount, owed_in_all
from tests.property.model.model import Model
from tests.property.tellers.teller import START, message_of

PLANS = {
    "kuaishou": [Plan(PlanKind.DEFERRED, 30)],
    "taobao": [Plan(PlanKind.STATEMENT), Plan(PlanKind.INSTALMENT, None, 3)],
    "douyin": [Plan(PlanKind.STATEMENT), Plan(PlanKind.INSTALMENT, None, 3)],
    "tmall": [Plan(PlanKind.TRIAL, 7)],
}


class Wanderer:
    """Draws one life.

    Args:
        heard: what to do after each message.
    """

    def __init__(self, dice: Random, model: Model, heard: Callable[[], None]) -> None:
        self.dice, self.model, self.heard = dice, model, heard
        self.party = Party(PartyKind.ACCOUNT, "a1")
        self.now, self.told = START, 0
        self.programme = dice.choice([*PLANS])

    def wander(self, messages: int) -> None:
        line = CreditLineOpened(self.programme, 10**7, "CNY", 800, card_linked=True, identity_verified=True)
        if self.dice.random() < 0.95:
            self.say(line, self.now)
        for number in range(messages):
            self.now += self.dice.choice((timedelta(hours=1), timedelta(hours=9), timedelta(days=1), timedelta(days=6)))
            late = self.dice.choice((0, 0, 0, 0, 5, 30, 80, 200))
            self.say(self._draw(f"{number}"), self.now - timedelta(hours=late))
        self.say(ClockTicked(), self.now + timedelta(days=20))

    def say(self, body: Body, at: datetime) -> None:
        party = None if isinstance(body, ClockTicked) else self.party
        self.told += 1
        self.model.receive(message_of(body, party, at, f"e{self.told}", self.told))
        self.heard()

    def _draw(self, name: str) -> Body:
        account = self.model.parties.get(self.party)
        if account is None:
            return self._of_nobody(name)
        if not account["orders"] or self.dice.random() < 0.08:
            amount = self.dice.choice((100, 999, 40_000, 3))
            plan = self.dice.choice(PLANS[self.programme])
            return PurchasePlaced(f"o{name}", "m1", amount, "CNY", plan, item_eligible=True, item_plans=None)
        draws = (self._of_orders, self._of_money, self._of_money, self._of_debits, self._of_hardship)
        return self.dice.choice(draws)(account, name)

    def _of_nobody(self, name: str) -> Body:
        """Of an account that was never opened."""
        came = [*self.model.suspense.get(self.party, {})] or ["p"]
        return self.dice.choice(
            (
                RepaymentReceived(f"p{name}", 500, "CNY", "account", None, None, "manual"),
                SuspenseReleased(self.dice.choice(came), "assigned"),
                RepaymentReversed(self.dice.choice(came), "bounced"),
                ClockTicked(),
            )
        )

    def _of_orders(self, account: Facts, name: str) -> Body:
        one, order = self.dice.choice, self.dice.choice([*account["orders"].values()])
        name_of_order, amount = order["order_id"], order["amount"]
        returned = one([*account["returns"]] or ["r"])
        reason = one(("other", "quality_issue"))
        return one(
            (
                PurchaseReceived(name_of_order),
                PurchaseReceived(name_of_order),
                PurchaseReceived(name_of_order),
                PurchaseCancelled(name_of_order, "changed"),
                AmountLowered(name_of_order, max(amount // 2, 1), "CNY", "price"),
                PurchaseCredited(name_of_order, f"g{name}", max(amount // 3, 1), "CNY", "goodwill", None),
                ReturnRequested(f"r{name}", name_of_order, max(amount // one((1, 2)), 1), "CNY", reason, ("x",), None),
                ReturnReviewed(returned, one(("approved", "rejected")), "seen"),
                ParcelInspected(returned, one(("intact", "damaged")), (), ("x",), "c"),
                CashOutRequested(f"c{name}", 500, "CNY"),
            )
        )

    def _of_money(self, account: Facts, name: str) -> Body:
        one, owed = self.dice.choice, owed_in_all(account)
        amounts = [max(owed, 1), max(owed // 2, 1), owed + 50, *filter(None, map(open_amount, account["obligations"]))]
        order_id = one([None, None, *account["orders"], "typo"])
        purpose = "order" if order_id else one(("account", "payoff"))
        repaid = one([*account["repayments"]] or ["p"])
        return one(
            (
                RepaymentReceived(f"p{name}", one(amounts), "CNY", purpose, order_id, None, "manual"),
                RepaymentReceived(f"p{name}", one(amounts), "CNY", purpose, order_id, None, "manual"),
                RepaymentReversed(repaid, "bounced"),
                RepaymentReinstated(repaid, "won"),
                PayoutFailed(one([*account["payouts"]] or ["x"]), "closed"),
                SuspenseReleased(repaid, "assigned"),
            )
        )

    def _of_debits(self, account: Facts, name: str) -> Body:
        if not account["debits"]:
            return PurchaseReceived(self.dice.choice([*account["orders"]]))
        if any(owed["exhausted"] for owed in account["obligations"]) and self.dice.random() < 0.5:
            return self.dice.choice((DebitRequested(), CardLinked()))
        debit = self.dice.choice([*account["debits"][-3:], *account["debits"]])
        amount = self.dice.choice((debit["amount"], debit["amount"], max(debit["amount"] // 2, 1)))
        return self.dice.choice(
            (
                RepaymentReceived(f"p{name}", amount, "CNY", "account", None, debit["debit_id"], "auto_debit"),
                RepaymentFailed(debit["debit_id"], "no money", retryable=self.dice.random() < 0.6),
                RepaymentFailed(debit["debit_id"], "no money", retryable=False),
                DebitRequested(),
                CardLinked(),
            )
        )

    def _of_hardship(self, account: Facts, name: str) -> Body:
        due_on = self.dice.choice([owed["due_on"] for owed in account["obligations"]] or [self.now.date()])
        bodies: list[Body] = [
            PenaltyWaived(f"v{name}", self.dice.choice((None, 3)), "CNY", "ill", "chief"),
            DebtRescheduled(f"h{name}", 3, "ill", "chief"),
            BillInstalmentRequested(due_on, 3),
            ClockTicked(),
            ClockTicked(),
        ]
        if self.dice.random() < 0.1:
            bodies.append(DebtChargedOff(f"c{name}", "gone", "chief"))
        return self.dice.choice(bodies)
