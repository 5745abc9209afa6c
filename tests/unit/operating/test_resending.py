import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from operating.edits import Edit
from operating.refusal import ActionRefusedError
from operating.resending import resending
from settlement.dead_letter import DeadLetter, DeadLetterReason
from settlement.messages import Source
from storage.dead_letters import KeptLetter
from workers.kafka.homes import home_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RECEIVED = {
    "event_id": "e-1",
    "type": "purchase.received",
    "occurred_at": "2026-01-01T10:00:00+08:00",
    "account_id": "a-1",
    "order_id": "o-1",
}
LANES = 8


def kept(body=None, *, topic: str = "purchase", key: bytes = b"a-1", headers=()) -> KeptLetter:
    raw = json.dumps(RECEIVED | (body or {}), indent=1).encode()
    reason = DeadLetterReason.UNMATCHED
    return KeptLetter(5, DeadLetter(Source(topic, 3, 7), None, reason, "why", NOW, key, raw, "e-1", headers=headers))


def test_as_it_came_it_takes_the_way_it_took_and_names_its_dead_letter():
    came = kept(
        headers=(("traceparent", b"t"), ("postpay-origin-topic", b"x"), ("postpay-redrive-of", b"purchase/1/1"))
    )
    made = resending(came, None, LANES)
    assert (made.record.topic, made.record.partition, made.record.key) == ("purchase", 3, b"a-1")
    assert made.record.value == came.letter.raw
    assert made.record.headers == (("traceparent", b"t"), ("postpay-redrive-of", b"purchase/3/7"))
    assert (made.message.event_id, made.is_edited, made.lane) == ("e-1", False, 5)


def test_with_another_key_it_goes_to_that_ones_home():
    edit = Edit([("account_id", "a-2")], key="a-2")
    made = resending(kept(), edit, LANES)
    assert made.record.key == b"a-2"
    assert made.record.partition == made.lane == home_of("a-2", LANES)
    same = resending(kept(), Edit([("order_id", "o-2")], key="a-1"), LANES)
    assert (same.record.partition, same.lane) == (3, 5)


def test_headers_stay_as_many_as_are_read():
    made = resending(kept(headers=tuple((f"h{number}", b"") for number in range(100))), None, LANES)
    assert len(made.record.headers) == 100
    assert made.record.headers[-1] == ("postpay-redrive-of", b"purchase/3/7")


@pytest.mark.parametrize(
    ("letter", "edit", "said"),
    [
        (kept({"order_id": 1}), None, "it would be a dead letter again: wrong_field: order_id"),
        (kept(), Edit([("order_id", "")]), "it would be a dead letter again: wrong_field: order_id"),
        (kept(), Edit(key="a-2"), "it would be a dead letter again: key_mismatch"),
        (kept(topic="rerouted"), None, "nobody knows which topic"),
        (kept(topic="merchant-activity"), Edit([("a", 1)]), "postpay's own"),
        (KeptLetter(5, replace(kept().letter, source=None, timer_id="t-1")), None, "t-1 was a timer's"),
    ],
)
def test_what_can_not_be_sent_again_is_refused_with_the_reason(letter, edit, said):
    with pytest.raises(ActionRefusedError, match=said):
        resending(letter, edit, LANES)
