"""What a worker knows about itself, for `/readyz`, `/metrics` and the watchdog. Written by the engine, read by others.

Everything runs on one event loop, so plain attributes do. Durations and ages are seconds; instants are
`time.monotonic()` unless they say otherwise.
"""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from settlement.decision import InvariantBrokenError
from settlement.lifecycles import Machine
from workers import counted


class LaneState(StrEnum):
    """What a lane that the group gave to this worker is doing."""

    CLAIMING = "claiming"
    RUNNING = "running"
    HELD = "held"
    """The group is being rebalanced; the batch in flight was finished."""
    RETRYING = "retrying"
    """The database is away or refuses for a passing reason; nothing is lost, the batch is tried again."""
    STOPPED = "stopped"
    """Something is wrong that needs a person; `LaneStatus.detail` says what."""


LANE = Machine(
    "lane",
    {"given by the group": LaneState.CLAIMING, "given with a wrong number of partitions": LaneState.STOPPED},
    {
        (LaneState.CLAIMING, "claimed and sought"): LaneState.RUNNING,
        (LaneState.CLAIMING, "input is gone"): LaneState.STOPPED,
        (LaneState.RUNNING, "rebalance, or the worker ends"): LaneState.HELD,
        (LaneState.RUNNING, "database away"): LaneState.RETRYING,
        (LaneState.RUNNING, "claim lost, or given up to be made anew"): LaneState.CLAIMING,
        (LaneState.RUNNING, "a person has to look"): LaneState.STOPPED,
        (LaneState.HELD, "still ours after the rebalance"): LaneState.RUNNING,
        (LaneState.HELD, "claim lost, or given up to be made anew"): LaneState.CLAIMING,
        (LaneState.HELD, "a person has to look"): LaneState.STOPPED,
        (LaneState.RETRYING, "database back"): LaneState.RUNNING,
        (LaneState.RETRYING, "database back during a rebalance"): LaneState.HELD,
        (LaneState.RETRYING, "claim lost, or given up to be made anew"): LaneState.CLAIMING,
        (LaneState.RETRYING, "a person has to look"): LaneState.STOPPED,
        (LaneState.STOPPED, "looks again whether somebody has mended it"): LaneState.CLAIMING,
    },
)
"""A lane that goes to another worker ends, in whatever state; docs/states.md is drawn from this."""
_ALLOWED = {(state, after) for (state, _), after in LANE.steps.items()}


@dataclass(slots=True)
class Histogram:
    """Observations by upper bound, as Prometheus counts them; the last count is of those above all bounds."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


@dataclass(frozen=True, slots=True)
class Unsettled:
    """How far a lane is behind in one topic: records not settled, and the age of the oldest of them fetched so far.

    Behind an open transaction of anybody's lie `open_transaction_records`, and have for so long as was seen.
    """

    records: int
    seconds: float
    open_transaction_records: int = 0
    open_transaction_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Stillness:
    """Something that has work, and for how long it has done nothing about it."""

    seconds: float
    what: str
    waits_for_broker: bool = False
    """It may be waiting for a broker; while none answers at all that is no fault of ours."""


@dataclass(slots=True)
class LaneStatus:
    """One lane that the group gave to this worker."""

    lane: int
    state: LaneState = LaneState.CLAIMING
    detail: str = ""
    epoch: int = 0
    settled: int = 0
    """batch_seq of the last committed batch."""
    relayed: int = 0
    """batch_seq of the last batch whose outputs are committed in Kafka."""
    lane_time: datetime | None = None
    inbox_records: int = 0
    inbox_bytes: int = 0
    unsettled: dict[str, Unsettled] = field(default_factory=dict)
    """By topic without prefix; measured when asked for by `Assignment.measure`."""
    relay_detail: str = ""
    """Why the relay is waiting for the broker; empty when it is well."""
    settled_at: float = field(default_factory=time.monotonic)
    """When the lane last finished a batch or a claim, found a server away, or got work after it had none."""
    relayed_at: float = field(default_factory=time.monotonic)
    """When the relay last finished a transaction or a step of taking over, found a server away, or got a batch after it
    had none."""
    waits_for_relay: bool = False
    waits_for_turn: bool = False
    """Others settle meanwhile, or have their topics checked; whenever one of them is done, or has found a server away,
    this one has moved too."""

    @property
    def backlog(self) -> int:
        """Batches settled and not relayed."""
        return max(0, self.settled - self.relayed)

    def enter(self, state: LaneState, detail: str = "") -> None:
        """Say what the lane is doing from now on, and why; in the same state only why.

        Raises:
            InvariantBrokenError: no step leads there from the present state (`LANE`). It is entered all the same: what
                is told must be what is.
        """
        before, self.state, self.detail = self.state, state, detail
        if before is not state and (before, state) not in _ALLOWED:
            raise InvariantBrokenError(f"lane {self.lane}: no step leads from {before} to {state}")

    def still(self, now: float) -> Iterator[Stillness]:
        """For how long the lane or its relay has done nothing though it has work; nothing when it may rest.

        Trying and failing, because a server is away, is doing something: it moves `settled_at` or `relayed_at`.
        """
        if self.state is LaneState.STOPPED:
            return
        if self.state is LaneState.CLAIMING:  # its relay has ended, whatever is left to send
            yield Stillness(now - self.settled_at, f"lane {self.lane} has not been claimed", waits_for_broker=True)
            return
        if self.backlog or self.waits_for_relay:
            what = f"the relay of lane {self.lane} has sent nothing of {self.backlog} batches"
            yield Stillness(now - self.relayed_at, what, waits_for_broker=True)
        if self.inbox_records and not self.waits_for_relay and self.state is not LaneState.HELD:
            what = f"lane {self.lane} has settled nothing of {self.inbox_records} records"
            yield Stillness(now - self.settled_at, what)


@dataclass(slots=True)
class WorkerStatus:
    """The whole worker."""

    lanes: dict[int, LaneStatus] = field(default_factory=dict)
    assigned: bool = False
    """The group has given us an assignment (perhaps an empty one) that is in force."""
    unassigned_since: float = field(default_factory=time.monotonic)
    """Without an assignment: since when, or when last no broker answered."""
    calendar_end_on: date | None = None
    """The first date of which nobody knows whether it is worked."""
    broker_away: bool = False
    """No broker answered when one was last asked."""
    group: str = ""
    """The consumer group's name."""
    group_detail: str = ""
    """Why the group gives this worker no lanes, or not whole ones; empty when all is well."""
    fetched_at: float = field(default_factory=time.monotonic)
    """When the fetch loop last came round."""
    stuck: str = ""
    """What the watchdog found not to move; empty when all is well."""
    clock_skew_s: float = 0.0
    """This host's clock against the database's, at the last batch or claim."""
    outcomes: Counter[tuple[str, str, str]] = field(default_factory=counted.inputs)
    """Inputs by (type, outcome, reason or "")."""
    timers: Counter[tuple[str, str]] = field(default_factory=counted.timers)
    """Timers fired by (kind, outcome)."""
    outputs: Counter[str] = field(default_factory=counted.outputs)
    """Messages by topic without prefix."""
    rerouted: Counter[str] = field(default_factory=counted.rerouted)
    """Records that a producer put on the wrong lane, by topic."""
    fenced: int = 0
    claims: int = 0
    reseeks: int = 0
    retries: int = 0
    taken_back: int = 0
    """Times a lane found that the database was taken back to an earlier moment, and settled again what was sent."""
    batch_records: Histogram = field(default_factory=lambda: Histogram((1, 3, 10, 30, 100, 300, 1000, 2000)))
    batch_seconds: Histogram = field(
        default_factory=lambda: Histogram((0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0))
    )
    relay_seconds: Histogram = field(
        default_factory=lambda: Histogram((0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0))
    )

    def noted_assignment(self, detail: str = "") -> None:
        """The group's assignment is in force; `detail` says what is wrong with it."""
        self.assigned, self.group_detail = True, detail
        self.noted_fetch()  # while partitions were given out there was nothing to fetch

    def noted_revocation(self) -> None:
        """Nothing is assigned until the next assignment."""
        self.assigned = False
        self.unassigned_since = time.monotonic()

    def noted_refusal(self, detail: str) -> None:
        """The group does not let this worker in; trying and failing is doing something."""
        self.group_detail, self.unassigned_since = detail, time.monotonic()

    def noted_fetch(self) -> None:
        """The fetch loop came round."""
        self.fetched_at = time.monotonic()

    def noted_turn(self) -> None:
        """A lane has given back its turn, to settle or to have its topics checked."""
        for lane in self.lanes.values():
            if lane.waits_for_turn:
                lane.settled_at = time.monotonic()

    def noted_no_broker(self, now: float) -> None:
        """No broker answers: what may be waiting for one is not still."""
        self.unassigned_since = now
        for lane in self.lanes.values():
            lane.relayed_at = now
            if lane.state is LaneState.CLAIMING:
                lane.settled_at = now

    def still(self, now: float) -> Iterator[Stillness]:
        """What has work and does nothing, and for how long: the only place that says what counts as that."""
        if not self.assigned:
            what = "no assignment from the group is in force"
            yield Stillness(now - self.unassigned_since, what, waits_for_broker=True)
            return
        yield Stillness(now - self.fetched_at, "nothing has been fetched")
        for lane in self.lanes.values():
            yield from lane.still(now)

    def unready(self) -> list[str]:
        """Why the worker is not ready, one line each; empty when it is."""
        reasons = [] if self.assigned else [f"the consumer group {self.group} has not assigned anything yet"]
        if self.group_detail:
            reasons.append(f"the consumer group {self.group}: {self.group_detail}")
        if self.stuck:
            reasons.append(self.stuck)
        if abs(self.clock_skew_s) > MAX_CLOCK_SKEW_S:
            reasons.append(f"this host's clock is {self.clock_skew_s:+.1f} s off the database's")
        reasons += [
            f"lane {lane.lane} is {lane.state}: {lane.detail or 'not claimed yet'}"
            for lane in self.lanes.values()
            if lane.state in (LaneState.STOPPED, LaneState.RETRYING, LaneState.CLAIMING)
        ]
        reasons += [
            f"lane {lane.lane} sends nothing: {lane.relay_detail}" for lane in self.lanes.values() if lane.relay_detail
        ]
        return reasons


MAX_CLOCK_SKEW_S = 5.0
"""A host clock further off than this makes the worker not ready. Source: docs/flow.md, Time."""
