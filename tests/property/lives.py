"""Small hand-made lives for the model: messages told one after the other, and what has come of them."""

from datetime import datetime
from itertools import count

from settlement.entities import PlanKind
from settlement.messages import (
    Body,
    ClockTicked,
    CreditLineOpened,
    Input,
    Plan,
    PurchasePlaced,
    PurchaseReceived,
    RepaymentFailed,
    RepaymentReceived,
    RepaymentReversed,
)
from settlement.party import Party, PartyKind
from tests.property.lane import WORKING_DAYS
from tests.property.model.facts import Facts, penalty_of_all
from tests.property.model.model import Model
from tests.property.tellers.teller import OF_NO_PARTY, ZONE, message_of

DAYS = frozenset().union(*WORKING_DAYS.values())
STATEMENT = Plan(PlanKind.STATEMENT)


def at(text: str) -> datetime:
    """`03-10 09:00` of 2026 in Shanghai."""
    return datetime.strptime(f"2026-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=ZONE)


class Life:
    """One account's, or several parties', told to a model of its own."""

    def __init__(self) -> None:
        numbers = count(1)
        self.model = Model(DAYS, lambda _: f"d{next(numbers)}")
        self.party = Party(PartyKind.ACCOUNT, "a1")
        self.told = 0
        self.repaid = 0

    def say(self, when: str, body: Body, party: Party | None = None) -> tuple[str, str | None]:
        """Tell one message, and hear what became of it."""
        whom = None if isinstance(body, OF_NO_PARTY) else party or self.party
        self.told += 1
        message = message_of(body, whom, at(when), f"e{self.told}", self.told)
        self.hear(message)
        outcomes = [each["verdict"] for each in self.model.verdicts if each["input"] is message]
        return outcomes[-1] if outcomes else ("parked", None)

    def hear(self, message: Input) -> None:
        self.model.receive(message)

    def tick(self, when: str) -> None:
        self.say(when, ClockTicked())

    def open(self, programme: str, when: str = "02-20 09:00", limit: int = 1_000_000) -> None:
        line = CreditLineOpened(programme, limit, "CNY", 800, card_linked=True, identity_verified=True)
        assert self.say(when, line) == ("applied", None)

    def buy(self, amount: int, plan: Plan = STATEMENT, when: str = "02-20 10:00", order_id: str = "o1") -> None:
        placed = PurchasePlaced(order_id, "m1", amount, "CNY", plan, item_eligible=True, item_plans=None)
        assert self.say(when, placed) == ("applied", None)
        assert self.say(when, PurchaseReceived(order_id)) == ("applied", None)

    def repay(self, when: str, amount: int, *, debit: str | None = None, order: str | None = None) -> str:
        """Of a debit, of an order, or of the account. Returns the repayment's id."""
        self.repaid += 1
        name = f"r{self.repaid}"
        purpose = "order" if order else "account"
        self.say(when, RepaymentReceived(name, amount, "CNY", purpose, order, debit, "manual"))
        return name

    def fail(self, when: str, debit: str, *, retryable: bool = False) -> None:
        assert self.say(when, RepaymentFailed(debit, "no money", retryable)) == ("applied", None)

    def reverse(self, when: str, repayment: str) -> None:
        assert self.say(when, RepaymentReversed(repayment, "bounced")) == ("applied", None)

    # What has come of it.

    @property
    def account(self) -> Facts:
        return self.model.parties[self.party]

    @property
    def penalties(self) -> int:
        return penalty_of_all(self.account)

    def verdict_of(self, body: type) -> tuple[str, str | None]:
        return next(each["verdict"] for each in self.model.verdicts[::-1] if isinstance(each["input"].body, body))

    def sent(self, what: str) -> list[tuple]:
        """Outputs of a type, or notices of a template: their time and their fields."""
        return [
            (instant.astimezone(ZONE), *fields)
            for _, (instant, kind, *fields) in self.model.outputs
            if kind == what or (kind == "notification.requested" and fields[0] == what)
        ]

    def debits(self) -> list[tuple]:
        """(id, amount, due date, attempt, reason, status) of every one, in order of request."""
        return [
            (each["debit_id"], each["amount"], each["due_on"].isoformat(), each["attempt"], each["reason"], state(each))
            for each in self.account["debits"]
        ]

    def paid_out(self) -> list[tuple[int, str]]:
        return [(each["request"]["amount"], each["request"]["reason"]) for each in self.account["payouts"].values()]


def state(debit: Facts) -> str:
    return "unanswered" if debit["unanswered"] and debit["status"] == "requested" else debit["status"]
