"""People are told of an account what its story says."""

from datetime import date

import pytest

from cli.output import people
from storage.stories.account import AccountStory, CashOutStory, ObligationStory, OwedStory
from words.account import tell


def obligation(obligation_id: str, due_on: date, **given) -> ObligationStory:
    fields = {"principal_minor": 70_000, "fee_minor": 0, "penalty_minor": 0, "paid_minor": 0, "status": "open"}
    return ObligationStory(obligation_id=obligation_id, due_on=due_on, **fields | given)


def told(capsys, **given) -> list[str]:
    """The story of an account that owes nothing unless told otherwise, line by line, with single spaces."""
    fields = {
        "account_id": "a-1",
        "programme": "taobao",
        "status": "active",
        "freeze_reasons": (),
        "currency": "CNY",
        "score": None,
        "limit_minor": 500_000,
        "granted_minor": 500_000,
        "available_minor": 500_000,
        "held_minor": 0,
        "used_minor": 0,
        "customer_credit_minor": 0,
        "payoff_minor": 0,
        "charged_off_minor": 0,
        "owed": OwedStory(principal_minor=0, fee_minor=0, penalty_minor=0),
        **dict.fromkeys(("orders", "returns", "debits", "payouts", "cash_outs", "other_obligations", "history"), ()),
    }
    people().print(*tell(AccountStory(**fields | given)), sep="\n")
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_what_is_owed_for_cash_outs_and_for_nothing_bought_is_listed_with_the_orders(capsys):
    lines = told(
        capsys,
        cash_outs=(
            CashOutStory(
                cash_out_id="co-1",
                amount_minor=70_000,
                obligations=(obligation("o-2", date(2026, 3, 10), penalty_minor=35, status="overdue"),),
            ),
        ),
        other_obligations=(obligation("o-3", date(2026, 2, 2), paid_minor=100),),
    )
    found = [line for line in lines if line.startswith("2026-")]
    assert found == [
        "2026-02-02 other 700.00 CNY 0.00 CNY 0.00 CNY 1.00 CNY open",
        "2026-03-10 cash-out co-1 700.00 CNY 0.00 CNY 0.35 CNY 0.00 CNY overdue",
    ]


def test_what_was_charged_off_is_told_before_the_credit(capsys):
    lines = told(capsys, charged_off_minor=100_800, customer_credit_minor=1)
    assert "It owes nothing. 1,008.00 CNY was charged off. It has 0.01 CNY of credit with us." in lines


@pytest.mark.parametrize(
    ("limit_minor", "ending"),
    [(500_000, "0.00 CNY is used."), (120_050, "0.00 CNY is used. 3,799.50 CNY more is granted, but reclaimed.")],
)
def test_limit_that_is_reclaimed_is_told(capsys, limit_minor, ending):
    (line,) = [line for line in told(capsys, limit_minor=limit_minor) if line.startswith("Of its limit")]
    assert line.endswith(ending)
