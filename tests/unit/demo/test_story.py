"""A party's quarter in words: inputs as they were decided, and between them what came when its time came."""

from datetime import UTC, datetime, timedelta
from typing import Any

from demo.course import happenings, said, sentence
from demo.story import eventfulness
from demo.words import movements

MIDNIGHT = datetime(2026, 5, 6, 16, tzinfo=UTC)


def output(kind: str, at: datetime, **fields: Any) -> dict[str, Any]:
    return {"event_id": f"{kind}-{at}", "type": kind, "occurred_at": at.isoformat(), "causation_id": "timer"} | fields


def notice(template: str, at: datetime = MIDNIGHT, text: str = "", **params: Any) -> dict[str, Any]:
    return output("notification.requested", at, template=template, text={"en": text or template}, params=params)


def penalty(day: int, amount_minor: int = 5) -> dict[str, Any]:
    return notice("penalty_charged", MIDNIGHT + timedelta(days=day), amount_minor=amount_minor, currency="CNY")


def told(messages: list[dict[str, Any]]) -> list[str]:
    return [" ".join(said(each.messages)) for each in happenings(messages)]


def test_what_comes_at_one_instant_is_one_happening():
    debit = output("auto_debit.requested", MIDNIGHT, amount_minor=12_000, currency="CNY", attempt=2)
    assert told([notice("payment_overdue"), debit]) == [
        '"payment_overdue" the card is to be debited 120.00 CNY, attempt 2'
    ]


def test_penalties_of_days_in_a_row_are_told_as_one():
    assert told([penalty(0), penalty(1), penalty(2, 4)]) == ['"A penalty at each 00:00 until 09 May, 0.14 CNY in all."']


def test_a_penalty_after_a_pause_or_with_something_else_is_told_by_itself():
    assert len(told([penalty(0), penalty(1), penalty(5)])) == 2
    together = [penalty(0), notice("limit_reclaimed"), penalty(1)]
    assert told(together)[0] == '"penalty_charged" "limit_reclaimed"'


def test_what_a_notice_tells_already_is_not_told_again():
    assert told([output("limit.restored", MIDNIGHT, amount_minor=1, currency="CNY")]) == []


def test_an_input_is_told_with_what_moved_and_the_notices_that_say_more():
    decision = {
        "occurred_at": MIDNIGHT,
        "postings": [{"debit": "gateway_clearing", "credit": "receivable", "currency": "CNY", "amount_minor": 500}] * 2,
        "repeats": [{"outcome": "duplicate"}],
    }
    step = {"type": "repayment.received", "outcome": "applied", "decided_at": MIDNIGHT, "reason": None}
    messages = [notice("limit_restored", text="Your limit is back."), notice("debit_made")]
    assert sentence(step, decision, messages, "CNY") == (
        '  07 May 00:00  A payment arrives: 10.00 CNY of the debt is paid, "Your limit is back."'
        " (came 1 more time: duplicate)."
    )


def test_a_declined_input_is_told_with_every_reason():
    decision = {"occurred_at": MIDNIGHT, "reasons": ["promotion_active", "dispute_open"]}
    step = {"type": "deposit_refund.requested", "outcome": "declined", "decided_at": MIDNIGHT, "reason": "x"}
    assert sentence(step, decision, [], "CNY").endswith("declined, promotion active, dispute open.")


def test_what_was_told_late_says_so():
    decision = {"occurred_at": MIDNIGHT - timedelta(days=3)}
    step = {"type": "repayment.received", "outcome": "applied", "decided_at": MIDNIGHT, "reason": None}
    assert sentence(step, decision, [], "CNY") == "  04 May 00:00  A payment arrives (told on 07 May 00:00)."


def test_a_movement_without_words_is_told_all_the_same():
    posting = {"debit": "deposit", "credit": "fee_income", "currency": "CNY", "amount_minor": 100}
    assert list(movements([posting], "CNY")) == ["1.00 CNY moves from fee income to deposit"]


def story(**changed: Any) -> dict[str, Any]:
    part = {"penalty_minor": 0}
    given = {"account_id": "a", "history": [], "status": "active", "orders": [{"obligations": [part]}]}
    return given | changed


def test_the_way_back_from_overdue_makes_a_story_eventful():
    overdue = [{"obligations": [{"penalty_minor": 3}]}]
    assert eventfulness(story(orders=overdue)) > eventfulness(story(orders=overdue, status="frozen"))
    assert eventfulness(story(orders=overdue)) > eventfulness(story())


def test_a_story_too_long_to_be_read_counts_less():
    step = {"type": "purchase.placed", "outcome": "applied", "reason": None}
    assert eventfulness(story(history=[step] * 80)) < eventfulness(story(history=[step] * 20))
