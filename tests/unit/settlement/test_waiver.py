"""Waived penalties: docs/rules.md, Hardship."""

from settlement.concession import Concession
from settlement.decision import Outcome
from settlement.ledger import LedgerAccount, Posting
from settlement.messages import CreditLineOpened, PenaltyWaived, PurchaseReceived, RepaymentFailed
from tests.unit.settlement.builders import Lane, deferred, lane_with_line


def waiver(amount_minor: int | None = None, waiver_id: str = "waiver", *, currency: str = "CNY") -> PenaltyWaived:
    return PenaltyWaived(waiver_id, amount_minor, currency, "illness", "an operator")


def lane_penalized() -> Lane:
    """A lane on which two orders are overdue, due on 1 and 2 February; their penalties are 5 a day."""
    lane = lane_with_line("kuaishou")
    for day, order_id in ((2, "a"), (3, "b")):
        lane.send(f"2026-01-{day:02}", deferred(order_id))
        lane.send(f"2026-01-{day:02}", PurchaseReceived(order_id))
    lane.tick("2026-02-05 00:00")
    assert [each.penalty_minor for each in lane.obligations] == [20, 15]
    return lane


def test_all_open_penalties_are_waived_unless_an_amount_is_named():
    lane = lane_penalized()
    waived = lane.send("2026-02-05", waiver())
    income, receivable = LedgerAccount.PENALTY_INCOME, LedgerAccount.PENALTY_RECEIVABLE
    assert waived.postings == (Posting(income, receivable, "CNY", 20), Posting(income, receivable, "CNY", 15))
    assert [each.penalty_minor for each in lane.obligations] == [0, 0]
    assert "penalty_waived" in lane.notices()
    kept = lane.get(Concession, "waiver:waiver")
    assert (kept.amount_minor, kept.approved_by, kept.reason) == (35, "an operator", "illness")
    assert lane.limits()[3] == 20_000


def test_the_oldest_are_waived_first():
    lane = lane_penalized()
    lane.send("2026-02-05", waiver(22))
    assert [each.penalty_minor for each in lane.obligations] == [0, 13]
    lane.send("2026-02-05", waiver(1_000, "more"))
    assert lane.get(Concession, "waiver:more").amount_minor == 13
    assert lane.send("2026-02-05", waiver(1, "none")).reason == "nothing_due"
    assert lane.send("2026-02-05", waiver(1, "none", currency="USD")).reason == "currency_mismatch"


def test_penalties_go_on_and_what_was_waived_counts_towards_the_most_they_may_be():
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred(amount_minor=3))
    lane.send("2026-01-03", PurchaseReceived("order"))
    lane.tick("2026-02-03 00:00")
    assert lane.obligations[0].penalty_minor == 2
    lane.send("2026-02-03", waiver())
    lane.tick("2026-02-20 00:00")
    assert lane.obligations[0].penalty_minor == 1


def test_a_requested_debit_does_not_ask_for_what_was_waived():
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred())
    lane.send("2026-01-03", PurchaseReceived("order"))
    lane.tick("2026-02-01 00:00")
    lane.send("2026-02-01", RepaymentFailed(lane.requested.debit_id, "no money", retryable=True))
    lane.tick("2026-02-03 00:00")
    assert lane.requested.amount_minor == 10_005
    lane.send("2026-02-03", waiver())
    assert lane.requested.amount_minor == 10_000


def test_a_waiver_id_is_taken_once_and_free_after_a_refusal():
    lane = lane_penalized()
    assert lane.send("2026-02-05", waiver(currency="USD")).reason == "currency_mismatch"
    assert lane.send("2026-02-05", waiver(5)).outcome is Outcome.APPLIED
    assert lane.send("2026-02-05", waiver(5)).outcome is Outcome.DUPLICATE
    assert lane.send("2026-02-05", waiver(6)).outcome is Outcome.CONFLICT


def test_a_waiver_waits_for_its_account():
    lane = Lane()
    assert lane.send("2026-02-05", waiver()).waits_for == "account:buyer"
    lane.send("2026-02-05", CreditLineOpened("kuaishou", 1, "CNY", None, card_linked=False, identity_verified=False))
    assert [each.decision.reason for each in lane.last] == [None, "nothing_due"]
