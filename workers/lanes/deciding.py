"""One batch of one lane, decided: from records and loaded states to results, rows, chain hash and outputs.

Pure but for loading, which is handed in. The same records, standing, time, due parties and states give the same batch,
whether its states come from the tables of a transaction or from wherever a replay keeps them, and whether it is
written and sent afterwards or only compared.

Source: docs/flow.md, Order, Time and Home.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from contracts.headers import MAX_READ
from contracts.records import Rejected
from contracts.topics import Topic
from settlement.batch import Batch, Settled, time_after
from settlement.dead_letter import DeadLetter, DeadLetterReason
from settlement.decision import InvariantBrokenError
from settlement.draft import Rules
from settlement.entity import Entity
from settlement.messages import Input
from settlement.outputs import Output
from settlement.party import Party
from settlement.state import NotLoadedError, PartyState
from settlement.subjects import references
from settlement.totals import Totals
from storage import chain
from storage.load import Loaded, ReadSet
from workers.kafka.homes import home_of
from workers.lanes.taken import Taken

MOST_LOADS = 100
"""A batch that needs yet more loadings has a rule that asks for ever new things."""

Load = Callable[[ReadSet], Awaitable[Loaded]]
"""Gives what is wanted, made anew at each call, for deciding changes it: all timers due by `timers_until` too, so
`more_timers` is empty. How many timers are fetched at a time is up to it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a lane stands between two batches: each is decided from one and leads to the next.

    `next_seq` numbers the next decision; `lane_time` is None before the first batch; `rules`: what is in force;
    `totals`: its sums.
    """

    batch_seq: int
    chain_hash: bytes
    next_seq: int
    lane_time: datetime | None
    rules: Rules
    totals: Totals = field(default_factory=dict)


class Arrival(NamedTuple):
    """An input and the record it came in."""

    message: Input
    taken: Taken


@dataclass(frozen=True, slots=True)
class Undecided:
    """A batch before anything is loaded for it.

    `lane_time` is that of its beginning: under the event clock as the last batch left it. Timers of other parties due
    by `until` may fire in it; None under the event clock while no message has told the time.
    """

    standing: Standing
    now: datetime
    lane_time: datetime | None
    until: datetime | None
    records: Sequence[Taken]
    arrivals: Sequence[Arrival]
    rejected: Sequence[Rejected]


@dataclass(frozen=True, slots=True)
class Decided:
    """A batch of which nothing is written or sent yet.

    Args:
        records: all of it, in the order of deciding.
        until: by when the timers of `due` were due.
        due: parties whose timers fired besides those of the inputs' own.
        results: what became of inputs and timers, in order.
        rejected: dead letters of the records that are no inputs of this lane; those of inputs are among the results.
        rerouted: records that go on to their home lane and leave nothing here.
        states: what it was decided on, with what it changed.
        activity: what it means for merchants.
        recorded: the rows of its decisions and postings, and the chain hash over them.
        lane_time: after it.
        before: where the lane stood.
        after: where it stands once this batch counts.
    """

    records: Sequence[Taken]
    until: datetime | None
    due: Sequence[Party]
    results: Sequence[Settled]
    rejected: Sequence[DeadLetter]
    rerouted: Sequence[Taken]
    states: Mapping[Party | None, PartyState]
    activity: Sequence[Output]
    recorded: chain.Recorded
    lane_time: datetime
    before: Standing
    after: Standing


@dataclass(frozen=True, slots=True)
class Decider:
    """Decides the batches of one lane: `sort_out`, then find who is due, then `decide`.

    Args:
        lane: its number.
        lanes: how many there are; a party that this one doesn't know may be at home on another.
        event_clock: lane time is the largest `occurred_at` seen instead of the clock's.
    """

    lane: int
    lanes: int
    event_clock: bool

    def sort_out(self, records: Sequence[Taken], standing: Standing, now: datetime) -> Undecided:
        """Tell inputs from what was not understood, and by when timers are due.

        Args:
            records: in merged order, none of them settled before.
            standing: where the lane stands.
            now: the database's clock or, in a replay, the lane time that the lane-log recorded. Under the event clock
                it counts only until a message has told the time.
        """
        decoded = [(taken.decoded, taken) for taken in records]
        arrivals = [Arrival(each, taken) for each, taken in decoded if isinstance(each, Input)]
        rejected = [each for each, _ in decoded if isinstance(each, Rejected)]
        lane_time = self._time_before(standing, now)
        until = lane_time
        if self.event_clock:
            for arrival in arrivals:
                until = time_after(until, arrival.message)
        return Undecided(standing, now, lane_time, until, records, arrivals, rejected)

    async def decide(
        self, undecided: Undecided, due: Sequence[Party], load: Load, failed: Mapping[str, str] = MappingProxyType({})
    ) -> Decided:
        """Decide all inputs, then the due timers of other parties. What turns out to be missing is loaded as well.

        Args:
            undecided: the batch.
            due: parties with timers due by `undecided.until`, earliest first; in a replay as many as the lane-log says.
            load: may be called several times.
            failed: in a replay, what failed by a defect (`settlement.batch.Batch`).

        Raises:
            InvariantBrokenError: the lane must stop.
        """
        wanted = _wanted(undecided, due)
        for _ in range(MOST_LOADS):
            loaded = await load(wanted)
            at_home, away = self._at_home(undecided.arrivals, loaded.known)
            batch = Batch(
                loaded.states,
                undecided.standing.rules,
                undecided.lane_time,
                event_clock=self.event_clock,
                totals=undecided.standing.totals,
                failed=failed,
            )
            missing = _run(batch, at_home, due)
            if not missing:
                return self._decided(undecided, due, away, batch)
            for each in missing:
                _want(wanted, each)
        msg = f"a batch of lane {self.lane} was loaded {MOST_LOADS} times and still needs more"
        raise InvariantBrokenError(msg)

    def _time_before(self, standing: Standing, now: datetime) -> datetime | None:
        """The time a batch begins at, never before the last one's."""
        if self.event_clock:
            return standing.lane_time
        return now if standing.lane_time is None else max(now, standing.lane_time)

    def _at_home(self, arrivals: Sequence[Arrival], known: set[Party]) -> tuple[Sequence[Arrival], Sequence[Arrival]]:
        """Tell inputs that are decided here from those of parties not known here whose home is elsewhere."""
        strangers = {each.message.party for each in arrivals} - known - {None}
        away = {party for party in strangers if party and home_of(party.id, self.lanes) != self.lane}
        if not away:
            return arrivals, ()
        return (
            [each for each in arrivals if each.message.party not in away],
            [each for each in arrivals if each.message.party in away],
        )

    def _decided(self, undecided: Undecided, due: Sequence[Party], away: Sequence[Arrival], batch: Batch) -> Decided:
        before = undecided.standing
        batch_seq = before.batch_seq + 1
        lane_time = batch.lane_time or undecided.now
        recorded = chain.record(before.chain_hash, batch_seq, lane_time, batch.results, before.next_seq)
        next_seq = before.next_seq + len(recorded.decisions)
        return Decided(
            records=undecided.records,
            until=undecided.until,
            due=due,
            results=batch.results,
            rejected=[
                *(each.dead_letter(lane_time) for each in undecided.rejected),
                *(_misrouted(*each, lane_time) for each in away if _came_by_reroute(each)),
            ],
            rerouted=[each.taken for each in away if not _came_by_reroute(each)],
            states=batch.states,
            activity=batch.activity_outputs(self.lane, batch_seq),
            recorded=recorded,
            lane_time=lane_time,
            before=before,
            after=Standing(batch_seq, recorded.chain_hash, next_seq, lane_time, batch.rules, batch.totals),
        )


def _wanted(undecided: Undecided, due: Sequence[Party]) -> ReadSet:
    wanted = ReadSet(parties=set(due), timers_until=undecided.until)
    for message, _ in undecided.arrivals:
        wanted.event_hashes.setdefault(message.party, set()).add(message.event_hash)
        wanted.name(message.party, references(message))
        if message.party is not None:
            wanted.parties.add(message.party)
    return wanted


def _want(wanted: ReadSet, missing: NotLoadedError) -> None:
    """Load what was missing as well.

    Raises:
        InvariantBrokenError: it was asked for already, so loading doesn't bring it.
    """
    reference = (missing.kind, missing.entity_id)
    if reference in wanted.entities.get(missing.party, ()):
        raise InvariantBrokenError(f"{missing}, although it was asked for")
    if missing.party is not None:
        wanted.parties.add(missing.party)
    wanted.entities.setdefault(missing.party, set()).add(reference)


def _run(batch: Batch, arrivals: Iterable[Arrival], due: Iterable[Party]) -> Iterable[NotLoadedError]:
    """Decide all; says what turns out to be missing, each thing once.

    Nothing of the batch counts once something is missing. The rest is decided all the same, to find what else is and to
    load it in one go: of many repayments that come late each may miss something. Some of it may be asked for in vain,
    as what came before is not decided; that is loaded, too, and does no harm.

    Raises:
        InvariantBrokenError: the lane must stop.
    """
    missing: dict[tuple[Party | None, type[Entity], str], NotLoadedError] = {}
    steps = [
        *(partial(batch.receive, message) for message, _ in arrivals),
        *(partial(batch.fire_due, party) for party in due),
    ]
    for decide in steps:
        try:
            decide()
        except NotLoadedError as error:
            missing[error.party, error.kind, error.entity_id] = error
        except InvariantBrokenError:
            if not missing:
                raise
            # It may come of what is missing; if not, it is raised when everything is there.
    return missing.values()


def _came_by_reroute(arrival: Arrival) -> bool:
    return arrival.taken.record.topic == Topic.REROUTED


def _misrouted(message: Input, taken: Taken, lane_time: datetime) -> DeadLetter:
    return DeadLetter(
        message.source,
        None,
        DeadLetterReason.MISROUTED,
        f"key: expected one that is at home in partition {taken.record.partition}, to which it was re-routed",
        lane_time,
        taken.record.key,
        message.raw,
        message.event_id,
        message.type,
        message.occurred_at,
        tuple(taken.record.headers[:MAX_READ]),
    )
