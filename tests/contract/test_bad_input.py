"""Bad input: each record gets its reason, and a detail that says what was expected, what came and where."""

import json
import re
import time
from datetime import date

import pytest

from contracts.catalogue import UNBUILT_TYPES
from contracts.envelope import MAX_BYTES
from contracts.topics import Topic
from settlement.dead_letter import MAX_DETAIL, DeadLetterReason
from settlement.messages import BillInstalmentRequested, PayoutFailed, RepaymentReversed, UnfreezeRequested
from settlement.party import Party, PartyKind
from tests.contract.builders import MISSING, TRACEPARENT, accepted, changed, placed, refused

RAW = json.dumps(placed()).encode()


def padded(size: int) -> bytes:
    """A valid message of exactly so many bytes."""
    bare = len(json.dumps(placed(padding="")))
    return json.dumps(placed(padding="x" * (size - bare))).encode()


BROKEN_TEXTS = {
    "tombstone": (None, "empty", "got no value (a tombstone)"),
    "empty": (b"", "empty", "got a value of 0 bytes"),
    "white space only": (b"  \n", "not_json", "EOF"),
    "one byte too many": (padded(MAX_BYTES + 1), "too_large", "expected at most 262144 bytes, got 262145"),
    "one MiB": (b"{" + b" " * 2**20, "too_large", "got 1048577"),
    "truncated": (RAW[:-1], "not_json", "EOF"),
    "truncated within a text": (RAW[:20], "not_json", "EOF"),
    "two objects": (RAW + RAW, "not_json", "trailing"),
    "trailing comma": (b'{"a": 1,}', "not_json", "trailing comma"),
    "not JSON": (b"<xml/>", "not_json", "line 1 column 1"),
    "single quotes": (b"{'a': 1}", "not_json", "line 1"),
    "msgpack": (b"\x81\xa1a\x01", "bad_utf8", "got 0x81 at byte 0"),
    "bad UTF-8": (RAW.replace(b"o-1", b"o-\xff"), "bad_utf8", "got 0xff at byte"),
    "bad UTF-8 in an unknown field": (RAW[:-1] + b', "x": "\xc3("}', "bad_utf8", "got 0xc3"),
    "bad UTF-8 in an unknown key": (RAW[:-1] + b', "\xff": 1}', "bad_utf8", "got 0xff"),
    "a surrogate in UTF-8": (RAW.replace(b"o-1", b"o-\xed\xa0\x80"), "bad_utf8", "got 0xed"),
    "overlong UTF-8": (RAW.replace(b"o-1", b"o-\xc0\xaf"), "bad_utf8", "got 0xc0"),
    "Latin-1": (RAW.replace(b"o-1", "o-é".encode("latin-1")), "bad_utf8", "got 0xe9"),
    "byte order mark": (b"\xef\xbb\xbf" + RAW, "byte_order_mark", "send without"),
    "UTF-16": (RAW.decode().encode("utf-16-le"), "nul", "NUL byte at byte 1"),
    "NUL byte": (RAW.replace(b"o-1", b"o-\x00"), "nul", "NUL byte at byte"),
    "NUL after the object": (RAW + b"\x00", "nul", "NUL byte"),
    "escaped NUL": (RAW.replace(b"o-1", b"o-\\u0000"), "nul", "\\u0000 at byte"),
    "escaped NUL in an unknown field": (RAW[:-1] + b', "x": ["\\u0000"]}', "nul", "\\u0000"),
    "escaped NUL in a key": (RAW[:-1] + b', "\\u0000": 1}', "nul", "\\u0000"),
    "escaped NUL behind an escaped backslash": (RAW.replace(b"o-1", b"\\\\\\u0000"), "nul", "\\u0000"),
    "lone high surrogate": (RAW.replace(b"o-1", b"\\ud800"), "lone_surrogate", "half"),
    "lone high surrogate before another escape": (RAW.replace(b"o-1", b"\\ud800\\n"), "lone_surrogate", "half"),
    "lone low surrogate": (RAW.replace(b"o-1", b"\\udc00"), "lone_surrogate", "half"),
    "lone surrogate in an unknown field": (RAW[:-1] + b', "x": "\\udfff"}', "lone_surrogate", "half"),
    "duplicate key": (RAW[:-1] + b', "order_id": "o-2"}', "duplicate_key", "got 'order_id' twice"),
    "duplicate key of equal value": (RAW[:-1] + b', "order_id": "o-1"}', "duplicate_key", "got 'order_id' twice"),
    "duplicate key written as an escape": (RAW[:-1] + b', "order\\u005fid": "o-1"}', "duplicate_key", "'order_id'"),
    "duplicate key with a space before the colon": (RAW[:-1] + b', "order_id" :"o-2"}', "duplicate_key", "'order_id'"),
    "duplicate key with a line feed there": (RAW[:-1] + b',"order_id"\r\n\t:"o-2"}', "duplicate_key", "'order_id'"),
    "duplicate key in the plan": (RAW.replace(b'"days": 30', b'"days": 30, "days": 90'), "duplicate_key", "'days'"),
    "duplicate unknown key": (RAW[:-1] + b', "x": 1, "x": 1}', "duplicate_key", "'x'"),
    "duplicate key deep within": (RAW[:-1] + b', "x": [{"y": {"z": 1, "z": 2}}]}', "duplicate_key", "'z'"),
    "duplicate type": (RAW[:-1] + b', "type": "purchase.received"}', "duplicate_key", "'type'"),
    "duplicate key beside a wrong field": (
        RAW.replace(b"129900", b"0")[:-1] + b', "order_id": "o-1"}',
        "duplicate_key",
        "'order_id'",
    ),
    "NaN": (RAW.replace(b"129900", b"NaN"), "not_json", "got NaN"),
    "NaN in an unknown field": (RAW[:-1] + b', "x": NaN}', "not_json", "got NaN"),
    "Infinity in an unknown field": (RAW[:-1] + b', "x": -Infinity}', "not_json", "got -Infinity"),
    "nested 100000 deep": (b"[" * 100_000, "too_deep", "at most 200 levels"),
    "nested 100000 deep and closed": (b"[" * 100_000 + b"]" * 100_000, "too_deep", "at most 200 levels"),
    "objects 40000 deep": (b'{"a":' * 40_000 + b"1" + b"}" * 40_000, "too_deep", "at most 200 levels"),
    "an unknown field too deep": (RAW[:-1] + b', "x": ' + b"[" * 200 + b"1" + b"]" * 200 + b"}", "too_deep", "200"),
    "a number of 5000 digits": (RAW[:-1] + b', "x": ' + b"9" * 5000 + b"}", "not_json", "out of range"),
    "a list": (b"[]", "wrong_shape", "expected a JSON object, got a list of 0"),
    "a text": (b'"purchase.placed"', "wrong_shape", 'got "purchase.placed"'),
    "a number": (b"17", "wrong_shape", "got 17"),
    "null": (b"null", "wrong_shape", "got null"),
    "an empty object": (b"{}", "missing_field", "type: expected a text, but it is missing"),
}


@pytest.mark.parametrize("case", BROKEN_TEXTS)
def test_a_broken_text_is_refused_with_its_reason(case):
    value, reason, detail = BROKEN_TEXTS[case]
    rejected = refused(value)
    assert (rejected.reason, rejected.raw) == (reason, value)
    assert detail in rejected.detail


WRONG_FIELDS = {
    "amount 0": (placed(amount_minor=0), "wrong_field", "amount_minor: expected at least 1, got 0"),
    "amount negative": (placed(amount_minor=-5), "wrong_field", "amount_minor: expected at least 1, got -5"),
    "amount float": (placed(amount_minor=100.5), "wrong_field", "amount_minor: expected an integer, got 100.5"),
    "amount 1.0": (placed(amount_minor=1.0), "wrong_field", "amount_minor: expected an integer, got 1.0"),
    "amount 1e2": (RAW.replace(b"129900", b"1e2"), "wrong_field", "amount_minor: expected an integer, got 100.0"),
    "amount text": (placed(amount_minor="100"), "wrong_field", 'amount_minor: expected an integer, got "100"'),
    "amount true": (placed(amount_minor=True), "wrong_field", "amount_minor: expected an integer, got true"),
    "amount null": (placed(amount_minor=None), "wrong_field", "amount_minor: expected an integer, got null"),
    "amount list": (placed(amount_minor=[1]), "wrong_field", "amount_minor: expected an integer, got a list of 1"),
    "amount 2^63": (placed(amount_minor=2**63), "wrong_field", "expected at most 1000000000000000, got 9223372036854"),
    "amount 2^64": (placed(amount_minor=2**64), "wrong_field", "expected at most 1000000000000000"),
    "amount of 4000 digits": (RAW.replace(b"129900", b"9" * 4000), "wrong_field", "999…"),
    "amount 10^15 + 1": (placed(amount_minor=10**15 + 1), "wrong_field", "got 1000000000000001"),
    "amount missing": (
        placed(amount_minor=MISSING),
        "missing_field",
        "amount_minor: expected a value, but it is missing",
    ),
    "currency of nobody": (placed(currency="ABC"), "wrong_field", "currency: expected an ISO 4217 code"),
    "currency in lower case": (placed(currency="cny"), "wrong_field", 'got "cny"'),
    "currency gold": (placed(currency="XAU"), "wrong_field", 'got "XAU"'),
    "currency number": (placed(currency=156), "wrong_field", "got 156"),
    "time without offset": (placed(occurred_at="2026-03-01T10:15:30"), "wrong_field", "RFC 3339 time with offset"),
    "time with a space": (placed(occurred_at="2026-03-01 10:15:30Z"), "wrong_field", "occurred_at"),
    "time without seconds": (placed(occurred_at="2026-03-01T10:15Z"), "wrong_field", "occurred_at"),
    "time in basic format": (placed(occurred_at="20260301T101530Z"), "wrong_field", "occurred_at"),
    "time as a week": (placed(occurred_at="2026-W10-1T10:15:30Z"), "wrong_field", "occurred_at"),
    "time as a number": (placed(occurred_at=1_772_331_330), "wrong_field", "occurred_at: expected a text"),
    "time as digits": (placed(occurred_at="1772331330"), "wrong_field", "occurred_at"),
    "time with a zone name": (placed(occurred_at="2026-03-01T10:15:30 Asia/Shanghai"), "wrong_field", "occurred_at"),
    "time with an offset of 24 hours": (placed(occurred_at="2026-03-01T10:15:30+24:00"), "wrong_field", "occurred_at"),
    "time in full-width digits": (placed(occurred_at="２０２６-03-01T10:15:30Z"), "wrong_field", "occurred_at"),
    "time with a line feed": (placed(occurred_at="2026-03-01T10:15:30Z\n"), "wrong_field", "occurred_at"),
    "time without end": (placed(occurred_at="2026-03-01T10:15:30." + "1" * 99 + "Z"), "wrong_field", "occurred_at"),
    "year 0": (placed(occurred_at="0000-01-01T00:00:00Z"), "wrong_field", "from 2000 up to 2199"),
    "year 1": (placed(occurred_at="0001-01-01T00:00:00Z"), "wrong_field", "from 2000 up to 2199"),
    "year 1 that overflows": (placed(occurred_at="0001-01-01T00:00:00+14:00"), "wrong_field", "from 2000 up to 2199"),
    "clock never set": (placed(occurred_at="1970-01-01T00:00:00Z"), "wrong_field", "from 2000 up to 2199"),
    "year 2200": (placed(occurred_at="2200-01-01T00:00:00Z"), "wrong_field", "from 2000 up to 2199"),
    "year 9999": (placed(occurred_at="9999-12-31T23:59:59Z"), "wrong_field", "from 2000 up to 2199"),
    "year 9999 that overflows": (placed(occurred_at="9999-12-31T23:59:59-01:00"), "wrong_field", "from 2000"),
    "29 February of no leap year": (placed(occurred_at="2026-02-29T10:00:00Z"), "wrong_field", "2026-02-29"),
    "month 13": (placed(occurred_at="2026-13-01T10:00:00Z"), "wrong_field", "2026-13-01"),
    "24 o'clock": (placed(occurred_at="2026-03-01T24:00:00Z"), "wrong_field", "T24:00:00Z"),
    "leap second": (placed(occurred_at="2016-12-31T23:59:60Z"), "wrong_field", "23:59:60Z"),
    "unknown type": (placed(type="purchase.eaten"), "unknown_type", 'got "purchase.eaten"'),
    "type of another topic": (
        placed(type="repayment.received"),
        "unknown_type",
        'got "repayment.received", which belongs on topic repayment',
    ),
    "type in upper case": (placed(type="PURCHASE.PLACED"), "unknown_type", "expected one of purchase.amount_lowered, "),
    "type number": (placed(type=5), "wrong_field", "type: expected a text, got 5"),
    "type null": (placed(type=None), "wrong_field", "type: expected a text, got null"),
    "type list": (placed(type=["purchase.placed"]), "wrong_field", "type: expected a text, got a list of 1"),
    "version 2": (placed(version=2), "bad_version", "version: expected 1, got 2"),
    "version 0": (placed(version=0), "bad_version", "got 0"),
    "version text": (placed(version="1"), "bad_version", 'got "1"'),
    "version true": (placed(version=True), "bad_version", "got true"),
    "version 1.0": (placed(version=1.0), "bad_version", "got 1.0"),
    "version 2 with other fields": (placed(version=2, amount_minor="1"), "bad_version", "got 2"),
    "event_id empty": (placed(event_id=""), "wrong_field", "event_id: expected at least 1 character"),
    "event_id of 129 characters": (placed(event_id="x" * 129), "wrong_field", "event_id: expected at most 128"),
    "event_id number": (placed(event_id=17), "wrong_field", "event_id: expected a text, got 17"),
    "event_id missing": (placed(event_id=MISSING), "missing_field", "event_id: expected a value"),
    "id of white space": (placed(order_id=" "), "wrong_field", "order_id: expected 1 to 128 visible characters"),
    "id with white space around": (placed(order_id="o-1 "), "wrong_field", 'got "o-1 "'),
    "id with a line feed": (placed(order_id="o\n1"), "wrong_field", "order_id"),
    "id with a line feed at its end": (placed(order_id="o-1\n"), "wrong_field", "order_id"),
    "id with a zero-width space": (placed(order_id="o\u200b1"), "wrong_field", '"o\\u200b1"'),
    "id that runs backwards": (placed(order_id="o\u202e1"), "wrong_field", '"o\\u202e1"'),
    "id with DEL": (placed(order_id="o\x7f"), "wrong_field", "order_id"),
    "source number": (placed(source=1), "wrong_field", "source: expected a text, got 1"),
    "plan text": (placed(plan="deferred"), "wrong_field", 'plan: expected an object, got "deferred"'),
    "plan list": (placed(plan=["deferred", 30]), "wrong_field", "plan: expected an object, got a list of 2"),
    "plan without kind": (placed(plan={"days": 30}), "missing_field", "plan.kind: expected a value, but it is missing"),
    "plan of unknown kind": (
        placed(plan={"kind": "gift"}),
        "wrong_field",
        "plan.kind: expected one of 'trial', 'defer",
    ),
    "plan kind number": (
        placed(plan={"kind": 3}),
        "wrong_field",
        "plan.kind: expected one of 'trial', 'deferred', 'statement', 'instalment', got 3",
    ),
    "plan without days": (
        placed(plan={"kind": "trial"}),
        "missing_field",
        "plan.days: expected a value, but it is missing",
    ),
    "plan days 0": (placed(plan={"kind": "trial", "days": 0}), "wrong_field", "plan.days: expected at least 1, got 0"),
    "plan days true": (placed(plan={"kind": "trial", "days": True}), "wrong_field", "plan.days: expected an integer"),
    "item_eligible text": (
        placed(item_eligible="true"),
        "wrong_field",
        'item_eligible: expected true or false, got "true"',
    ),
    "item_eligible 1": (placed(item_eligible=1), "wrong_field", "item_eligible: expected true or false, got 1"),
    "item_plans text": (placed(item_plans="trial"), "wrong_field", 'item_plans: expected a list, got "trial"'),
    "item_plans unknown": (placed(item_plans=["trial", "x"]), "wrong_field", "item_plans[1]: expected 'trial', "),
    "item_plans too many": (
        placed(item_plans=["trial"] * 11),
        "wrong_field",
        "item_plans: expected at most 10 entries",
    ),
    "missing before wrong": (
        placed(order_id=MISSING, amount_minor=0),
        "missing_field",
        "order_id: expected a value, but it is missing; amount_minor: expected at least 1, got 0",
    ),
}


@pytest.mark.parametrize("case", WRONG_FIELDS)
def test_a_wrong_field_is_named_with_what_was_expected_and_what_came(case):
    value, reason, detail = WRONG_FIELDS[case]
    rejected = refused(value)
    assert rejected.reason == reason
    assert detail in rejected.detail


CONTRADICTIONS = {
    "damaged without photos": (
        {"condition": "damaged", "photos": []},
        "missing_field",
        "photos: expected at least one",
    ),
    "damaged, photos null": ({"condition": "damaged", "photos": None}, "missing_field", "photos"),
    "intact with damage": ({"condition": "intact", "damage": ["water"]}, "wrong_field", "got water"),
    "condition unknown": (
        {"condition": "wet"},
        "wrong_field",
        "condition: expected 'intact' or 'damaged', got \"wet\"",
    ),
    "damage unknown": ({"condition": "damaged", "damage": ["fire"]}, "wrong_field", "damage[0]: expected 'water'"),
    "photo no URI": (
        {"condition": "damaged", "photos": ["box.jpg"]},
        "wrong_field",
        "photos[0]: expected an absolute URI",
    ),
    "photo with a space": ({"condition": "damaged", "photos": ["https://a b"]}, "wrong_field", "photos[0]"),
    "photo too long": ({"condition": "damaged", "photos": ["https://" + "x" * 2041]}, "wrong_field", "2048"),
    "too many photos": ({"condition": "damaged", "photos": ["https://a"] * 51}, "wrong_field", "at most 50 entries"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_an_inspection_that_contradicts_itself_is_refused(case):
    changes, reason, detail = CONTRADICTIONS[case]
    inspected = {
        "event_id": "e",
        "type": "return.parcel_inspected",
        "occurred_at": "2026-03-01T00:00:00Z",
        "account_id": "a-1",
        "return_id": "r-1",
        "inspected_by": "courier",
        **changes,
    }
    rejected = refused(inspected, "return-inspection")
    assert rejected.reason == reason
    assert detail in rejected.detail


def repaid(**changes):
    return {
        "event_id": "e",
        "type": "repayment.received",
        "occurred_at": "2026-03-01T00:00:00Z",
        "account_id": "a-1",
        "repayment_id": "r-1",
        "amount_minor": 1,
        "currency": "CNY",
        "channel": "manual",
        "purpose": "order",
        **changes,
    }


def test_a_repayment_of_an_order_says_which_or_names_a_debit():
    assert refused(repaid(), "repayment").detail.startswith("order_id: expected an id because purpose is order")
    assert refused(repaid(), "repayment").reason is DeadLetterReason.MISSING_FIELD
    assert accepted(repaid(debit_id="d-1"), "repayment").body.debit_id == "d-1"
    assert accepted(repaid(order_id="o-1"), "repayment").body.order_id == "o-1"


def asked(kind, **changes):
    """A message of topic `credit-line` with what each of its newer types needs; MISSING leaves a field out."""
    return changed(
        {
            "event_id": "e",
            "type": f"credit_line.{kind}",
            "occurred_at": "2026-04-03T09:00:00+08:00",
            "account_id": "a-1",
            "appeal_id": "ap-1",
            "outcome": "upheld",
            "opinion": "checked",
            "cash_out_id": "co-1",
            "amount_minor": 100,
            "currency": "CNY",
            "due_on": "2026-04-06",
            "periods": 3,
        },
        changes,
    )


WRONG_REQUESTS = {
    "appeal without id": (asked("appeal_decided", appeal_id=MISSING), "appeal_id: expected a value"),
    "appeal with an id of white space": (asked("appeal_decided", appeal_id=" "), "appeal_id: expected 1 to 128"),
    "appeal approved": (asked("appeal_decided", outcome="approved"), "outcome: expected 'upheld' or 'rejected'"),
    "appeal without opinion": (asked("appeal_decided", opinion=MISSING), "opinion: expected a value"),
    "appeal with an empty opinion": (asked("appeal_decided", opinion=""), "got a text of 0 characters"),
    "cash-out of 0": (asked("cash_out_requested", amount_minor=0), "amount_minor: expected at least 1, got 0"),
    "cash-out as text": (asked("cash_out_requested", amount_minor="100"), 'amount_minor: expected an integer, got "1'),
    "cash-out beyond all": (asked("cash_out_requested", amount_minor=10**15 + 1), "expected at most 1000000000000000"),
    "cash-out without currency": (asked("cash_out_requested", currency=MISSING), "currency: expected a value"),
    "cash-out without id": (asked("cash_out_requested", cash_out_id=MISSING), "cash_out_id: expected a value"),
    "bill without date": (asked("bill_instalment_requested", due_on=MISSING), "due_on: expected a value"),
    "bill on a time": (
        asked("bill_instalment_requested", due_on="2026-04-06T00:00:00Z"),
        "due_on: expected at most 10 characters",
    ),
    "bill on a week": (
        asked("bill_instalment_requested", due_on="2026-W15-1"),
        "due_on: expected a date from 2000 up to 2199, such as 2026-03-01, got",
    ),
    "bill on a date in basic format": (asked("bill_instalment_requested", due_on="20260406"), 'got "20260406"'),
    "bill on a date with a line feed": (asked("bill_instalment_requested", due_on="2026-4-06\n"), "due_on: expected"),
    "bill in full-width digits": (asked("bill_instalment_requested", due_on="２０２６-04-06"), "due_on: expected"),
    "bill on 31 April": (
        asked("bill_instalment_requested", due_on="2026-04-31"),
        'due_on: expected a date from 2000 up to 2199, such as 2026-03-01, got "2026-04-31" (day',
    ),
    "bill in year 0": (asked("bill_instalment_requested", due_on="0000-01-01"), 'got "0000-01-01" (year 0'),
    "bill in 1999": (asked("bill_instalment_requested", due_on="1999-12-31"), '"1999-12-31" (out of range)'),
    "bill in 2200": (asked("bill_instalment_requested", due_on="2200-01-01"), '"2200-01-01" (out of range)'),
    "bill on a number": (asked("bill_instalment_requested", due_on=20260406), "due_on: expected a text, got 20260406"),
    "bill in 0 parts": (asked("bill_instalment_requested", periods=0), "periods: expected at least 1, got 0"),
    "bill in 121 parts": (asked("bill_instalment_requested", periods=121), "periods: expected at most 120, got 121"),
    "bill in 3.0 parts": (asked("bill_instalment_requested", periods=3.0), "periods: expected an integer, got 3.0"),
}


@pytest.mark.parametrize("case", WRONG_REQUESTS)
def test_a_request_that_can_not_be_meant_is_refused(case):
    value, detail = WRONG_REQUESTS[case]
    rejected = refused(value, "credit-line")
    assert rejected.reason == ("missing_field" if "expected a value" in detail else "wrong_field")
    assert detail in rejected.detail


def test_a_bill_is_named_by_its_date():
    assert accepted(asked("bill_instalment_requested"), "credit-line").body == BillInstalmentRequested(
        date(2026, 4, 6), 3
    )


def test_an_unfreeze_request_needs_nothing_but_the_account():
    bare = {name: asked("unfreeze_requested")[name] for name in ("event_id", "type", "occurred_at", "account_id")}
    assert accepted(bare, "credit-line").body == UnfreezeRequested()


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"repayment_id": MISSING}, "repayment_id: expected a value"),
        ({"repayment_id": "r-1\n"}, "repayment_id: expected 1 to 128"),
        ({"reason": MISSING}, "reason: expected a value"),
        ({"reason": ""}, "reason: expected at least 1 character"),
        ({"reason": "x" * 501}, "reason: expected at most 500 characters"),
    ],
)
def test_a_reversal_says_of_which_repayment_and_why(changes, detail):
    reversal = {
        "event_id": "e",
        "type": "repayment.reversed",
        "occurred_at": "2026-03-01T00:00:00Z",
        "account_id": "a-1",
        "repayment_id": "r-1",
        "reason": "chargeback",
    }
    assert accepted(reversal, "repayment").body == RepaymentReversed("r-1", "chargeback")
    assert detail in refused(changed(reversal, changes), "repayment").detail


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"payee_kind": "operator"}, "payee_kind: expected"),
        ({"payee_kind": MISSING}, "payee_kind: expected"),
        ({"payee_id": ""}, "payee_id: expected"),
        ({"payout_id": 7}, "payout_id: expected a text, got 7"),
        ({"reason": MISSING}, "reason: expected"),
        ({"reason": ""}, "reason: expected at least 1 character"),
    ],
)
def test_a_result_of_a_payout_names_it_its_payee_and_why_it_failed(changes, detail):
    result = {
        "event_id": "e",
        "type": "payout.failed",
        "occurred_at": "2026-03-01T00:00:00Z",
        "payout_id": "p-1",
        "payee_kind": "merchant",
        "payee_id": "m-1",
        "reason": "account closed",
    }
    understood = accepted(result, "payout-result")
    assert (understood.body, understood.party) == (
        PayoutFailed("p-1", "account closed"),
        Party(PartyKind.MERCHANT, "m-1"),
    )
    assert detail in refused(changed(result, changes), "payout-result").detail


def test_a_result_of_a_payout_is_keyed_by_its_payee():
    result = {
        "event_id": "e",
        "type": "payout.succeeded",
        "occurred_at": "2026-03-01T00:00:00Z",
        "payout_id": "p-1",
        "payee_kind": "account",
        "payee_id": "a-1",
    }
    rejected = refused(result, "payout-result", key="a-2")
    assert rejected.reason is DeadLetterReason.KEY_MISMATCH
    assert "the body's payee_id" in rejected.detail


def test_an_account_and_a_merchant_of_one_id_have_event_ids_of_their_own_among_results():
    result = {
        "event_id": "e",
        "type": "payout.succeeded",
        "occurred_at": "2026-03-01T00:00:00Z",
        "payout_id": "p-1",
        "payee_id": "same",
    }
    kinds = ("account", "merchant")
    hashes = {accepted({**result, "payee_kind": kind}, "payout-result").event_hash for kind in kinds}
    assert len(hashes) == 2


def test_a_type_that_is_not_built_yet_is_refused_whole(monkeypatch):
    monkeypatch.setitem(UNBUILT_TYPES, Topic.MERCHANT, ("merchant.sold",))
    rejected = refused({"event_id": "e", "type": "merchant.sold"}, "merchant")
    assert (rejected.reason, rejected.detail) == ("unknown_type", "type: not built yet: merchant.sold")


@pytest.mark.parametrize(
    ("key", "came"),
    [
        ("a-2", '"a-2"'),
        ("", '""'),
        (None, "no key"),
        (b"a-1\x00", '"a-1\\u0000"'),
        (b"\xff", '"\\ufffd"'),
        ("A-1", '"A-1"'),
    ],
)
def test_a_key_that_differs_from_the_body_is_refused(key, came):
    rejected = refused(placed(), key=key)
    assert rejected.reason is DeadLetterReason.KEY_MISMATCH
    assert rejected.detail.endswith(f"expected the body's account_id \"a-1\" as the record's key, got {came}") or (
        key == b"\xff" and "got" in rejected.detail
    )


def test_clock_and_terms_take_any_key_or_none():
    tick = {"event_id": "t", "type": "clock.ticked", "occurred_at": "2026-01-01T00:00:00Z"}
    for key in ("x", "", None, b"\xff"):
        assert accepted(tick, "clock", key=key).party is None


@pytest.mark.parametrize("topic", ["clock", "terms", "merchant-activity"])
def test_a_topic_of_one_type_refuses_others_as_clearly(topic):
    assert refused({"type": "purchase.placed"}, topic).reason is DeadLetterReason.UNKNOWN_TYPE
    assert refused({}, topic).reason is DeadLetterReason.MISSING_FIELD
    assert refused([], topic).reason is DeadLetterReason.WRONG_SHAPE


def test_a_topic_nobody_knows_is_a_defect_told_not_raised():
    rejected = refused(placed(), "lane-log", key="a-1")
    assert rejected.reason is DeadLetterReason.INTERNAL_ERROR
    first, *trace = rejected.detail.splitlines()
    assert re.fullmatch("KeyError in _understand, line [0-9]+: a defect of postpay, please report it", first)
    assert (trace[0], trace[-1]) == ("Traceback (most recent call last):", "KeyError: 'lane-log'")


def test_a_message_of_exactly_the_largest_size_is_accepted():
    assert len(accepted(padded(MAX_BYTES), key="a-1").raw) == MAX_BYTES


def test_what_only_looks_like_bad_input_is_accepted():
    for value in (
        RAW.replace(b"o-1", b"\\\\u0000"),  # an escaped backslash before u0000
        RAW.replace(b"o-1", b"\\ud83d\\ude00"),  # a whole pair of surrogates
        RAW.replace(b"o-1", "订单-\U0001f600".encode()),
        RAW.replace(b"o-1", b'\\":\\":'),  # what ends a key, within a text
        b"  \r\n\t" + RAW + b"\n",
        RAW.replace(b": ", b" :\t"),
        RAW[:-1] + b', "x": {"order_id": 1, "type": [{"type": 2}]}, "": 0, "\xe9\x94\xae": -1e400}',
        RAW[:-1] + b', "x": ' + b"[" * 199 + b"1" + b"]" * 199 + b"}",
        RAW[:-1] + b', "x": ' + b"9" * 4300 + b"}",
    ):
        accepted(value, key="a-1")


def test_the_largest_amount_and_longest_ids_are_accepted():
    message = accepted(placed(amount_minor=10**15, account_id="账" * 128, event_id="\U0001f600" * 128))
    assert message.body.amount_minor == 10**15
    assert message.party.id == "账" * 128


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-02-29T00:00:00+08:00", "2024-02-28T16:00:00+00:00"),
        ("2026-03-08T02:30:00-05:00", "2026-03-08T07:30:00+00:00"),
        ("2026-03-01t10:15:30z", "2026-03-01T10:15:30+00:00"),
        ("2026-03-01T10:15:30.1234567Z", "2026-03-01T10:15:30.123456+00:00"),
        ("2026-03-01T10:15:30-00:00", "2026-03-01T10:15:30+00:00"),
        ("2000-01-01T00:00:00Z", "2000-01-01T00:00:00+00:00"),
        ("2199-12-31T23:59:59.999999Z", "2199-12-31T23:59:59.999999+00:00"),
        ("2026-03-01T10:15:30+23:59", "2026-02-28T10:16:30+00:00"),
    ],
)
def test_a_time_is_told_in_utc(text, instant):
    assert accepted(placed(occurred_at=text)).occurred_at.isoformat() == instant


def test_a_refusal_tells_what_could_be_read_all_the_same():
    rejected = refused(placed(amount_minor=0), headers=[("traceparent", TRACEPARENT.encode())])
    assert (rejected.event_id, rejected.type) == ("e-1", "purchase.placed")
    assert rejected.occurred_at.isoformat() == "2026-03-01T02:15:30.123000+00:00"
    assert (rejected.key, rejected.headers) == (b"a-1", (("traceparent", TRACEPARENT.encode()),))
    assert (rejected.source.topic, rejected.source.partition, rejected.source.offset) == ("purchase", 3, 7)


def test_a_refusal_tells_nothing_that_is_wrong_itself():
    rejected = refused(placed(event_id=" x", type="y" * 200, occurred_at="yesterday"))
    assert (rejected.event_id, rejected.type, rejected.occurred_at) == (None, None, None)
    ambiguous = refused(RAW[:-1] + b', "event_id": "e-2"}')
    assert ambiguous.event_id is None


def test_private_values_are_not_in_a_detail():
    secret = "https://photos.example/secret face"
    inspected = {
        "event_id": "e",
        "type": "return.parcel_inspected",
        "occurred_at": "2026-03-01T00:00:00Z",
        "account_id": "a-1",
        "return_id": "r-1",
        "condition": "damaged",
        "inspected_by": "",
        "photos": [secret],
    }
    detail = refused(inspected, "return-inspection").detail
    assert "secret" not in detail
    assert "photos[0]: expected an absolute URI of at most 2048 characters" in detail
    assert f"got a text of {len(secret)} characters" in detail


def test_a_detail_stays_short():
    names = ["event_id", "order_id", "merchant_id", "currency", "item_eligible", "source", "plan"]
    detail = refused(placed(**{name: ["x" * 10_000] for name in names})).detail
    assert detail.endswith("; and 2 more")
    assert detail.count("; ") == 5
    assert len(detail) <= MAX_DETAIL
    assert len(refused(placed(type="x" * 100_000)).detail) <= MAX_DETAIL


def test_a_hundred_thousand_headers_are_harmless():
    headers = [("x", b"y")] * 100_000
    started = time.perf_counter()
    assert accepted(placed(), headers=headers).traceparent is None
    assert refused(b"{", headers=headers).headers == (("x", b"y"),) * 100
    assert time.perf_counter() - started < 0.05


def test_headers_are_looked_at_up_to_the_hundredth():
    trace = ("traceparent", TRACEPARENT.encode())
    assert accepted(placed(), headers=[("x", b"y")] * 99 + [trace]).traceparent == TRACEPARENT
    assert accepted(placed(), headers=[("x", b"y")] * 100 + [trace]).traceparent is None


@pytest.mark.parametrize(
    "value", [b"[" * 200_000, b'{"a":' * 50_000, b"9" * 260_000, b'"' + b"\\u0041" * 40_000, b"{" * 9]
)
def test_a_hostile_text_costs_little(value):
    started = time.perf_counter()
    refused(value)
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        (TRACEPARENT.encode(), True),
        (b"", False),
        (b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01", False),
        (b"00-4bf92f3577b34da6a3ce929d0e0e4736-" + b"0" * 16 + b"-01", False),
        (TRACEPARENT.upper().encode(), False),
        (b"ff" + TRACEPARENT[2:].encode(), False),
        (TRACEPARENT.encode() + b"\n", False),
        (b"\xff\xfe", False),
        (None, False),
    ],
)
def test_only_a_well_formed_trace_is_handed_on(value, taken):
    message = accepted(placed(), headers=[("other", b"1"), ("traceparent", value)])
    assert message.traceparent == (TRACEPARENT if taken else None)
