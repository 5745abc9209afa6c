"""What failed by a defect fails again, whatever this release would make of it; gaps are told."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from contracts.decode import decode
from contracts.records import RawRecord
from settlement.dead_letter import DeadLetterReason
from tests.unit.workers.lanes.lane_in_memory import at_start
from workers.lanes.deciding import Decider
from workers.lanes.lanelog import BatchLog, OffsetRange
from workers.lanes.outgoing import Outgoing
from workers.lanes.taken import REFUSED, Taken
from workers.replay.lane_replay import Failures, Gap, LaneReplay
from workers.replay.merge import RecordedBatch
from workers.replay.spill import Spill
from workers.replay.tables import LaneTables

NOW = datetime(2026, 4, 1, 9, tzinfo=UTC)


def opening(offset: int, at: datetime = NOW) -> Taken:
    account_id = f"acc-{offset}"
    body = {
        "event_id": f"e-{offset}",
        "type": "credit_line.opened",
        "occurred_at": at.isoformat(),
        "account_id": account_id,
        "programme": "kuaishou",
        "limit_minor": 1000,
        "currency": "CNY",
    }
    record = RawRecord("credit-line", 0, offset, 0, account_id.encode(), json.dumps(body).encode())
    return Taken(record, decode(record))


def log_of(decided, offsets: dict[str, OffsetRange]) -> BatchLog:
    return Outgoing("database", 0, 1, 1).log(decided, offsets)


@pytest.fixture
def replay(tmp_path):
    spill = Spill(tmp_path / "lane.sqlite")
    yield LaneReplay(Decider(0, 1, event_clock=True), at_start(), LaneTables(0, spill))
    spill.close()


async def decided(replay: LaneReplay, *taken: Taken, failures: Failures | None = None):
    made = RecordedBatch(None, NOW, taken, len(taken))
    undecided = replay.decider.sort_out(taken, replay.standing, NOW)
    draft = await replay.decider.decide(undecided, [], replay.tables.load)
    log = log_of(draft, {})
    return await replay.decide(made, log, failures or Failures())


async def test_what_was_decided_is_decided(replay):
    found = await decided(replay, opening(0))
    assert [row.outcome for row in found.recorded.decisions] == ["applied"]


async def test_a_record_that_could_not_be_decoded_is_not_decoded_again(replay):
    later = opening(1, NOW + timedelta(days=1))
    found = await decided(replay, opening(0), later, failures=Failures(decoding={"credit-line/0/1": "it broke"}))
    (letter,) = found.rejected
    assert (letter.reason, letter.detail, letter.event_id) == (DeadLetterReason.INTERNAL_ERROR, "it broke", None)
    assert (letter.key, letter.raw) == (later.record.key, later.record.value)
    assert found.lane_time == NOW, "what was not understood tells no time"


async def test_an_input_that_could_not_be_decided_is_not_decided_again_but_has_told_the_time(replay):
    later = opening(1, NOW + timedelta(days=1))
    found = await decided(replay, opening(0), later, failures=Failures(deciding={"credit-line/0/1": "it broke"}))
    assert [each.decision.outcome for each in found.results] == ["applied", "dead_lettered"]
    assert (found.results[1].dead_letter.detail, found.lane_time) == ("it broke", NOW + timedelta(days=1))


async def test_an_input_that_the_database_refused_is_refused_again_with_all_that_was_understood_of_it(replay):
    refusal = (DeadLetterReason.AMOUNT_OVERFLOW, f"{REFUSED} (…)")
    found = await decided(replay, opening(0), failures=Failures(refused={"credit-line/0/0": refusal}))
    (letter,) = found.rejected
    assert (letter.reason, letter.detail, letter.event_id) == (*refusal, "e-0")
    assert not found.results and found.lane_time == NOW


async def test_offsets_that_a_batch_passed_over_are_told(replay):
    first = await decided(replay, opening(0))
    replay.keep(first, log_of(first, {"credit-line": OffsetRange(0, 1, 1)}))
    second = await decided(replay, opening(5))
    replay.keep(second, log_of(second, {"credit-line": OffsetRange(5, 6, 1)}))
    assert replay.gaps == [Gap(2, "credit-line", 1, 5)]
    assert replay.positions["credit-line"].next_offset == 6
