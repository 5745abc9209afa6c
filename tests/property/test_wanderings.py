"""The model by itself: nothing is left alone in any life, and every newer rule takes effect in some."""

from collections import Counter
from datetime import timedelta
from itertools import count
from random import Random

from tests.property.firings import firings_of
from tests.property.lives import DAYS, STATEMENT, Life, at
from tests.property.model.facts import credit, owed_in_all
from tests.property.model.invariants import check_account
from tests.property.model.model import Model
from tests.property.standing import model_state
from tests.property.wanderings import Wanderer

LIVES = 80
REACHED = (
    "by itself: asked for again at the next 00:00",
    "by itself: asked for in vain, again by a card",
    "by itself: asked for in vain, again on a due day",
    "by itself: asked for in vain, again on request",
    "by itself: debit succeeds though cancelled",
    "by itself: debit succeeds though unanswered",
    "by itself: late money, later money placed again",
    "by itself: late penalties undone in part",
    "by itself: money of an unknown account",
    "by itself: money with an unknown reference",
    "by itself: paid penalty goes out with a credit",
    "by itself: recovered",
    "by itself: rescheduled debt missed, all of it due",
    "by itself: suspense released",
    "DebtChargedOff: applied",
    "PenaltyWaived: applied",
    "RepaymentReinstated: applied",
)


def wander(seed: int, messages: int = 40) -> Model:
    numbers = count(1)
    model = Model(DAYS, lambda _: f"n{next(numbers)}")

    def look() -> None:
        for party, known in model.parties.items():
            check_account(known, model.lane_time)
            model_state(model, party)

    Wanderer(Random(seed), model, look).wander(messages)
    return model


def test_nothing_is_left_alone_in_any_life():
    fired: Counter[str] = Counter()
    for seed in range(LIVES):
        fired.update(firings_of(wander(seed)))
    assert {*REACHED} <= fired.keys()


def test_however_late_money_is_told_it_comes_to_the_same():
    """The balances are those of the occurred_at order, down to the last penalty."""
    for seed in range(40):
        dice = Random(seed)
        drawn = [(dice.randrange(40 * 24), dice.choice((1_000, 9_999, 30_000, 45_000))) for _ in range(4)]
        told_late, in_time = list(drawn), sorted(drawn)
        assert come_to(in_time) == come_to(told_late), f"seed {seed}: {in_time} told as {told_late}"


def come_to(payments: list[tuple[int, int]]) -> tuple[int, int, int, int]:
    """What is owed, penalties, credit and what was paid out after payments of (hours since the bill, amount)."""
    life = Life()
    life.open("taobao")
    life.buy(40_000)
    life.buy(60_000, STATEMENT, "02-20 11:00", "o2")
    for hours, amount in payments:
        life.repay((at("03-01 10:00") + timedelta(hours=hours)).strftime("%m-%d %H:%M"), amount)
    life.tick("04-20 10:00")
    out = sum(amount for amount, _ in life.paid_out())
    return owed_in_all(life.account), life.penalties, credit(life.account), out
