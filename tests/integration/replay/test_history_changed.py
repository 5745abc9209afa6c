"""A lane-log or a topic that is not the one the database was settled from is found as well."""

from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.topics import Topic
from workers.replay import broker, merge

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CHANGES = {
    "chain_hash": lambda log: {"chain_hash": bytes(32)},
    "lane_time": lambda log: {"lane_time": log.lane_time + timedelta(seconds=1)},
    "outcomes": lambda log: {"outcomes": {**log.outcomes, "applied": 99}},
    "terms_digest": lambda log: {"terms_digest": bytes(32)},
    "timers_fired": lambda log: {"timers_fired": log.timers_fired + 1},
    "database_id": lambda log: {"database_id": "another"},
}


@pytest.mark.parametrize("column", CHANGES)
async def test_a_record_of_the_lane_log_that_was_changed_is_named(settled, column, monkeypatch):
    decode = merge.decode_log

    def changed(value):
        log = decode(value)
        is_chosen = isinstance(log, merge.BatchLog) and log.batch_seq == 4
        return replace(log, **CHANGES[column](log)) if is_chosen else log

    monkeypatch.setattr(merge, "decode_log", changed)

    found = (await settled.verify()).difference

    if column == "database_id":  # the reading itself refuses two histories in one topic
        assert "two histories in one topic" in found.recorded
    else:
        assert found.batch_seq == 4 and found.column == column, str(found)
        assert "lane-log" in found.where or column in {"chain_hash", "lane_time"}


async def test_a_lane_log_that_lacks_a_batch_is_named(settled, monkeypatch):
    decode = merge.batch_log

    def without(record):
        log = decode(record)
        return None if log is not None and log.batch_seq == 4 else log

    monkeypatch.setattr(merge, "batch_log", without)

    found = (await settled.verify()).difference

    assert found.where == "its history" and "has batch 5 after batch 3: one is missing" in found.recorded


async def test_a_record_of_a_topic_that_was_changed_is_told_by_the_decision_it_led_to(settled, monkeypatch):
    read = broker.raw_record

    def changed(topic, record):
        raw = read(topic, record)
        is_chosen = topic == Topic.CREDIT_LINE and raw.offset == 3
        return raw._replace(value=raw.value.replace(b"limit_minor", b"limit_minor ")) if is_chosen else raw

    monkeypatch.setattr(broker, "raw_record", changed)

    found = (await settled.verify()).difference

    assert f"{Topic.CREDIT_LINE}/0/3" in found.where or "credit-line/0/3" in found.decided, str(found)
    assert "those that were hashed when it was settled" in found.note
