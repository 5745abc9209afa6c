"""Which story is worth being told."""

from dataclasses import replace
from datetime import UTC, date, datetime

from demo.story import eventfulness
from storage.stories.account import AccountStory, ObligationStory, OrderStory, OwedStory, PlanStory
from storage.stories.party import HistoryStory

NOW = datetime(2026, 5, 6, 16, tzinfo=UTC)
PART = ObligationStory(
    obligation_id="p",
    due_on=date(2026, 5, 1),
    principal_minor=100,
    fee_minor=0,
    penalty_minor=0,
    paid_minor=100,
    status="paid",
)
ORDER = OrderStory(
    order_id="o",
    merchant_id="m",
    plan=PlanStory(kind="statement"),
    status="settled",
    amount_minor=100,
    returned_minor=0,
    credited_minor=0,
    placed_at=NOW,
    obligations=(PART,),
)
STORY = AccountStory(
    account_id="a",
    programme="taobao",
    status="active",
    freeze_reasons=(),
    currency="CNY",
    score=None,
    limit_minor=1,
    granted_minor=1,
    available_minor=1,
    held_minor=0,
    used_minor=0,
    customer_credit_minor=0,
    payoff_minor=0,
    charged_off_minor=0,
    owed=OwedStory(principal_minor=0, fee_minor=0, penalty_minor=0),
    orders=(ORDER,),
    returns=(),
    debits=(),
    payouts=(),
    cash_outs=(),
    other_obligations=(),
    history=(),
)


def test_the_way_back_from_overdue_makes_a_story_eventful():
    overdue = replace(STORY, orders=(replace(ORDER, obligations=(replace(PART, penalty_minor=3),)),))
    assert eventfulness(overdue) > eventfulness(replace(overdue, status="frozen"))
    assert eventfulness(overdue) > eventfulness(STORY)


def test_a_story_too_long_to_be_read_counts_less():
    step = HistoryStory(
        decided_at=NOW, topic="purchase", event_id="e", type="purchase.placed", outcome="applied", reason=None
    )
    assert eventfulness(replace(STORY, history=(step,) * 80)) < eventfulness(replace(STORY, history=(step,) * 20))
