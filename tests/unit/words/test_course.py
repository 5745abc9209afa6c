"""A party's quarter in words: inputs as they were decided, and between them what came when its time came."""

from datetime import UTC, datetime, timedelta
from typing import Any

from storage.stories.decision import DecisionStory, PostingStory, RepeatStory
from storage.stories.party import HistoryStory
from words.course import Heard, happenings, said, sentence, steps
from words.vocabulary import movements

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


def entry(kind: str, outcome: str = "applied", reason: str | None = None) -> HistoryStory:
    return HistoryStory(decided_at=MIDNIGHT, topic="topic", event_id="event", type=kind, outcome=outcome, reason=reason)


def decided(**given: Any) -> DecisionStory:
    fields = {"topic": "topic", "partition": 0, "offset": 0, "lane": 0, "party_id": "a", "event_id": "event"}
    fields |= {"type": None, "occurred_at": MIDNIGHT, "decided_at": MIDNIGHT, "outcome": "applied", "reason": None}
    return DecisionStory(**fields | given)


def test_an_input_is_told_with_what_moved_and_the_notices_that_say_more():
    posting = PostingStory(debit="gateway_clearing", credit="receivable", currency="CNY", amount_minor=500)
    repeat = RepeatStory(outcome="duplicate", decided_at=MIDNIGHT, partition=0, offset=1)
    messages = [notice("limit_restored", text="Your limit is back."), notice("debit_made")]
    decision = decided(postings=(posting, posting), repeats=(repeat,))
    assert sentence(Heard(entry("repayment.received"), messages), decision) == (
        '  07 May 00:00  A payment arrives: 10.00 CNY of the debt is paid, "Your limit is back."'
        " (came 1 more time: duplicate)."
    )


def test_a_declined_input_is_told_with_every_reason():
    heard = Heard(entry("deposit_refund.requested", "declined", "x"), [])
    decision = decided(reasons=("promotion_active", "dispute_open"))
    assert sentence(heard, decision).endswith("declined, promotion active, dispute open.")


def test_what_was_told_late_says_so():
    decision = decided(occurred_at=MIDNIGHT - timedelta(days=3))
    told_late = sentence(Heard(entry("repayment.received"), []), decision)
    assert told_late == "  04 May 00:00  A payment arrives (told on 07 May 00:00)."


def test_inputs_and_what_came_by_itself_are_in_the_order_of_their_instants():
    caused = notice("debit_made", MIDNIGHT + timedelta(days=9)) | {"causation_id": "event"}
    by_itself = notice("payment_overdue", MIDNIGHT + timedelta(days=1))
    first, second = steps([entry("purchase.placed")], [by_itself, caused])
    assert (first, second.messages) == (Heard(entry("purchase.placed"), [caused]), [by_itself])


def test_one_event_id_in_two_topics_is_two_steps():
    assert len(steps([entry("purchase.placed"), entry("repayment.received")], [])) == 2


def test_a_movement_without_words_is_told_all_the_same():
    posting = PostingStory(debit="deposit", credit="fee_income", currency="CNY", amount_minor=100)
    assert list(movements([posting])) == ["1.00 CNY moves from fee income to deposit"]
