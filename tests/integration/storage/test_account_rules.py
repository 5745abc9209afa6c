"""Every rule of accounts finds in Postgres what it needs: a story settled there ends as it does in memory."""

from collections.abc import Callable
from datetime import date

import pytest

from settlement.entities import Account, Debit, Obligation, Order, Repayment, Return
from settlement.messages import (
    CardUnlinked,
    CloseRequested,
    ExtensionRequested,
    PurchaseReceived,
    RepaymentFailed,
    ReturnWithdrawn,
)
from storage.load import Wanted
from tests.unit.settlement.builders import (
    BUYER,
    Lane,
    at,
    complained,
    in_instalments,
    intact,
    lowered,
    opened,
    placed,
    repaid,
    returned,
    reviewed,
)


def failed(due_on: date) -> Callable[[Lane], RepaymentFailed]:
    """The debit requested for a date fails, retryably."""
    return lambda lane: RepaymentFailed(lane.requested_for(due_on).debit_id, "no funds", retryable=True)


STORIES = {
    "a lowered, extended trial with a complaint": [
        ("2026-01-01", opened()),
        ("2026-01-02", placed(amount_minor=10_000)),
        ("2026-01-03", placed("other", 5_000)),
        ("2026-01-03", CardUnlinked()),
        ("2026-01-04", lowered(8_000)),
        ("2026-01-05", PurchaseReceived("order")),
        ("2026-01-05", PurchaseReceived("other")),
        ("2026-01-06", ExtensionRequested("order", 7)),
        ("2026-01-07", complained(3_000)),
        ("2026-01-08", complained(1_000, "kept")),
        ("2026-01-09", intact()),
        ("2026-01-10", reviewed("approved")),
        ("2026-01-11", ReturnWithdrawn("kept")),
        ("2026-01-19 00:00", None),
        ("2026-01-19 01:00", failed(date(2026, 1, 19))),
        ("2026-01-19 02:00", lowered(7_000)),
        ("2026-01-20 01:00", repaid(1_000)),
    ],
    "two instalment orders, a return and payments": [
        ("2026-01-01", opened("taobao")),
        ("2026-01-02", in_instalments(amount_minor=10_000, periods=12)),
        ("2026-01-02", in_instalments("other", 5_000)),
        ("2026-01-05", PurchaseReceived("order")),
        ("2026-01-05", PurchaseReceived("other")),
        ("2026-01-06", repaid(1_000)),
        ("2026-01-07", returned(4_000)),
        ("2026-01-08", intact()),
        ("2026-01-09", lowered(4_500, "other")),
        ("2026-02-10 00:00", None),
        ("2026-02-10 01:00", failed(date(2026, 2, 10))),
        ("2026-02-11 00:00", None),
        ("2026-02-12", CloseRequested()),
        ("2026-02-12", repaid(20_000, "everything", purpose="payoff")),
        ("2026-02-13", CloseRequested()),
    ],
}
"""What is sent when, in Shanghai; None only lets time pass, and a function makes a message of what came before."""

KINDS = (Account, Order, Obligation, Debit, Return, Repayment)


@pytest.mark.parametrize("story", STORIES)
async def test_a_story_settled_in_postgres_ends_as_it_does_in_memory(story, lane):
    memory = Lane()
    names = {kind: set() for kind in KINDS}
    for number, (when, told) in enumerate(STORIES[story]):
        if told is None:
            memory.tick(when)
            await lane.settle(until=at(when))
        else:
            body = told(memory) if callable(told) else told
            sent = lane.message(body, BUYER, f"event-{number}", at(when))
            memory.settle(sent)
            await lane.settle([sent])
        for kind in KINDS:
            names[kind] |= {each.entity_id for each in memory.states[BUYER].each(kind)}
    named = {(kind, each) for kind in KINDS for each in names[kind]}
    state = (await lane.read(Wanted(parties={BUYER}, entities={BUYER: named})))[BUYER]
    for kind in KINDS:
        found = {each.entity_id: each for each in state.each(kind)}
        assert found == {each.entity_id: each for each in memory.states[BUYER].each(kind)}
