"""One lane that is decided again, batch after batch, from its records and its lane-log.

Nothing is read of the database here, and nothing is written or sent: what becomes of a batch is up to the caller.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from settlement.draft import Rules
from settlement.version import RULES_VERSION
from storage import chain
from storage.branches import Branch
from storage.lanes import Position
from workers.lanes.claims import fingerprint
from workers.lanes.deciding import Decided, Decider, Standing
from workers.lanes.lanelog import BatchLog
from workers.lanes.outgoing import Outgoing
from workers.replay.difference import of_log
from workers.replay.extent import HistoryError
from workers.replay.failures import NO_FAILURES, Failures
from workers.replay.lineage import Heir, Stretch
from workers.replay.merge import RecordedBatch
from workers.replay.spill import Spill
from workers.replay.tables import LaneTables


@dataclass(frozen=True, slots=True)
class Branching:
    """After a batch the lane goes on as an heir."""

    after: int
    heir: Heir


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets of a topic that a batch passed over: no record of them was taken."""

    batch_seq: int
    topic: str
    first: int
    next_offset: int


class LaneReplay:
    """Decides one lane's batches again.

    Args:
        decider: of the lane, under the clock it was decided with.
        standing: where it stands before the first one.
        tables: as they are then.
        positions: likewise, by topic.
        arrived: likewise, by event hash of what is parked: the batch that parked it, and its place in it.
        later: as which lanes it goes on once these were split off, the next first; `tables` know them as heirs.
    """

    def __init__(
        self,
        decider: Decider,
        standing: Standing,
        tables: LaneTables,
        positions: Mapping[str, Position] | None = None,
        arrived: Mapping[bytes, tuple[int, int]] | None = None,
        later: Sequence[Branching] = (),
    ) -> None:
        self.decider = decider
        self.standing = standing
        self.tables = tables
        self.positions = dict(positions or {})
        self.gaps: list[Gap] = []
        self.arrived: dict[bytes, tuple[int, int]] = dict(arrived or {})
        self.branches: list[Branch] = []
        """Where the lane went on as another, or as one of more."""
        self._later = list(later)

    @classmethod
    def from_the_beginning(
        cls, stretches: Sequence[Stretch], first: Rules, spill: Spill, *, event_clock: bool
    ) -> "LaneReplay":
        """A lane before the first batch of its story.

        Args:
            stretches: of its story, the first stretch first.
            first: what was in force then.
            spill: an empty file.
            event_clock: under which clock it was decided.
        """
        begins = stretches[0]
        lane = begins.extent.lane
        later = [
            Branching(before.last_batch or 0, Heir(after.extent.lane, after.lanes, before.lanes))
            for before, after in pairwise(stretches)
        ]
        return cls(
            Decider(lane, begins.lanes, event_clock=event_clock),
            Standing(0, chain.genesis(lane), 1, None, first),
            LaneTables(lane, spill, heirs=[each.heir for each in later]),
            later=later,
        )

    def go_on(self, batch_seq: int | None = None) -> None:
        """Go on as those that were split off before this batch; None: as the last of them."""
        while self._later and (batch_seq is None or batch_seq > self._later[0].after):
            heir, standing = self._later.pop(0).heir, self.standing
            self.branches.append(
                Branch(
                    heir.lane,
                    self.decider.lane,
                    self.decider.lanes,
                    standing.batch_seq,
                    standing.chain_hash,
                    standing.next_seq,
                    standing.lane_time,
                )
            )
            self.tables.become_heirs()
            if heir.lane != self.decider.lane:
                self.positions = {}
            for topic in self.tables.totals.settled:
                self.positions.setdefault(topic, Position(0, None))
            self.decider = replace(self.decider, lane=heir.lane, lanes=heir.lanes)
            self.standing = replace(standing, totals=self.tables.totals.in_deciding())

    async def decide(self, batch: RecordedBatch, log: BatchLog, failures: Failures = NO_FAILURES) -> Decided:
        """Decide the next batch, and change nothing.

        Raises:
            InvariantBrokenError: it can't be decided as it was then, or at all.
        """
        taken = batch.taken
        if failures.decoding or failures.refused:
            taken = [failures.again(each) for each in taken]
        undecided = self.decider.sort_out(taken, self.standing, batch.now)
        due = self.tables.due_parties(undecided.until or batch.now, log.timer_parties) if log.timer_parties else []
        return await self.decider.decide(undecided, due, self.tables.load, failures.deciding)

    async def decide_as_logged(
        self, batch: RecordedBatch, database_id: str, failures: Failures = NO_FAILURES
    ) -> tuple[Decided, BatchLog]:
        """Decide the next batch, which must come to what the lane-log says of it, and change nothing.

        Raises:
            HistoryError: it does not, or another database wrote the lane-log.
        """
        log = batch.log
        assert log is not None  # only of a history without a lane-log
        if log.database_id != database_id:
            msg = f"the lane-log of lane {log.lane} was written by database {log.database_id}, expected {database_id}"
            raise HistoryError(msg)
        try:
            decided = await self.decide(batch, log, failures)
        except Exception as error:
            raise HistoryError(_differs(log, f"decided again: {type(error).__name__}: {error}")) from error
        found = of_log(log, Outgoing(database_id, log.lane, log.epoch, self.decider.lanes).log(decided, log.offsets))
        if found is not None:
            raise HistoryError(_differs(log, str(found)))
        return decided, log

    def keep(self, decided: Decided, log: BatchLog) -> None:
        """Take over what a batch has changed; the next one is decided on it."""
        self.tables.keep(decided)
        self._note_parked(decided)
        self.standing = decided.after
        last = {each.record.topic: each.record for each in decided.records}
        for topic, span in log.offsets.items():
            known = self.positions.get(topic)
            if span.first > (0 if known is None else known.next_offset):
                self.gaps.append(Gap(log.batch_seq, topic, 0 if known is None else known.next_offset, span.first))
            mark = fingerprint(last[topic]) if topic in last else None if known is None else known.last_fingerprint
            self.positions[topic] = Position(span.next_offset, mark)

    def _note_parked(self, decided: Decided) -> None:
        for state in decided.states.values():
            for event_hash in state.unparked:
                self.arrived.pop(event_hash, None)
        parked = [event_hash for state in decided.states.values() for event_hash in state.newly_parked]
        for n, event_hash in enumerate(parked):
            self.arrived.setdefault(event_hash, (decided.after.batch_seq, n))

    def follow(self, chain_hash: bytes, next_seq: int) -> None:
        """Number the next decisions, and hash them, as if the last batch had come to what was recorded of it."""
        self.standing = replace(self.standing, chain_hash=chain_hash, next_seq=next_seq)


def _differs(log: BatchLog, found: str) -> str:
    other = (
        ""
        if log.rules_version == RULES_VERSION
        else f"; it was decided by rules version {log.rules_version}, and this release has {RULES_VERSION}"
    )
    return f"lane {log.lane}, {found}: batch {log.batch_seq} does not come to what the lane-log says of it{other}"
