"""Small pieces of the protocol: fingerprints, bounds, packing, lane-log records, checkpoints, homes."""

import json
from datetime import UTC, datetime

import msgpack
import pytest
from aiokafka import TopicPartition
from aiokafka.partitioner import DefaultPartitioner

from contracts.records import RawRecord
from workers.kafka.homes import home_of
from workers.lanes.claims import (
    Bounds,
    LaneStoppedError,
    fingerprint,
    fingerprint_offset,
    require_same,
    require_unbroken,
)
from workers.lanes.fault_points import CHECKPOINTS, UnknownCheckpointError, parse
from workers.lanes.lanelog import BatchLog, BranchLog, ClaimLog, OffsetRange, decode_log
from workers.lanes.outgoing import PART_BYTES, OutboxMessage, Relayable, packed, unpack
from workers.lanes.takeover import to_be_fenced

TP = TopicPartition("purchase", 3)


def record(**changed):
    fields = {"offset": 7, "timestamp": 1000, "key": b"k", "value": b"v"} | changed
    return RawRecord("purchase", 3, fields["offset"], fields["timestamp"], fields["key"], fields["value"])


@pytest.mark.parametrize(
    "changed", [{"offset": 8}, {"timestamp": 1001}, {"key": b"K"}, {"value": b"V"}, {"value": None}]
)
def test_a_fingerprint_tells_any_other_record_apart(changed):
    assert fingerprint(record()) == fingerprint(record())
    assert fingerprint(record()) != fingerprint(record(**changed))


def test_a_fingerprint_does_not_mix_key_and_value():
    assert fingerprint(record(key=b"ab", value=b"c")) != fingerprint(record(key=b"b", value=b"ca"))


def test_a_fingerprint_knows_its_offset():
    assert fingerprint_offset(fingerprint(record(offset=2**40))) == 2**40


@pytest.mark.parametrize("next_offset", [5, 7, 10])
def test_a_position_within_the_log_is_fine(next_offset):
    require_unbroken(TP, next_offset, Bounds(5, 10))


@pytest.mark.parametrize(("next_offset", "said"), [(4, "offsets 4 to 4 were deleted"), (11, "ends at offset 10")])
def test_a_position_outside_of_the_log_stops_the_lane_and_may_heal(next_offset, said):
    with pytest.raises(LaneStoppedError, match=said) as stopped:
        require_unbroken(TP, next_offset, Bounds(5, 10))
    assert stopped.value.may_heal


def test_another_record_where_the_last_one_stood_stops_the_lane():
    require_same(TP, fingerprint(record()), fingerprint(record()))
    with pytest.raises(LaneStoppedError, match="offset 7 is not the one"):
        require_same(TP, fingerprint(record()), fingerprint(record(value=b"other")))


@pytest.mark.parametrize("sizes", [[1], [PART_BYTES], [PART_BYTES - 1, 1, 1], [10] * 1000, [3 * PART_BYTES, 5]])
def test_what_is_packed_in_parts_is_unpacked_whole_and_in_order(sizes):
    messages = [
        OutboxMessage("topic", 2, b"%d" % place, b"x" * size, (("name", b"\xff"),)) for place, size in enumerate(sizes)
    ]
    parts = packed(messages)
    assert all(parts)
    assert unpack(5, parts) == Relayable(5, messages, sum(map(len, parts)))


def test_a_message_without_key_or_headers_survives_packing():
    message = OutboxMessage("dead-letter", 0, None, b"v", ())
    assert unpack(1, packed([message])).messages == [message]


def test_the_outbox_keeps_the_form_in_which_rows_are_stored():
    """A row that an earlier release wrote is read, and what is written now can be read by it."""
    stored = msgpack.packb([["payout", 3, b"key", b"value", [["ce_type", b"payout.requested"], ["odd", None]]]])
    message = OutboxMessage("payout", 3, b"key", b"value", (("ce_type", b"payout.requested"), ("odd", None)))
    assert unpack(1, [stored]).messages == [message]
    assert packed([message]) == [stored]


def test_a_branch_in_the_lane_log_keeps_the_format_that_is_documented():
    branch = BranchLog("d", lane=11, lanes=32, from_lane=3, from_lanes=8, batch_seq=7, next_seq=40, chain_hash=b"\xff")
    assert json.loads(branch.encode()) == {
        "kind": "branch",
        "format": 1,
        "database_id": "d",
        "lane": 11,
        "lanes": 32,
        "from_lane": 3,
        "from_lanes": 8,
        "batch_seq": 7,
        "next_seq": 40,
        "chain_hash": "ff",
    }
    assert decode_log(branch.encode()) == branch


def claim(sender="", *, epoch=1, released=False):
    return ClaimLog("d", "c", "p-", "g", 3, epoch, "host/1", sender, released)


def test_a_claim_in_the_lane_log_keeps_the_format_that_is_documented():
    of_before = {
        "kind": "claim",
        "format": 1,
        "database_id": "d",
        "cluster_id": "c",
        "prefix": "p-",
        "group": "g",
        "lane": 3,
        "epoch": 1,
        "owner": "host/1",
    }
    assert json.loads(claim("s", released=True).encode()) == {**of_before, "sender": "s", "released": True}
    assert decode_log(claim("s", released=True).encode()) == claim("s", released=True)
    assert decode_log(json.dumps(of_before).encode()) == claim()


@pytest.mark.parametrize(
    ("claims", "fenced"),
    [
        ([], {"postpay-d-lane-3"}),
        ([claim()], {"postpay-d-lane-3"}),
        ([claim("a")], {"a"}),
        ([claim("a"), claim("b", epoch=2)], {"a", "b"}),
        ([claim("a"), claim("a", released=True), claim("b", epoch=2)], {"b"}),
        ([claim("a"), claim("a", released=True)], set()),
        ([claim("a", released=True), claim("a", epoch=2)], {"a"}),
        ([claim("a", released=True), claim(epoch=2)], {"postpay-d-lane-3"}),
    ],
    ids=["none", "of before", "one", "two", "one released", "all released", "claimed again", "back to one of before"],
)
def test_who_is_named_and_has_not_released_the_lane_is_fenced(claims, fenced):
    assert to_be_fenced(claims, "d", 3) == fenced


def test_a_lane_log_record_keeps_the_format_that_is_documented():
    log = BatchLog(
        database_id="d",
        lane=3,
        epoch=5,
        batch_seq=7,
        lane_time=datetime(2026, 3, 1, 8, tzinfo=UTC),
        offsets={"purchase": OffsetRange(10, 15, 4)},
        timers_until=datetime(2026, 3, 1, tzinfo=UTC),
        timer_parties=2,
        timers_fired=3,
        terms_digest=b"\x01",
        rules_version=1,
        outcomes={"applied": 4},
        chain_hash=b"\xff",
    )
    assert json.loads(log.encode()) == {
        "kind": "batch",
        "format": 1,
        "database_id": "d",
        "lane": 3,
        "epoch": 5,
        "batch_seq": 7,
        "lane_time": "2026-03-01T08:00:00+00:00",
        "offsets": {"purchase": [10, 15, 4]},
        "timers": {"until": "2026-03-01T00:00:00+00:00", "parties": 2, "fired": 3},
        "terms": "01",
        "rules_version": 1,
        "outcomes": {"applied": 4},
        "chain_hash": "ff",
    }


@pytest.mark.parametrize(
    ("fault", "expected"), [("before_commit", ("before_commit", 1)), ("fetched:12", ("fetched", 12))]
)
def test_a_fault_names_a_checkpoint_and_a_passage(fault, expected):
    assert parse(fault) == expected


@pytest.mark.parametrize("fault", ["nowhere", "fetched:x", ":3", "fetched:-1"])
def test_a_fault_that_names_no_checkpoint_is_refused_with_those_there_are(fault):
    with pytest.raises(UnknownCheckpointError, match=CHECKPOINTS[0]):
        parse(fault)


def test_homes_are_those_of_kafkas_own_partitioner():
    partitioner = DefaultPartitioner()
    for number in range(500):
        name = f"账户-{number}"
        assert home_of(name, 8) == partitioner(name.encode(), list(range(8)), list(range(8)))
