"""Every rule of merchants finds in Postgres what it needs: a story settled there ends as it does in memory."""

from collections.abc import Callable

import pytest

from settlement.entities import (
    CaseKind,
    Deposit,
    DepositRefund,
    Merchant,
    MerchantBalance,
    MerchantCase,
    MerchantPayout,
    ShopWithdrawal,
)
from settlement.messages import (
    Body,
    CaseClosed,
    CaseOpened,
    DepositRefundReviewed,
    DepositRefundWithdrawn,
    MerchantActivity,
    MerchantRegistered,
    PayoutFailed,
    PayoutSucceeded,
    SettlementCycleChanged,
    ShopWithdrawalRequested,
)
from settlement.statuses import PayoutStatus
from storage.audit import audit
from storage.load import ReadSet
from tests.unit.settlement.builders import SHOP, Lane, at, deposited, refund_asked


def of_payout(answer: Callable[[str], Body]) -> Callable[[Lane], Body]:
    """What is told of the payout that is open."""

    def told(lane: Lane) -> Body:
        payouts = lane.states[SHOP].each(MerchantPayout)
        (payout,) = [each for each in payouts if each.status is PayoutStatus.REQUESTED]
        return answer(payout.payout_id)

    return told


SUCCEEDED = of_payout(PayoutSucceeded)
FAILED = of_payout(lambda payout_id: PayoutFailed(payout_id, "account closed"))
APPROVED = DepositRefundReviewed("request", "approved", "fine")

STORIES = {
    "sales before the registration, settled on two cycles, once in vain": [
        ("2026-01-01", MerchantActivity("CNY", 5_000, 1)),
        ("2026-01-01", MerchantActivity("USD", 70, 0)),
        ("2026-01-10", MerchantRegistered("CNY", 7)),
        ("2026-01-17 00:00", None),
        ("2026-01-18", FAILED),
        ("2026-01-19", MerchantActivity("CNY", -1_000, -1)),
        ("2026-01-24 00:00", None),
        ("2026-01-25", SUCCEEDED),
        ("2026-01-26", MerchantActivity("CNY", -10, 0)),
        ("2026-01-27", MerchantActivity("CNY", 300, 0)),
        ("2026-01-28", SettlementCycleChanged(2)),
        ("2026-01-29", SUCCEEDED),
    ],
    "a deposit refunded in vain, and again to the shop balance": [
        ("2026-01-01", MerchantRegistered("CNY", 30)),
        ("2026-01-02", deposited()),
        ("2026-01-02", deposited("other", 9_000)),
        ("2026-01-03", CaseOpened(CaseKind.PROMOTION, "spring")),
        ("2026-01-04", refund_asked()),
        ("2026-01-05", CaseClosed(CaseKind.PROMOTION, "spring")),
        ("2026-01-06", refund_asked(amount_minor=20_000)),
        ("2026-01-07", APPROVED),
        ("2026-02-01 00:00", None),
        ("2026-02-02", FAILED),
        ("2026-02-03", refund_asked("next", refund_to="shop_balance")),
        ("2026-02-04", DepositRefundReviewed("next", "approved", "fine")),
        ("2026-02-05", ShopWithdrawalRequested("w", 60_000, "CNY")),
        ("2026-02-06", ShopWithdrawalRequested("w", 40_000, "CNY")),
        ("2026-02-07", FAILED),
        ("2026-02-08", ShopWithdrawalRequested("w", 40_000, "CNY")),
        ("2026-02-09", ShopWithdrawalRequested("again", 50_000, "CNY")),
        ("2026-02-10", SUCCEEDED),
    ],
    "requests that wait too long, and one that is withdrawn": [
        ("2026-01-01", MerchantRegistered("CNY", 30)),
        ("2026-01-02", deposited()),
        ("2026-01-02", deposited("other", 9_000)),
        ("2026-01-05", refund_asked()),
        ("2026-01-05", refund_asked("second", deposit_id="other")),
        ("2026-01-06", DepositRefundReviewed("second", "approved", "fine")),
        ("2026-01-07", DepositRefundWithdrawn("second")),
        ("2026-01-15 00:00", None),
        ("2026-02-01 00:00", None),
        ("2026-04-02 00:00", None),
        ("2026-04-03", APPROVED),
        ("2026-04-04", SUCCEEDED),
    ],
}
"""What is sent when, in Shanghai; None only lets time pass, and a function makes a message of what came before."""

KINDS = (Merchant, MerchantBalance, MerchantCase, Deposit, DepositRefund, ShopWithdrawal, MerchantPayout)


@pytest.mark.parametrize("story", STORIES)
async def test_a_story_settled_in_postgres_ends_as_it_does_in_memory(story, lane):
    memory = Lane()
    for number, (when, told) in enumerate(STORIES[story]):
        if told is None:
            memory.tick(when)
            await lane.settle(until=at(when))
        else:
            body = told(memory) if callable(told) else told
            sent = lane.message(body, SHOP, f"event-{number}", at(when))
            memory.settle(sent)
            await lane.settle([sent])
    named = {(kind, each.entity_id) for kind in KINDS for each in memory.states[SHOP].each(kind)}
    state = (await lane.read(ReadSet(parties={SHOP}, entities={SHOP: named})))[SHOP]
    for kind in KINDS:
        found = {each.entity_id: each for each in state.each(kind)}
        assert found == {each.entity_id: each for each in memory.states[SHOP].each(kind)}
    assert lane.loads == len(STORIES[story]), "a batch was loaded twice: what it needed was not to be foreseen"
    checks = [check for check in await audit(lane.connection) if check.name != "merchant transit is what is in flight"]
    assert [check for check in checks if not check.ok] == []
