"""Bad input: each record gets its reason, and a detail that says what was expected, what came and where."""

import re
import time

import pytest

from contracts.catalogue import UNBUILT_TYPES
from contracts.topics import Topic
from settlement.dead_letter import MAX_DETAIL, DeadLetterReason
from tests.contract.builders import RAW, TRACEPARENT, accepted, placed, refused


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
