"""Bad fields: each is named with what was expected and what came."""

from datetime import date

import pytest

from settlement.dead_letter import DeadLetterReason
from settlement.messages import BillInstalmentRequested, PayoutFailed, RepaymentReversed, UnfreezeRequested
from settlement.party import Party, PartyKind
from tests.contract.builders import MISSING, RAW, accepted, changed, placed, refused

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
