"""What a settler wrote to Postgres, decided again from records and lane-log alone, on tables in memory."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

import pytest

from contracts.decode import decode
from contracts.records import RawRecord
from contracts.topics import Topic
from demo.answers import HEARD_TOPICS, Answers
from demo.history import History, tick
from demo.record import Record
from settlement.draft import Rules
from settlement.state import PartyState
from settlement.terms import TermsBook
from settlement.timers import Timer, TimerKind
from storage import lanes, load, outbox
from storage.identity import identity
from tests.integration.storage.settling import START, account, merchant, write_states
from tests.unit.workers.lanes.lane_in_memory import LaneInMemory, at_start
from workers.kafka.homes import home_of
from workers.lanes.deciding import Decider
from workers.lanes.outgoing import Outgoing, unpack
from workers.lanes.taken import Taken
from workers.lanes.transaction import Settler
from workers.lanes.working_days import working_days
from workers.settings.model import Settings
from workers.status import WorkerStatus

LANE, LANES = 0, 2
DAYS = 45
TIMERS_PER_BATCH = 3


@dataclass
class Topics:
    """Partition 0 of each topic, in the order in which it was written."""

    records: list[RawRecord] = field(default_factory=list)
    ends: dict[str, int] = field(default_factory=dict)

    def add(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        offset = self.ends.get(topic, 0)
        self.ends[topic] = offset + 1
        self.records.append(RawRecord(topic, LANE, offset, 0, key, value))

    def taken(self, begin: int, end: int) -> list[Taken]:
        return [Taken(record, decode(record)) for record in self.records[begin:end]]


class Live:
    """A settler on Postgres that is fed a quarter's records, day by day."""

    def __init__(self, settler: Settler, answers: Answers) -> None:
        self.settler = settler
        self.answers = answers
        self.topics = Topics()
        self.batches: list[tuple[int, int]] = []
        """Of each, which records."""
        self.dice = Random(7)

    async def feed(self, records: list[Record]) -> None:
        for record in records:
            self.topics.add(record.topic.value, record.key, record.value)
        while (begin := self.batches[-1][1] if self.batches else 0) < len(self.topics.records):
            await self.settle(begin, min(len(self.topics.records), begin + self.dice.randint(1, 40)))

    async def fire(self, now: datetime) -> None:
        while self.settler.timers_due(now):
            end = self.batches[-1][1]
            await self.settle(end, end)

    async def settle(self, begin: int, end: int) -> None:
        taken = self.topics.taken(begin, end)
        read_to = {each.record.topic: each.record.offset + 1 for each in taken}
        settlement = await self.settler.settle(taken, read_to)
        if settlement is None:
            return
        self.batches.append((begin, end))
        for message in settlement.relayable.messages:
            if message.topic in HEARD_TOPICS:
                self.answers.hear(message.topic, message.value)
            if message.topic == Topic.MERCHANT_ACTIVITY and message.partition == LANE:
                self.topics.add(message.topic, message.key, message.value)


@pytest.mark.slow
@pytest.mark.parametrize("clock", ["event", "wall"])
async def test_records_and_lane_log_give_the_rows_hashes_and_outputs_that_were_written(clock, pool, connection):
    settings = Settings(clock=clock, lanes=LANES, worker={"timers_per_batch": TIMERS_PER_BATCH})
    claim = await lanes.claim(connection, LANE, "test")
    found = await identity(connection)
    status = WorkerStatus()
    history = History(accounts=24, merchants=4, days=DAYS, seed=3)
    live = Live(Settler(claim, settings=settings, identity=found, pool=pool, status=status), Answers(3))
    for day in range(DAYS):
        midnight = history.midnight_after(day)
        records = [*history.day(day), *live.answers.due(midnight)]
        await live.feed([*sorted(records, key=lambda each: each.delivered_at), tick(midnight)])
        await live.fire(midnight)
    rows = await connection.fetch(
        "SELECT seq, n, party_id, debit, credit, currency, amount_minor FROM posting WHERE lane = $1 ORDER BY seq, n",
        LANE,
    )
    again, written = [], await outbox.read_after(connection, LANE, 0, 10**9)
    assert len(written) == len(live.batches) > DAYS
    lane = LaneInMemory(
        Decider(LANE, LANES, event_clock=clock == "event"),
        at_start(LANE, Rules(TermsBook.builtin(), working_days())),
        whole=False,
    )
    outgoing = Outgoing(str(found.database_id), LANE, claim.epoch, LANES)
    for (begin, end), batch in zip(live.batches, written, strict=True):
        *outputs, last = unpack(batch.batch_seq, batch.parts).messages
        log = json.loads(last.value)
        decided = await lane.settle(
            live.topics.taken(begin, end), datetime.fromisoformat(log["lane_time"]), log["timers"]["parties"]
        )
        assert list(outgoing.outputs(decided)) == outputs
        assert (decided.after.chain_hash.hex(), decided.after.rules.terms.digest.hex()) == (
            log["chain_hash"],
            log["terms"],
        )
        again += decided.recorded.postings
    assert again == [tuple(row) for row in rows]
    assert again and status.rerouted and any(away for _, away in homes(live.topics))
    if clock == "event":
        assert sum(status.timers.values()) > 10 * TIMERS_PER_BATCH


def homes(topics: Topics):
    return [(record, home_of(record.key.decode(), LANES)) for record in topics.records if record.key]


async def test_of_parties_with_timers_due_at_one_instant_the_first_by_kind_and_id_are_due_first(lane):
    parties = [account("b"), merchant("A"), account("a"), account("B"), account("账户")]
    timers = [Timer(party, TimerKind.DUE_DAY, "d", START) for party in parties]
    states = {each.party: PartyState(each.party, timer_changes={(each.kind, "d"): each}) for each in timers}
    await write_states(lane, {None: PartyState(None, whole=True), **states})
    expected = [account("B"), account("a"), account("b"), account("账户"), merchant("A")]
    for most in range(1, len(parties) + 1):
        assert await load.due_parties(lane.connection, 0, START, most) == expected[:most]
