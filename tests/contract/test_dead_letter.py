"""What is told of an input that can't be understood or settled."""

import hashlib
import json
from base64 import b64decode
from dataclasses import replace

import jsonschema
import pytest

from contracts.dead_letter_messages import MAX_KEY_BYTES, MAX_VALUE_BYTES, encode_dead_letter
from contracts.schemas import output_schemas
from settlement.dead_letter import DeadLetter, DeadLetterReason, of_input, of_timer
from settlement.timers import Timer, TimerKind
from tests.contract.builders import ACCOUNT, NOW, TRACEPARENT, accepted, placed, refused


def letter(value=b"{", **more) -> DeadLetter:
    return refused(value, **more).dead_letter(NOW)


def told(dead: DeadLetter) -> dict:
    message = encode_dead_letter(dead)
    value = json.loads(message.value)
    jsonschema.validate(value, output_schemas()["dead_letter.recorded"], jsonschema.Draft202012Validator)
    return value


def test_it_carries_reason_place_and_the_raw_bytes():
    value = told(letter(b"\xff\x00", key=b"\xfe"))
    assert (value["topic"], value["partition"], value["offset"], value["reason"]) == ("purchase", 3, 7, "nul")
    assert b64decode(value["value_base64"]) == b"\xff\x00"
    assert b64decode(value["key_base64"]) == b"\xfe"
    assert value["value_sha256"] == hashlib.sha256(b"\xff\x00").hexdigest()
    assert value["value_bytes"] == 2
    assert value["causation_id"] == value["event_id"]


def test_it_is_keyed_like_the_record_and_bears_the_trace():
    message = encode_dead_letter(letter(placed(amount_minor=0), headers=[("traceparent", TRACEPARENT.encode())]))
    headers = dict(message.headers)
    assert (message.topic, message.key) == ("dead-letter", b"a-1")
    assert headers["ce_type"] == b"dead_letter.recorded"
    assert headers["ce_time"] == b"2026-04-01T16:00:00.250000Z"
    assert headers["traceparent"] == TRACEPARENT.encode()
    assert json.loads(message.value)["input_event_id"] == "e-1"


def test_a_record_without_key_or_value_leaves_them_out():
    message = encode_dead_letter(letter(None, key=None))
    value = told(letter(None, key=None))
    assert message.key is None
    assert not {"key_base64", "value_base64", "value_sha256", "input_event_id"} & value.keys()
    assert value["value_bytes"] == 0


@pytest.mark.parametrize(("size", "carried"), [(MAX_VALUE_BYTES, True), (MAX_VALUE_BYTES + 1, False), (2**20, False)])
def test_a_large_value_is_told_by_size_and_hash_only(size, carried):
    raw = b"x" * size
    value = told(letter(raw))
    assert ("value_base64" in value) == carried
    assert (value["value_bytes"], value["value_sha256"]) == (size, hashlib.sha256(raw).hexdigest())


def test_a_huge_key_is_cut():
    message = encode_dead_letter(letter(b"{", key=b"k" * 2**20))
    assert message.key == b"k" * MAX_KEY_BYTES
    assert len(message.value) < 10_000


def test_one_record_has_one_dead_letter_id():
    assert letter(b"{").dead_letter_id == letter(b"[").dead_letter_id == "purchase/3/7"
    # Consumers know a dead letter by its event_id: it never changes.
    assert told(letter(b"{"))["event_id"] == told(letter(b"["))["event_id"] == "68ef782e-a07b-5abe-a28a-6fadc826729b"
    assert told(letter(b"{"))["event_id"] != told(letter(b"{", offset=8))["event_id"]
    assert told(letter(b"{"))["event_id"] != told(letter(b"{", topic="repayment"))["event_id"]


def test_an_input_that_can_not_be_settled_is_told_the_same_way():
    message = accepted(placed(), headers=[("traceparent", TRACEPARENT.encode())])
    dead = of_input(message, DeadLetterReason.UNMATCHED, "order:o-1 did not become known within 72 hours", NOW)
    value = told(dead)
    assert dict(encode_dead_letter(dead).headers)["traceparent"] == TRACEPARENT.encode()
    assert (value["reason"], value["causation_id"], value["input_event_id"]) == ("unmatched", "e-1", "e-1")
    assert b64decode(value["value_base64"]) == message.raw
    assert b64decode(value["key_base64"]) == b"a-1"


def test_an_input_of_no_party_has_no_key():
    tick = accepted({"event_id": "t", "type": "clock.ticked", "occurred_at": "2026-01-01T00:00:00Z"}, "clock", key=None)
    assert encode_dead_letter(of_input(tick, DeadLetterReason.TIME_JUMP, "too far", NOW)).key is None


def test_nobody_is_told_of_a_timer():
    timer = Timer(ACCOUNT, TimerKind.TRIAL_END, "o-1", NOW)
    with pytest.raises(ValueError, match="expected the dead letter of a record, got trial_end"):
        encode_dead_letter(of_timer(timer, DeadLetterReason.INTERNAL_ERROR, "KeyError", NOW))


def test_what_json_and_postgres_cannot_hold_is_spelled_out():
    assert told(replace(letter(b"{"), detail="a \0 and \ud800"))["detail"] == "a \\x00 and \\ud800"


def test_a_long_detail_is_cut():
    assert len(told(replace(letter(b"{"), detail="x" * 10_000))["detail"]) == 2000
