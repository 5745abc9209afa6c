"""Shop balances: what a merchant takes out of them."""

from settlement.decision import Outcome
from settlement.entities import ShopWithdrawal
from settlement.ledger import LedgerAccount, Posting
from settlement.messages import DepositRefundReviewed, MerchantActivity, ShopWithdrawalRequested
from settlement.outputs import NotificationRequested, PayoutRequested
from tests.unit.settlement.builders import Lane, at, deposited, lane_with_merchant, refund_asked


def lane_with_shop_balance(amount_minor: int = 50_000) -> Lane:
    """A lane on which a deposit was refunded to the shop balance on 3 February 2026."""
    lane = lane_with_merchant()
    lane.send("2026-01-02", deposited(amount_minor=amount_minor))
    lane.send("2026-02-02", refund_asked(refund_to="shop_balance"))
    lane.send("2026-02-03", DepositRefundReviewed("request", "approved", "fine"))
    assert lane.balance.shop_balance_minor == amount_minor
    return lane


def withdrawal(amount_minor: int, withdrawal_id: str = "w", currency: str = "CNY") -> ShopWithdrawalRequested:
    return ShopWithdrawalRequested(withdrawal_id, amount_minor, currency)


def test_a_withdrawal_is_paid_to_the_bank_out_of_the_shop_balance():
    lane = lane_with_shop_balance()
    paid = lane.send("2026-02-04", withdrawal(20_000))
    shop_balance, clearing = LedgerAccount.SHOP_BALANCE, LedgerAccount.PAYOUT_CLEARING
    assert paid.postings == (Posting(shop_balance, clearing, "CNY", 20_000),)
    (payout,) = lane.outputs(PayoutRequested)
    assert (payout.payee_id, payout.amount_minor, payout.currency) == ("shop", 20_000, "CNY")
    assert (payout.route, payout.reason) == ("bank", "shop_withdrawal")
    (notice,) = lane.outputs(NotificationRequested)
    assert (notice.template, notice.params["withdrawal_id"]) == ("shop_withdrawal_paid", "w")
    assert lane.balance.shop_balance_minor == 30_000
    kept = lane.get(ShopWithdrawal, "w")
    assert (kept.amount_minor, kept.currency, kept.requested_at) == (20_000, "CNY", at("2026-02-04"))


def test_the_whole_balance_can_be_withdrawn_and_no_more():
    lane = lane_with_shop_balance()
    refused = lane.send("2026-02-04", withdrawal(50_001))
    assert (refused.reason, refused.postings) == ("insufficient_balance", ())
    (notice,) = lane.outputs(NotificationRequested)
    assert (notice.template, notice.params["reason"]) == ("shop_withdrawal_declined", "insufficient_balance")
    assert lane.send("2026-02-04", withdrawal(50_000)).outcome is Outcome.APPLIED
    assert lane.send("2026-02-04", withdrawal(1, "more")).reason == "insufficient_balance"


def test_nothing_can_be_withdrawn_before_there_is_a_balance():
    lane = lane_with_merchant()
    assert lane.send("2026-02-04", withdrawal(1)).reason == "insufficient_balance"


def test_a_withdrawal_in_another_currency_is_declined():
    lane = lane_with_shop_balance()
    assert lane.send("2026-02-04", withdrawal(1, currency="USD")).reason == "currency_mismatch"
    assert lane.notices() == ["shop_withdrawal_declined"]


def test_nothing_is_withdrawn_while_the_merchant_owes_the_platform():
    lane = lane_with_shop_balance()
    lane.send("2026-02-04", MerchantActivity("CNY", -1, 0))
    lane.send("2026-02-04", MerchantActivity("USD", -1, 0))
    assert lane.send("2026-02-05", withdrawal(60_000, currency="USD")).reason == "currency_mismatch"
    assert lane.send("2026-02-05", withdrawal(60_000)).reason == "owes_platform"
    assert lane.notices() == ["shop_withdrawal_declined"]
    lane.send("2026-02-06", MerchantActivity("CNY", 1, 0))
    assert lane.send("2026-02-07", withdrawal(60_000)).reason == "insufficient_balance"
    assert lane.send("2026-02-07", withdrawal(50_000)).outcome is Outcome.APPLIED


def test_a_withdrawal_id_is_taken_once_and_free_after_a_refusal():
    lane = lane_with_shop_balance()
    assert lane.send("2026-02-04", withdrawal(60_000)).reason == "insufficient_balance"
    assert lane.send("2026-02-05", withdrawal(20_000)).outcome is Outcome.APPLIED
    assert lane.send("2026-02-06", withdrawal(20_000)).outcome is Outcome.DUPLICATE
    assert lane.send("2026-02-06", withdrawal(10_000)).outcome is Outcome.CONFLICT
    assert lane.balance.shop_balance_minor == 30_000


def test_a_withdrawal_waits_for_the_registration():
    assert Lane().send("2026-02-04", withdrawal(1)).waits_for == "merchant:shop"
