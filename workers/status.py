"""What a worker knows about itself, for `/readyz`, `/metrics` and the watchdog. Written by the engine, read by others.

Everything runs on one event loop, so plain attributes do. Durations and ages are seconds; instants are
`time.monotonic()` unless they say otherwise.
"""

import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


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
class TopicLag:
    """How far a lane is behind in one topic: records not settled, and the age of the oldest of them fetched so far."""

    records: int
    seconds: float


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
    lags: dict[str, TopicLag] = field(default_factory=dict)
    """By topic without prefix; measured when asked for by `WorkerStatus.measure`."""
    relay_detail: str = ""
    """Why the relay is waiting for the broker; empty when it is well."""
    settled_at: float = field(default_factory=time.monotonic)
    """When the lane last finished a batch or found the database away, or got work after it had none."""
    relayed_at: float = field(default_factory=time.monotonic)
    """When the relay last finished a transaction or found the broker away, or got a batch after it had none."""
    waits_for_relay: bool = False
    waits_for_turn: bool = False
    """Others settle meanwhile; whenever one of them is done, or has found the database away, this one has moved too."""

    @property
    def backlog(self) -> int:
        """Batches settled and not relayed."""
        return max(0, self.settled - self.relayed)


@dataclass(slots=True)
class WorkerStatus:
    """The whole worker."""

    lanes: dict[int, LaneStatus] = field(default_factory=dict)
    assigned: bool = False
    """The group has given us an assignment (perhaps an empty one) that is in force."""
    fetched_at: float = field(default_factory=time.monotonic)
    """When the fetch loop last came round."""
    stuck: str = ""
    """What the watchdog found not to move; empty when all is well."""
    clock_skew_s: float = 0.0
    """This host's clock against the database's, at the last batch or claim."""
    outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Inputs by (type, outcome, reason or "")."""
    timers: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Timers fired by (kind, outcome)."""
    outputs: Counter[str] = field(default_factory=Counter)
    """Messages by topic without prefix."""
    rerouted: Counter[str] = field(default_factory=Counter)
    """Records that a producer put on the wrong lane, by topic."""
    fenced: int = 0
    claims: int = 0
    reseeks: int = 0
    retries: int = 0
    batch_records: Histogram = field(default_factory=lambda: Histogram((1, 3, 10, 30, 100, 300, 1000, 2000)))
    batch_seconds: Histogram = field(
        default_factory=lambda: Histogram((0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0))
    )
    relay_seconds: Histogram = field(
        default_factory=lambda: Histogram((0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0))
    )

    def noted_fetch(self) -> None:
        """The fetch loop came round."""
        self.fetched_at = time.monotonic()

    def noted_turn(self) -> None:
        """A lane has given its turn back."""
        for lane in self.lanes.values():
            if lane.waits_for_turn:
                lane.settled_at = time.monotonic()

    def unready(self) -> list[str]:
        """Why the worker is not ready, one line each; empty when it is."""
        reasons = [] if self.assigned else ["the consumer group has not assigned anything yet"]
        if self.stuck:
            reasons.append(self.stuck)
        if abs(self.clock_skew_s) > MAX_CLOCK_SKEW_S:
            reasons.append(f"this host's clock is {self.clock_skew_s:+.1f} s off the database's")
        reasons += [
            f"lane {lane.lane} is {lane.state}: {lane.detail or 'not claimed yet'}"
            for lane in self.lanes.values()
            if lane.state in (LaneState.STOPPED, LaneState.RETRYING, LaneState.CLAIMING)
        ]
        return reasons


MAX_CLOCK_SKEW_S = 5.0
"""A host clock further off than this makes the worker not ready. Source: docs/flow.md, Time."""
