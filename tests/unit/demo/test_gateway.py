"""The gateway answers every debit, always the same way, from purses that are sometimes empty for long."""

import json
from datetime import datetime, timedelta

import pytest

from demo.dice import Dice
from demo.gateway import Gateway
from demo.purses import LAST_ATTEMPT, PURSES
from demo.record import Record

DUE = datetime.fromisoformat("2026-05-01T00:00:00+08:00")


def debit(no: int, attempt: int = 1) -> bytes:
    return json.dumps(
        {
            "event_id": f"out-{no}-{attempt}",
            "type": "auto_debit.requested",
            "occurred_at": (DUE + timedelta(days=attempt - 1)).isoformat(),
            "account_id": f"acc-{no:06d}",
            "debit_id": f"d-{no}-{attempt}",
            "amount_minor": 12_345,
            "currency": "CNY",
            "order_ids": ["ord-000001-1"],
            "due_on": "2026-05-01",
            "attempt": attempt,
            "reason": "due" if attempt == 1 else "retry",
        }
    ).encode()


def answers(no: int, attempt: int = 1) -> list[Record]:
    return list(Gateway(5).answer(debit(no, attempt)))


def of_purse(name: str) -> list[int]:
    """Accounts whose purse is that on the due date."""
    purses = {no: Dice(5, f"purse of acc-{no:06d} on 2026-05-01").one_of(PURSES) for no in range(1_500)}
    found = [no for no, purse in purses.items() if purse.__name__ == f"_{name}"]
    assert len(found) > 5
    return found


def test_every_debit_is_answered_always_the_same_way():
    first = [answers(no) for no in range(300)]
    assert first == [answers(no) for no in range(300)]
    assert all(first)


def test_no_answer_is_delivered_before_the_debit_is_asked_for():
    assert all(answer.delivered_at > DUE for no in range(1_000) for answer in answers(no))


def test_a_cancelled_debit_is_not_answered():
    cancelled = debit(1).replace(b"auto_debit.requested", b"auto_debit.cancelled")
    assert list(Gateway(5).answer(cancelled)) == []


@pytest.mark.parametrize("attempt", range(1, LAST_ATTEMPT + 1))
def test_who_is_broke_pays_no_debit(attempt):
    for no in of_purse("broke"):
        refused = answers(no, attempt)[0]
        assert refused.body["type"] == "repayment.failed"
        assert refused.body["retryable"]


def test_who_is_broke_pays_days_later_or_in_parts_or_never():
    ways = [tuple(answer.body["type"] for answer in answers(no, LAST_ATTEMPT)) for no in of_purse("broke")]
    assert {len([kind for kind in way if kind == "repayment.received"]) for way in ways} == {0, 1, 2}


def test_a_slow_bank_debits_on_the_day_and_tells_so_when_the_obligation_is_overdue_already():
    for no in of_purse("slow_bank"):
        told = answers(no)
        assert all(paid.occurred_at < DUE + timedelta(days=1) for paid in told)
        late = [paid for paid in told if paid.body["channel"] == "auto_debit"]
        assert all(paid.delivered_at > DUE + timedelta(days=1) for paid in late)
        assert late or told


def test_who_paid_at_the_counter_before_the_due_date_is_debited_in_vain():
    for no in of_purse("paid_at_counter"):
        refused, paid = answers(no)
        assert refused.body["type"] == "repayment.failed"
        assert paid.occurred_at < DUE < DUE + timedelta(days=1) < paid.delivered_at


def test_some_payments_come_twice_and_some_are_taken_back():
    kinds = [answer.body for no in range(3_000) for answer in answers(no)]
    taken_back = [body["repayment_id"] for body in kinds if body["type"] == "repayment.reversed"]
    received = {body["repayment_id"] for body in kinds if body["type"] == "repayment.received"}
    assert any(name.endswith("-twice") for name in received)
    assert taken_back
    assert set(taken_back) <= received
