"""Both stories of one lane: of its accounts first, of its merchants once all account lanes are through."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from settlement.decision import Outcome
from settlement.draft import Rules
from settlement.entities import Debit
from settlement.messages import Input, TermsPublished
from settlement.party import PartyKind
from settlement.statuses import DebitStatus
from settlement.terms import TermsBook
from settlement.values import revised
from storage import chain
from storage.database import connect
from workers.lanes.deciding import Decided, Decider, Standing
from workers.lanes.taken import Taken
from workers.lanes.working_days import working_days
from workers.replay.failures import NO_FAILURES, Failures, failures_of
from workers.replay.history import LaneHistory, RecordedHistory
from workers.replay.merge import RecordedBatch
from workers.replay.processes import Tell
from workers.replay.simulation.activity import ActivityReader, ActivityWriter
from workers.replay.simulation.answers import RecordedAnswers
from workers.replay.simulation.comparison import MOST_PARTIES, OTHER, RECORDED, Comparison, StoryStep, distance
from workers.replay.simulation.figures import StoryFigures
from workers.replay.simulation.story import LaneStory, only
from workers.replay.simulation.terms import OtherTerms
from workers.replay.spill import Spill
from workers.replay.tables import HOT_ROWS, HOT_SEEN, LaneTables

OTHER_FOLDER, RECORDED_FOLDER = "simulated", "recorded"
ROUNDS = 100
"""A batch that is corrected more often than it has records goes round in circles."""
OF_EACH_ROWS, OF_EACH_SEEN = HOT_ROWS // 2, HOT_SEEN // 2
"""Two stories share what one may have in memory."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to simulate.

    Args:
        terms: of the other story.
        first: the terms document that the history began with.
        folder: for what goes from account lanes to merchant lanes.
        database: whether the database is asked what failed by defects.
        account: the account whose steps are kept.
    """

    terms: OtherTerms
    first: Mapping[str, Any]
    folder: Path
    database: bool
    account: str | None = None


@dataclass(slots=True)
class LaneResult:
    """What one lane, or all together, came to.

    `unlike` is the first batch that came to another hash than the lane-log has, by lane. `left_out` are answers by type
    that found nothing to answer; `unanswered` debits that only the other story asked for. `unlogged` counts lanes.
    """

    recorded: StoryFigures = field(default_factory=StoryFigures)
    other: StoryFigures = field(default_factory=StoryFigures)
    parties_apart: int = 0
    most_apart: list[dict[str, Any]] = field(default_factory=list)
    steps: tuple[list[StoryStep], list[StoryStep]] = field(default_factory=lambda: ([], []))
    messages: int = 0
    batches: int = 0
    unlogged: int = 0
    unlike: dict[int, int] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    left_out_minor: Counter[str] = field(default_factory=Counter)
    moved: Counter[str] = field(default_factory=Counter)
    adjusted: int = 0
    unanswered: int = 0
    unanswered_minor: int = 0

    def add(self, other: "LaneResult") -> None:
        """Take another lane's in."""
        self.recorded.add(other.recorded)
        self.other.add(other.other)
        self.most_apart = sorted(
            [*self.most_apart, *other.most_apart], key=lambda each: (-distance(each), each["kind"], each["id"])
        )[:MOST_PARTIES]
        for mine, others in zip(self.steps, other.steps, strict=True):
            mine.extend(others)
        for name in ("left_out", "left_out_minor", "moved"):
            getattr(self, name).update(getattr(other, name))
        for name in ("parties_apart", "messages", "batches", "unlogged", "adjusted", "unanswered", "unanswered_minor"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.unlike |= other.unlike


class LaneSimulation:
    """Decides both stories of parties of one kind, batch after batch.

    Args:
        job: what to simulate.
        kind: of the parties.
        recorded: the story under the recorded terms. Of accounts it is all of the lane, as the hashes are.
        other: the story under the other ones, of the kind alone.
        failures: what failed by defects, by batch.
    """

    def __init__(
        self, job: Job, kind: PartyKind, recorded: LaneStory, other: LaneStory, failures: Mapping[int, Failures]
    ) -> None:
        self.comparison = Comparison(kind, job.account if kind is PartyKind.ACCOUNT else None)
        self.answers = RecordedAnswers(recorded.tables, other.tables)
        self.unlike: int | None = None
        self.other_taken: list[Taken] = []
        """The records of the other story's last batch, as they were decided."""
        self._job = job
        self._kind = kind
        self._recorded = recorded
        self._other = other
        self._failures = failures

    async def batch(
        self, batch: RecordedBatch, activity: ActivityReader | None = None, regenerated: ActivityReader | None = None
    ) -> tuple[Decided | None, Decided | None]:
        """Decide a batch in both stories, and take them over.

        Args:
            batch: as it was recorded, or cut by the fixed rule.
            activity: of merchants, what account lanes handed over in the other story.
            regenerated: likewise in the recorded one, where it was cut into other batches than it is here.

        Returns:
            Both, None where nothing of the batch concerns the story.
        """
        event_clock = self._recorded.decider.event_clock
        failures = NO_FAILURES if batch.log is None else self._failures.get(batch.log.batch_seq, NO_FAILURES)
        taken = list(batch.taken)
        if self._kind is PartyKind.MERCHANT:
            taken = only(self._kind, taken, event_clock=event_clock)
        arrived, until = taken, _time_of(batch)
        if regenerated is not None:
            taken = regenerated.replaced(taken, until)
        parties = batch.log.timer_parties if batch.log is not None and self._kind is PartyKind.ACCOUNT else None
        recorded = await self._recorded.decide(taken, batch.now, parties=parties, failures=failures)
        called_off = self.answers.called_off(taken)
        self._recorded.keep(recorded)
        if self._kind is PartyKind.ACCOUNT:
            self._check(batch, recorded)
        own = self._under_other_terms(only(self._kind, arrived, event_clock=event_clock), recorded)
        if activity is not None:
            own = activity.replaced(own, until)
        own = [*self.answers.due(), *own]
        bound = self._recorded.due_bound if parties is not None else None
        other = await self._other.decide(own, batch.now, bound=bound, failures=failures)
        other = await self._answered(other, own, batch, called_off, recorded, failures)
        self._other.keep(other)
        self.answers.see(other)
        self.comparison.take(RECORDED, recorded.results)
        self.comparison.take(OTHER, other.results)
        return recorded, other

    def _check(self, batch: RecordedBatch, recorded: Decided) -> None:
        """Hold the recorded story against the lane-log, and go on from the recorded hash."""
        if batch.log is None:
            return
        if recorded.recorded.chain_hash != batch.log.chain_hash:
            self.unlike = self.unlike or batch.log.batch_seq
        self._recorded.standing = replace(self._recorded.standing, chain_hash=batch.log.chain_hash)

    def _under_other_terms(self, taken: list[Taken], recorded: Decided) -> list[Taken]:
        """Publications bring what the other story has in their place; one that brought nothing brings nothing."""
        if not any(isinstance(each.decoded, Input) and isinstance(each.decoded.body, TermsPublished) for each in taken):
            return taken
        applied = {
            each.input.source.name
            for each in recorded.results
            if each.input is not None and each.decision.outcome is Outcome.APPLIED
        }
        return [self._publication(each, applied) for each in taken]

    def _publication(self, taken: Taken, applied: set[str]) -> Taken:
        message = taken.decoded
        if not isinstance(message, Input) or not isinstance(message.body, TermsPublished):
            return taken
        document: dict[str, Any] = {}
        if message.source.name in applied:
            document = self._job.terms.in_place_of(TermsBook.parse(message.body.terms)).document
        return Taken(taken.record, revised(message, body=TermsPublished(document)))

    async def _answered(
        self,
        other: Decided,
        own: list[Taken],
        batch: RecordedBatch,
        called_off: set[str],
        recorded: Decided,
        failures: Failures,
    ) -> Decided:
        """Decide again without the answers that answer nothing, until all of them do."""
        waited = {
            each.input.source.name
            for each in recorded.results
            if each.input is not None and each.decision.outcome is Outcome.PARKED
        }
        for _ in range(ROUNDS):
            corrected = self.answers.corrected(own, other, waited, called_off)
            if corrected is None:
                break
            own = corrected
            other = await self._other.again(other, own, batch.now, failures)
        self.other_taken = own
        return other

    def result(self) -> LaneResult:
        """What it came to, once all batches are through."""
        comparison = self.comparison
        result = LaneResult(*comparison.figures, steps=comparison.steps)
        for figures, story in zip(comparison.figures, (self._recorded, self._other), strict=True):
            for party, tables in story.tables.parties():
                if party.kind is self._kind:
                    figures.take_end(party, tables)
        result.parties_apart, result.most_apart = len(comparison.apart), comparison.most_apart()
        for message in self.answers.withheld():
            result.left_out[message.type] += 1
            result.left_out_minor[message.type] += getattr(message.body, "amount_minor", 0)
        result.moved, result.adjusted = self.answers.moved, self.answers.adjusted
        self._unanswered(result)
        return result

    def _unanswered(self, result: LaneResult) -> None:
        if self._kind is not PartyKind.ACCOUNT:
            return
        open_debits = [
            (party, debit)
            for party, tables in self._other.tables.parties()
            for debit in tables.entities.get(Debit, {}).values()
            if isinstance(debit, Debit) and debit.status is DebitStatus.REQUESTED
        ]
        for party, debit in open_debits:
            if debit.debit_id not in self._recorded.tables.party(party).entities.get(Debit, {}):
                result.unanswered += 1
                result.unanswered_minor += debit.amount_minor
            self._recorded.tables.move_out()


@asynccontextmanager
async def _simulation(job: Job, kind: PartyKind, history: RecordedHistory, lane: int) -> AsyncIterator[LaneSimulation]:
    """A lane before its first batch."""
    settings = history.settings
    failures: Mapping[int, Failures] = {}
    if job.database:
        postgres = settings.postgres
        connection = await connect(postgres.dsn, application_name="postpay-replay", password=postgres.read_password)
        try:
            failures = await failures_of(connection, lane)
        finally:
            await connection.close()
    event_clock = settings.clock == "event" or history.extents[lane].last is None
    decider = Decider(lane, settings.lanes, event_clock=event_clock)
    first = TermsBook.parse(dict(job.first))
    with TemporaryDirectory(prefix="postpay-replay-") as folder:
        recorded = begun(decider, Rules(first, working_days()), Path(folder) / "recorded.sqlite")
        other = begun(decider, Rules(job.terms.in_place_of(first), working_days()), Path(folder) / "other.sqlite")
        try:
            yield LaneSimulation(job, kind, recorded, other, failures)
        finally:
            recorded.tables.spill.close()
            other.tables.spill.close()


def begun(decider: Decider, rules: Rules, path: Path) -> LaneStory:
    """A story before its first batch, with a new file for what does not fit into memory."""
    tables = LaneTables(decider.lane, Spill(path), hot_rows=OF_EACH_ROWS, hot_seen=OF_EACH_SEEN)
    return LaneStory(decider, Standing(0, chain.genesis(decider.lane), 1, None, rules), tables)


async def simulate_accounts(job: Job, history: RecordedHistory, lane: int, tell: Tell) -> LaneResult:
    """Both stories of a lane's accounts; what they hand to merchants goes to the job's folder."""
    lanes, is_cut_anew = history.settings.lanes, _is_cut_anew(history)
    writer = ActivityWriter(job.folder / OTHER_FOLDER, lane, lanes)
    regenerated = ActivityWriter(job.folder / RECORDED_FOLDER, lane, lanes)
    try:
        async with _simulation(job, PartyKind.ACCOUNT, history, lane) as simulation, history.lane(lane) as opened:
            counted = Counter[str]()
            async for batch in _batches(opened):
                recorded, other = await simulation.batch(batch)
                if other is not None and recorded is not None:
                    writer.write(other.activity, other.after.batch_seq, () if is_cut_anew else recorded.activity)
                    if is_cut_anew:
                        regenerated.write(recorded.activity, recorded.after.batch_seq, ())
                counted["messages"] += len(batch.taken)
                counted["batches"] += 1
                tell(batch.offsets, len(batch.taken))
            result = simulation.result()
    finally:
        writer.close()
        regenerated.close()
    result.messages, result.batches = counted["messages"], counted["batches"]
    result.unlogged = int(opened.extent.last is None and opened.extent.offsets > 0)
    if simulation.unlike is not None:
        result.unlike[lane] = simulation.unlike
    return result


async def simulate_merchants(job: Job, history: RecordedHistory, lane: int, tell: Tell) -> LaneResult:
    """Both stories of a lane's merchants, the other one with what account lanes handed over in it."""
    lanes = history.settings.lanes
    activity = ActivityReader(job.folder / OTHER_FOLDER, lane, lanes)
    regenerated = ActivityReader(job.folder / RECORDED_FOLDER, lane, lanes) if _is_cut_anew(history) else None
    async with _simulation(job, PartyKind.MERCHANT, history, lane) as simulation, history.lane(lane) as opened:
        async for batch in _batches(opened):
            await simulation.batch(batch, activity, regenerated)
            tell(batch.offsets, len(batch.taken))
        return simulation.result()


def _is_cut_anew(history: RecordedHistory) -> bool:
    """Whether a lane has no lane-log: its batches, and so what it handed to merchants, were other ones than here."""
    return any(extent.last is None and extent.offsets for extent in history.extents.values())


def _time_of(batch: RecordedBatch) -> datetime | None:
    """The lane time up to where a batch knows what other lanes handed over."""
    if batch.log is not None:
        return batch.now
    return max((each.decoded.occurred_at for each in batch.taken if isinstance(each.decoded, Input)), default=None)


def _batches(opened: LaneHistory) -> AsyncIterator[RecordedBatch]:
    return opened.unlogged_batches() if opened.extent.last is None else opened.batches()
