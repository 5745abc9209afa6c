"""What the console has seen of database, broker and workers; written by the watcher, read by pages."""

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from storage.activity import Trouble
from storage.figures import LaneFigures
from workers.ops.lag import Lag


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """What a worker said of itself on /readyz; `lanes` are its lanes' states by number, as texts."""

    address: str
    is_ready: bool
    reasons: tuple[str, ...]
    lanes: dict[str, str]


@dataclass(frozen=True, slots=True)
class LagSample:
    """How far everything was behind at one look: the oldest record, all records, all batches that are not sent.

    `settled` counts offsets settled since ever, so two samples tell how fast it goes; `rerouted` those of records that
    came by another lane.
    """

    at: datetime
    seconds: float
    records: int
    batches: int
    settled: int
    rerouted: int


@dataclass(slots=True)
class Minute:
    """What happened within one minute: records by outcome, `timer` for timers, and messages sent for them."""

    records: dict[str, int] = field(default_factory=dict)
    outputs: int = 0


@dataclass(slots=True)
class Watch:
    """The last look, and what is remembered of earlier ones."""

    is_wall_clock: bool = True
    looked_at: datetime | None = None
    figures: list[LaneFigures] = field(default_factory=list)
    lag: Lag | None = None
    """None while the broker does not answer."""
    workers: list[WorkerSeen] = field(default_factory=list)
    """Only of those that `POSTPAY_CONSOLE__WORKERS` names."""
    database_detail: str = ""
    """Why it can't be asked; empty while it answers. The same of the broker."""
    broker_detail: str = ""
    trouble: Trouble = field(default_factory=lambda: Trouble(0, 0))
    """Of the last ten minutes of the lanes' time."""
    books_balance: bool | None = None
    """What the last audit on record found; None when there is none."""
    calendar_end_on: date | None = None
    """The last day of which it is known whether it is a working day."""
    samples: deque[LagSample] = field(default_factory=deque)
    minutes: dict[datetime, Minute] = field(default_factory=dict)
    wrong_since: dict[str, datetime] = field(default_factory=dict)
    """By alarm, since when its condition has held without a break (console/alarms.py)."""

    @property
    def now(self) -> datetime | None:
        """The time by which things are due: the clock's, or that of the lanes where messages carry time."""
        if self.is_wall_clock:
            return datetime.now(UTC)
        return max((each.lane_time for each in self.figures if each.lane_time is not None), default=None)

    @property
    def settled_per_s(self) -> float | None:
        """How fast records were settled of late; None when there is too little to tell."""
        latest = list(self.samples)[-RATE_SAMPLES:]
        if len(latest) < 2:  # noqa: PLR2004  a rate takes two
            return None
        seconds = (latest[-1].at - latest[0].at).total_seconds()
        return max(0.0, (latest[-1].settled - latest[0].settled) / seconds) if seconds > 0 else None


RATE_SAMPLES = 7
"""A minute at the usual pace of looking."""
