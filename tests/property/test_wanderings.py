"""The model by itself: nothing is left alone in any life, and every newer rule takes effect in some."""

from collections import Counter
from datetime import timedelta
from itertools import count
from random import Random

from tests.property.firings import RULES, firings_of
from tests.property.lives import DAYS, STATEMENT, Life
from tests.property.model.facts import credit, owed_in_all
from tests.property.model.invariants import check_account
from tests.property.model.model import Model
from tests.property.standing import model_state
from tests.property.wanderings import Wanderer

LIVES = 120


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
    print(sorted(fired.items()))


def test_however_late_money_is_told_it_comes_to_the_same():
    """The balances are those of the occurred_at order, down to the last penalty."""
    for seed in range(60):
        dice = Random(seed)
        payments = sorted(
            ((dice.randrange(40 * 24), dice.choice((1_000, 9_999, 30_000, 45_000))) for _ in range(4)),
        )
        told_late = list(payments)
        dice.shuffle(told_late)
        came_to = []
        for order in (payments, told_late):
            life = Life()
            life.open("taobao")
            life.buy(40_000)
            life.buy(60_000, STATEMENT, "02-20 11:00", "o2")
            for hours, amount in order:
                when = (life_begins := "03-01 10:00") and timedelta(hours=hours)
                life.repay(moved(life_begins, when), amount)
            life.tick("04-20 10:00")
            out = sum(amount for amount, _ in life.paid_out())
            came_to.append((owed_in_all(life.account), life.penalties, credit(life.account), out))
        assert came_to[0] == came_to[1], f"seed {seed}: {payments} told as {told_late}"


def moved(when: str, by: timedelta) -> str:
    from tests.property.lives import at

    return (at(when) + by).strftime("%m-%d %H:%M")
