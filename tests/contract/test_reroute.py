"""Records that came to the wrong lane."""

from dataclasses import replace

import pytest

from contracts.decode import decode
from contracts.headers import MAX_READ
from contracts.records import RawRecord, Rejected
from contracts.reroute import encode_reroute
from tests.contract.builders import TRACEPARENT, placed, record

ORIGIN = [
    ("postpay-origin-topic", b"purchase"),
    ("postpay-origin-partition", b"3"),
    ("postpay-origin-offset", b"7"),
    ("postpay-origin-timestamp", b"1772331330123"),
]


def sent_on(original: RawRecord) -> RawRecord:
    """The record as its home lane reads it from `rerouted`."""
    message = encode_reroute(original)
    return RawRecord(message.topic, 5, 99, 1, message.key, message.value, message.headers)


def test_a_re_routed_record_is_understood_as_its_origin():
    original = record(placed(), headers=[("traceparent", TRACEPARENT.encode()), ("own", b"1")])
    rerouted = sent_on(original)
    assert rerouted.topic == "rerouted"
    assert decode(rerouted) == decode(original)
    assert list(rerouted.headers) == [*ORIGIN, *original.headers]


def test_a_refusal_of_a_re_routed_record_names_its_origin():
    original = record(placed(amount_minor=0))
    assert replace(decode(sent_on(original)), headers=()) == decode(original)


def test_a_producers_own_origin_headers_are_not_believed():
    original = record(placed(), headers=[("postpay-origin-offset", b"666"), ("own", b"1")])
    assert list(sent_on(original).headers) == [*ORIGIN, ("own", b"1")]
    assert decode(sent_on(original)).source.offset == 7


@pytest.mark.parametrize(
    "headers", [[("x", b"y")] * (MAX_READ + 1), [("x", b"y" * 20_000)]], ids=["too many", "too large"]
)
def test_of_very_many_headers_only_the_trace_is_carried_on(headers):
    original = record(placed(), headers=[("traceparent", TRACEPARENT.encode()), *headers])
    assert list(sent_on(original).headers) == [*ORIGIN, ("traceparent", TRACEPARENT.encode())]
    assert decode(sent_on(original)) == decode(original)
    assert list(sent_on(record(placed(), headers=headers)).headers) == ORIGIN


def test_the_first_of_two_origin_headers_counts():
    rerouted = record(placed(), "rerouted", key="a-1", headers=[*ORIGIN, ("postpay-origin-offset", b"8")])
    assert decode(rerouted).source.offset == 7


@pytest.mark.parametrize(
    "changes",
    [
        {"postpay-origin-topic": None},
        {"postpay-origin-topic": b"rerouted"},
        {"postpay-origin-topic": b"notification"},
        {"postpay-origin-topic": b"\xff"},
        {"postpay-origin-partition": None},
        {"postpay-origin-partition": b"-1"},
        {"postpay-origin-offset": b"7.0"},
        {"postpay-origin-offset": b"9" * 19},
        {"postpay-origin-timestamp": b""},
        {"postpay-origin-timestamp": "١".encode()},
    ],
)
def test_a_record_without_a_proper_origin_is_refused_under_its_own_name(changes):
    headers = [(name, changes.get(name, value)) for name, value in ORIGIN]
    rejected = decode(record(placed(), "rerouted", key="a-1", headers=headers))
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "bad_origin"
    assert rejected.source.topic == "rerouted"
    assert "postpay-origin-topic" in rejected.detail


def test_nothing_is_re_routed_twice_or_without_a_value():
    original = record(placed())
    with pytest.raises(ValueError, match="rerouted/5/99 can't be re-routed"):
        encode_reroute(sent_on(original))
    with pytest.raises(ValueError, match="purchase/3/7"):
        encode_reroute(original._replace(value=None))


def test_an_input_is_equal_whichever_way_it_came():
    original = record(placed())
    assert replace(decode(sent_on(original)), raw=b"") == replace(decode(original), raw=b"")
