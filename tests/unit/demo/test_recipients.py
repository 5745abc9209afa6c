"""Buyers act on what they are told, a day later at the earliest."""

import json
from datetime import datetime, timedelta
from typing import Any

from demo.buyers import programme_of
from demo.recipients import WAITING_DAYS, Recipients
from demo.record import Record

TOLD_AT = datetime.fromisoformat("2026-04-07T00:00:00+08:00")


def answers(template: str, no: int = 1, account_id: str = "acc-000001", **params: Any) -> list[Record]:
    notice = {
        "event_id": f"n-{no}",
        "type": "notification.requested",
        "occurred_at": TOLD_AT.isoformat(),
        "notification_id": f"n-{no}",
        "recipient_kind": "account",
        "recipient_id": account_id,
        "template": template,
        "params": params,
        "text": {"zh-CN": "", "en": ""},
    }
    return list(Recipients(5).answer(json.dumps(notice).encode()))


def some(template: str, account_id: str = "acc-000001", **params: Any) -> list[Record]:
    """The answers of many to the same."""
    return [record for no in range(200) for record in answers(template, no, account_id, **params)]


def account_on(programme: str) -> str:
    return next(each for no in range(1, 99) if programme_of(each := f"acc-{no:06d}", 5) == programme)


def test_most_notices_need_no_answer():
    assert answers("debit_made", amount_minor=1) == []
    assert answers("purchase_accepted", reason="payment_overdue") == []


def test_answers_come_a_day_later_at_the_earliest_and_are_always_the_same():
    for told in (
        lambda: some("closing_refused", payoff_minor=5_000, held_minor=0),
        lambda: some("payment_overdue", account_on("douyin")),
        lambda: some("repayment_reversed", amount_minor=5_000),
    ):
        assert told() == told()
        assert min(record.occurred_at for record in told()) >= TOLD_AT + timedelta(days=1)


def test_who_may_not_leave_yet_pays_off_and_asks_again():
    kinds = {record.body["type"]: record for record in some("closing_refused", payoff_minor=5_000, held_minor=0)}
    assert set(kinds) == {"repayment.received", "credit_line.close_requested"}
    assert kinds["repayment.received"].body["purpose"] == "payoff"
    assert kinds["repayment.received"].body["amount_minor"] == 5_000


def test_who_has_orders_on_their_way_waits_until_they_are_received():
    asked = some("closing_refused", payoff_minor=0, held_minor=7_000)
    assert {record.body["type"] for record in asked} == {"credit_line.close_requested"}
    assert min(record.occurred_at for record in asked) > TOLD_AT + timedelta(days=15)


def test_too_small_a_payoff_is_made_up_for():
    records = some("payoff_insufficient", amount_minor=4_000, required_minor=4_500)
    assert {record.body["amount_minor"] for record in records} == {500}


def test_where_it_takes_a_request_the_line_is_asked_for_when_the_wait_may_be_over():
    records = [each for each in some("payment_overdue", account_on("douyin")) if "unfreeze" in each.body["type"]]
    patient = [each for each in records if each.occurred_at > TOLD_AT + timedelta(days=WAITING_DAYS)]
    assert len(patient) > len(records) / 2
    assert len(patient) < len(records)


def test_appeals_are_upheld_and_rejected():
    records = [each.body for each in some("payment_overdue", account_on("taobao"))]
    assert {body["outcome"] for body in records if "appeal_id" in body} == {"upheld", "rejected"}


def test_accounts_with_something_overdue_are_remembered():
    recipients = Recipients(5)
    notice = {
        "notification_id": "n-1",
        "recipient_id": "acc-000001",
        "template": "payment_overdue",
        "occurred_at": TOLD_AT.isoformat(),
        "params": {},
    }
    list(recipients.answer(json.dumps(notice).encode()))
    assert recipients.overdue == {"acc-000001": 1}
