"""Records that came to the wrong lane."""

import json
from dataclasses import replace

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from contracts import headers
from contracts.decode import _unwrap, decode
from contracts.records import RawRecord, Rejected
from contracts.reroute import encode_reroute
from contracts.topics import LANE_TOPICS, Topic
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


def over_the_wire(sent: RawRecord) -> RawRecord:
    """The same after it was written to a record batch, as Kafka keeps it, and read from there."""
    writer = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 2**20)
    writer.append(0, timestamp=sent.timestamp_ms, key=sent.key, value=sent.value, headers=list(sent.headers))
    (found,) = MemoryRecords(bytes(writer.build())).next_batch()
    return sent._replace(key=found.key, value=found.value, headers=found.headers)


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
    "more", [[("x", b"y")] * (headers.MAX_READ + 1), [("x", b"y" * 20_000)]], ids=["too many", "too large"]
)
def test_of_very_many_headers_only_the_trace_is_carried_on(more):
    original = record(placed(), headers=[("traceparent", TRACEPARENT.encode()), *more])
    assert list(sent_on(original).headers) == [*ORIGIN, ("traceparent", TRACEPARENT.encode())]
    assert decode(sent_on(original)) == decode(original)
    assert list(sent_on(record(placed(), headers=more)).headers) == ORIGIN


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
        {"postpay-origin-partition": b"%d" % 2**31},
        {"postpay-origin-offset": b"-1"},
        {"postpay-origin-offset": b"%d" % 2**63},
        {"postpay-origin-offset": b"1" * 5000},
        {"postpay-origin-timestamp": b"%d" % 2**63},
        {"postpay-origin-timestamp": b"--1"},
        {"postpay-origin-timestamp": b""},
        {"postpay-origin-timestamp": "١".encode()},
    ],
)
def test_a_record_without_a_proper_origin_is_refused_under_its_own_name(changes):
    changed = [(name, changes.get(name, value)) for name, value in ORIGIN]
    rejected = decode(record(placed(), "rerouted", key="a-1", headers=changed))
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "bad_origin"
    assert rejected.source.topic == "rerouted"
    assert "postpay-origin-topic" in rejected.detail


HEADER_NAMES = st.sampled_from([*headers.ORIGIN, headers.TRACEPARENT]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=20
)
HEADER_VALUES = st.none() | st.sampled_from([TRACEPARENT.encode(), b"-1", b"rerouted"]) | st.binary(max_size=300)
RECORDS = st.builds(
    RawRecord,
    topic=st.sampled_from(sorted(set(LANE_TOPICS) - {Topic.REROUTED})).map(str),
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
    timestamp_ms=st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-1, 0]),
    key=st.none() | st.binary(max_size=50) | st.just(b"a-1"),
    value=st.binary(max_size=50) | st.just(json.dumps(placed()).encode()),
    headers=st.lists(st.tuples(HEADER_NAMES, HEADER_VALUES), max_size=5)
    | st.lists(st.tuples(HEADER_NAMES, HEADER_VALUES), min_size=99, max_size=102),
)


@given(RECORDS)
def test_whatever_is_sent_on_is_read_back_as_it_came(original):
    rerouted = over_the_wire(sent_on(original))
    assert _unwrap(rerouted)._replace(headers=()) == original._replace(headers=())
    given, read = decode(original), decode(rerouted)
    if isinstance(given, Rejected):  # a dead letter tells the headers that it came with, those of the origin included
        given, read = replace(given, headers=()), replace(read, headers=())
    assert read == given


def test_nothing_is_re_routed_twice_or_without_a_value():
    original = record(placed())
    with pytest.raises(ValueError, match="rerouted/5/99 can't be re-routed"):
        encode_reroute(sent_on(original))
    with pytest.raises(ValueError, match="purchase/3/7"):
        encode_reroute(original._replace(value=None))


def test_an_input_is_equal_whichever_way_it_came():
    original = record(placed())
    assert replace(decode(sent_on(original)), raw=b"") == replace(decode(original), raw=b"")
