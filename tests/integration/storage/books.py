"""Sound books for the audit: two months of a small platform's lane."""

from dataclasses import replace
from datetime import datetime, timedelta

from settlement.messages import (
    DepositRefundReviewed,
    MerchantActivity,
    MerchantRegistered,
    PayoutFailed,
    PurchaseReceived,
    RepaymentReversed,
    ShopWithdrawalRequested,
)
from settlement.outputs import PayoutRequested
from tests.integration.storage.settling import START, StoredLane, Traffic, account, merchant
from tests.unit.settlement.builders import cashed_out, deposited, opened, refund_asked, repaid


async def cashing(lane: StoredLane) -> None:
    """A buyer takes out cash twice, pays one of it back, and the bank takes the payment back; once more in vain."""
    buyer = account("cashing")
    bodies = (
        replace(opened("taobao"), identity_verified=True),
        cashed_out(3_000, "first"),
        cashed_out(2_000, "second"),
        repaid(4_000, "reversed"),
        RepaymentReversed("reversed", "chargeback"),
        repaid(9_000, "too much"),
    )
    for number, body in enumerate(bodies):
        await lane.settle([lane.message(body, buyer, f"cashing-{number}", START + timedelta(minutes=number))])
    (settled,) = await lane.settle([lane.message(cashed_out(500, "third"), buyer, "third", START + timedelta(hours=1))])
    (payout,) = [each.body for each in settled.decision.outputs if isinstance(each.body, PayoutRequested)]
    failed_ = PayoutFailed(payout.payout_id, "card closed")
    await lane.settle([lane.message(failed_, buyer, "failed", START + timedelta(hours=2))])


async def depositing(lane: StoredLane, now: datetime) -> None:
    """A merchant has a deposit moved to its shop balance and takes some of it out, once in vain; another one waits."""
    shop = merchant("depositing")
    bodies = (
        (MerchantRegistered("CNY", 30), now),
        (deposited("first"), now - timedelta(days=40)),
        (refund_asked("to-shop", deposit_id="first", refund_to="shop_balance"), now),
        (DepositRefundReviewed("to-shop", "approved", "fine"), now),
        (deposited("second"), now),
        (refund_asked("waits", deposit_id="second"), now),
        (DepositRefundReviewed("waits", "approved", "fine"), now),
        (ShopWithdrawalRequested("kept", 20_000, "CNY"), now),
    )
    for number, (body, occurred_at) in enumerate(bodies):
        await lane.settle([lane.message(body, shop, f"depositing-{number}", occurred_at)])
    (settled,) = await lane.settle([lane.message(ShopWithdrawalRequested("back", 5_000, "CNY"), shop, "back", now)])
    (payout,) = [each.body for each in settled.decision.outputs if isinstance(each.body, PayoutRequested)]
    await lane.settle([lane.message(PayoutFailed(payout.payout_id, "account closed"), shop, "failed", now)])


async def settled_books(connection) -> StoredLane:
    """Two months of a small platform's lane, and a little on another one."""
    lane = StoredLane(connection)
    traffic = Traffic(lane, accounts=30, merchants=4)
    await lane.settle(traffic.opening())
    await cashing(lane)
    for _ in range(14):
        lane.reject("purchase", b"not json")
        traffic.take_over(await lane.settle(traffic.mixed(60)))
        traffic.now += timedelta(days=4)
        traffic.take_over(await lane.settle(until=traffic.now))
    await lane.settle([lane.message(PurchaseReceived("unknown"), account("buyer-000001"), "parked", traffic.now)])
    sale = MerchantActivity("CNY", 5, 0)
    await lane.settle([lane.message(sale, merchant(name), "sale", traffic.now) for name in ("shop-0001", "unknown")])
    await depositing(lane, traffic.now)
    other = StoredLane(connection, number=1)
    await other.settle([other.message(opened(), account("elsewhere"), "event")])
    return lane
