"""The quarter that `postpay demo` tells: the same on every machine, with everything in it that it claims to show."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.topics import Topic
from demo.history import TAKEN_OVER_WITHIN, History, new_terms, tick
from demo.quarter import START, Quarter
from demo.record import Record
from settlement.terms import TermsBook


def told(seed: int, *, accounts: int = 400, merchants: int = 40, days: int = 91) -> list[Record]:
    history = History(accounts=accounts, merchants=merchants, days=days, seed=seed)
    return [record for day in range(days) for record in history.day(day)]


@pytest.fixture(scope="module")
def quarter() -> list[Record]:
    return told(7)


def test_the_same_seed_tells_the_same_quarter_byte_for_byte(quarter):
    assert told(7) == quarter


def test_another_seed_tells_another_quarter(quarter):
    assert told(8) != quarter


def test_more_accounts_leave_the_lives_of_the_others_as_they_were(quarter):
    more = told(7, accounts=450)
    first = {b"acc-%06d" % number for number in range(1, 401)}
    strays = (b'"stray-', b'"garbage-', b'"cut-off')

    def lives(records: list[Record]) -> list[Record]:
        return [
            each
            for each in records
            if each.key in first
            and each.value is not None
            and b'"event_id"' in each.value
            and not any(stray in each.value for stray in strays)
        ]

    assert lives(more) == lives(quarter)


def test_what_was_there_before_the_quarter_comes_in_its_first_hour_in_the_old_order(quarter):
    before = [each for each in quarter if each.occurred_at < START]
    assert len(before) > 50
    assert all(
        each.delivered_at < START + TAKEN_OVER_WITHIN
        for each in before
        if b'"purchase.placed"' not in (each.value or b"")
    )
    opened = [each.occurred_at for each in before if b'"credit_line.opened"' in (each.value or b"")]
    assert opened == sorted(opened)


def test_nothing_that_is_taken_over_is_due_before_the_quarter(quarter):
    before = [each.body for each in quarter if each.occurred_at < START]
    placed = [body for body in before if body["type"] == "purchase.placed" and body["plan"]["kind"] == "deferred"]
    assert "tmall" not in {body.get("programme") for body in before}
    assert all(placed_at(body) + timedelta(days=body["plan"]["days"]) > START for body in placed)


def placed_at(body: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(body["occurred_at"])


def test_new_terms_are_published_while_the_old_ones_are_still_in_force():
    published = new_terms(Quarter(START, 91))
    terms = TermsBook.builtin().succeeded_by(TermsBook.parse(published.body["terms"]))
    assert published.occurred_at.date() < terms.versions[-1].effective_from < Quarter(START, 91).end.date()


def test_records_are_delivered_on_their_day_and_never_before_they_occurred():
    history = History(accounts=200, merchants=20, days=30, seed=3)
    for day in range(30):
        for record in history.day(day):
            assert START + timedelta(days=day) <= record.delivered_at < history.midnight_after(day)
            assert record.occurred_at <= record.delivered_at


def test_some_orders_arrive_after_their_receipt_and_within_the_parking_time(quarter):
    placed = {record.body["order_id"]: record for record in quarter if b'"purchase.placed"' in (record.value or b"")}
    received = [record for record in quarter if b'"purchase.received"' in (record.value or b"")]
    waits = [
        placed[record.body["order_id"]].delivered_at - record.delivered_at
        for record in received
        if record.body["order_id"] in placed and placed[record.body["order_id"]].delivered_at > record.delivered_at
    ]
    assert len(waits) > 3
    assert max(waits) < timedelta(hours=72)


def test_some_records_come_twice_and_some_ids_come_with_other_content(quarter):
    by_id: dict[tuple[Topic, bytes | None, str], list[bytes]] = {}
    for record in quarter:
        if b'"garbage' not in (record.value or b"") and (record.value or b"").startswith(b'{"event_id":'):
            by_id.setdefault((record.topic, record.key, record.body["event_id"]), []).append(record.value or b"")
    again = [values for values in by_id.values() if len(values) > 1]
    assert any(len(set(values)) == 1 for values in again)
    assert any(len(set(values)) > 1 for values in again)


def test_a_tick_is_the_same_for_every_partition_of_one_midnight():
    midnight = START + timedelta(days=1)
    assert tick(midnight) == tick(midnight)
    assert tick(midnight).body["occurred_at"] == "2026-04-02T00:00:00+08:00"
