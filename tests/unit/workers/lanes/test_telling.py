"""Conflicts and dead letters in the log: found by their place, without anything that was sent."""

import io
import json
import logging
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from contracts.decode import decode
from contracts.records import RawRecord
from settlement.messages import CreditLineOpened
from settlement.party import Party, PartyKind
from tests.property.tellers.teller import message_of
from tests.unit.workers.lanes.lane_in_memory import LaneInMemory, at_start, taken
from workers import logs
from workers.lanes.deciding import Decider
from workers.lanes.taken import Taken
from workers.lanes.telling import CONFLICT, DEAD_LETTER, Teller
from workers.settings.model import Log

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def written():
    root = logging.getLogger()
    before = (root.handlers, root.level)
    stream = io.StringIO()
    logs.configure(Log(), stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers, root.level = before


def opened(limit_minor, offset):
    body = CreditLineOpened("tmall", limit_minor, "CNY", score=700, card_linked=True, identity_verified=True)
    return message_of(body, Party(PartyKind.ACCOUNT, "account-7"), NOW, "the-same-event", offset)


async def test_a_conflict_and_dead_letters_are_a_line_each(written):
    secret = json.dumps({"event_id": "e", "type": "138-0000-0000", "occurred_at": "2026-03-02T09:00:00Z"}).encode()
    unknown = RawRecord("purchase", 0, 17, 0, b"account-7", secret, ())
    lane = LaneInMemory(Decider(0, 1, event_clock=True), at_start())
    other = opened(200_000, 5)
    records = [taken(opened(100_000, 4)), taken(replace(other, fingerprint=b"other", type="credit_line.opened"))]
    decided = await lane.settle([*records, Taken(unknown, decode(unknown))], NOW)
    Teller().tell(0, decided)
    conflict, letter = written()
    assert (conflict["event"], conflict["topic"], conflict["partition"], conflict["offset"]) == (
        CONFLICT,
        "credit-line",
        0,
        5,
    )
    assert (conflict["type"], conflict["event_id"]) == ("credit_line.opened", "…vent")
    assert (letter["event"], letter["topic"], letter["offset"]) == (DEAD_LETTER, "purchase", 17)
    assert (letter["type"], letter["reason"], letter["level"]) == ("unknown", "unknown_type", "warning")
    assert "138" not in json.dumps(letter)
    assert "account-7" not in json.dumps(written())
