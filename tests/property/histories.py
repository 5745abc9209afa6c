"""Random histories, small but nasty: few ids, so that messages collide, repeat, contradict and come in any order.

A history is a plain list of inputs in arrival order. While one is drawn the core settles it along, because messages
answer debits, and a debit's id is known only once it was requested; what is drawn next also looks at what there is, so
that most steps mean something. Times step over every kind of deadline: to the instant of the next timer, a second
before it, a second after it, over many at once, and back into the past.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from random import Random

from hypothesis import strategies as st

from settlement.messages import Body, DepositPaid, Input, MerchantRegistered, TermsPublished
from settlement.party import Party, PartyKind
from tests.property.lane import BREAKS
from tests.property.tellers.operators import OperatorTeller
from tests.property.tellers.programmes import WITH_NIPPON
from tests.property.tellers.sellers import SellerTeller

ACCOUNTS = (Party(PartyKind.ACCOUNT, "a1"), Party(PartyKind.ACCOUNT, "a2"))
MERCHANTS = (Party(PartyKind.MERCHANT, "m1"), Party(PartyKind.MERCHANT, "m2"))
BUYER, SELLER, ALL = (ACCOUNTS[0],), (MERCHANTS[0],), (*ACCOUNTS, MERCHANTS[0])
CASTS = (BUYER, BUYER, BUYER, BUYER, SELLER, SELLER, ALL)
"""Who takes part. Parties are settled apart from each other, so one alone is searched deepest."""


def histories(casts: Sequence[Sequence[Party]] = CASTS, longest: int = 50) -> st.SearchStrategy[list[Input]]:
    """Histories of one to three parties, from a few messages to `longest` and the opening ones.

    Evenly random rather than drawn choice by choice: Hypothesis likes extremes, and most of its messages would name
    what there is not. What breaks is shortened by `shortest`.
    """
    return st.builds(lambda dice: history_of(dice, casts, longest), st.randoms(use_true_random=True))


def history_of(
    dice: Random, casts: Sequence[Sequence[Party]] = CASTS, longest: int = 50, shortest: int = 3
) -> list[Input]:
    """Make up one history of `shortest` to `longest` messages, after those it opens with.

    One by which the core breaks while it is drawn ends there: checking it breaks the core again, and shortens it.
    """
    teller = HistoryTeller(dice, dice.choice(casts))
    with suppress(*BREAKS):
        teller.open()
        for _ in range(dice.randint(shortest, longest)):
            teller.tell()
    return teller.history


class HistoryTeller(OperatorTeller, SellerTeller):
    """Makes up messages of buyers, sellers and operators."""

    def open(self) -> None:
        """Mostly begin with what a history needs to get anywhere."""
        for party in self.cast:
            if not self.chance(9):
                continue
            if party.kind is PartyKind.ACCOUNT:
                self.open_line(party)
            else:
                self.join(party)

    def open_line(self, party: Party) -> None:
        if self.dice.randrange(12) == 0:
            self.send(TermsPublished(WITH_NIPPON), party)
        self.send(self.line(), party)
        if self.programme_of(party) == "taobao" and self.chance(6):
            self.send(self.cashing_out(party), party)
        if self.programme_of(party) == "douyin" and self.chance(4):
            self.take_back_a_bill(party)
        if self.chance(6):
            self.fill_a_basket(party)
            if self.chance(3):
                self.send(self.repaying(party), party)

    def join(self, party: Party) -> None:
        """Often only after its first sales, and told late."""
        registering: Body = MerchantRegistered("CNY", 7)
        registered_at = self.now
        if self.chance(3):
            self.send(self.activity(party), party)
            self.send(self.activity(party), party)
            registered_at = self.when_told(registering, party, self.now)
        self.send(registering, party, registered_at)
        if self.chance(8):
            self.send(DepositPaid("d1", 500, "CNY", self.one("alipay", "wechat")), party)
            if self.chance(5):
                self.send(DepositPaid("d2", 300, "CNY", self.one("wechat", "bank")), party)

    def when_told(self, body: Body, party: Party, occurred_at: datetime) -> datetime:
        of_merchant = party.kind is PartyKind.MERCHANT
        tell = self.when_told_of_merchant if of_merchant else self.when_told_of_account
        return tell(body, party, occurred_at)

    def about(self, party: Party) -> Body:
        steps = self.merchant_steps(party) if party.kind is PartyKind.MERCHANT else self.account_steps(party)
        return self.by_temper(steps, lambda step: step.__name__)(party)
