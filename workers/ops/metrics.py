"""What a worker tells Prometheus: base units, one label for each dimension, never an account, merchant or order id.

Everything is read from what the worker knows already; a scrape asks neither the database nor the broker.
docs/operations.md lists the metrics with what to alarm on, and a test compares it with this module.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import product

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from settlement.dates import midnight
from settlement.ledger import owned_by
from storage.figures import LaneFigures
from workers.settings.model import Settings
from workers.status import Histogram, LaneState, LaneStatus, Unsettled, WorkerStatus

NAMESPACE = "postpay_"


@dataclass(slots=True)
class Outside:
    """What the last look at database and broker brought, every POSTPAY_OPS__REFRESH_S (workers/ops/endpoints.py)."""

    database_up: bool = False
    database_detail: str = "not asked yet"
    migrated: bool = False
    broker_up: bool = False
    broker_detail: str = "not asked yet"
    group_members: str = ""
    """What sits in the consumer group; only looked for while the group has assigned nothing."""
    figures: dict[int, LaneFigures] = field(default_factory=dict)
    """By lane; all lanes of the database, whoever owns them."""


class WorkerCollector(Collector):
    """Turns the worker's status into metric families at each scrape.

    Args:
        settings: of the worker.
        status: what the engine writes.
        outside: what the refresher writes.
    """

    def __init__(self, settings: Settings, status: WorkerStatus, outside: Outside) -> None:
        self._group = settings.group
        self._prefix = settings.topics.prefix
        self._every_lane = range(settings.lanes)
        self._clock = settings.clock
        self._status = status
        self._outside = outside

    def collect(self) -> Iterator[Metric]:
        """Give all families; those of lanes only for lanes of this worker, so that sums over workers are right."""
        yield from self._worker()
        yield from self._lag()
        yield from self._lanes()
        yield from self._database_figures()
        yield from self._counters()
        yield from self._histograms()

    def describe(self) -> Iterator[Metric]:
        """Give nothing: the registry would otherwise collect at registration."""
        return iter(())

    def _gauge(self, name: str, meaning: str, *labels: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(NAMESPACE + name, meaning, labels=("group", *labels))

    def _worker(self) -> Iterator[Metric]:
        status, group = self._status, self._group
        build = GaugeMetricFamily(NAMESPACE + "build_info", "Release that runs.", labels=("version",))
        build.add_metric((version("postpay"),), 1)
        yield build
        for name, meaning, value in (
            ("assigned", "Whether the group's assignment is in force (1) or being made (0).", status.assigned),
            ("ready", "Whether /readyz says so.", not unready(status, self._outside)),
            ("database_up", "Whether the database answered at the last look.", self._outside.database_up),
            ("broker_up", "Whether a broker answered at the last look.", self._outside.broker_up),
            ("clock_skew_seconds", "This host's clock less the database's.", status.clock_skew_s),
            ("watchdog_age_seconds", "Longest time something that has work has not moved.", watchdog_age_s(status)),
            ("calendar_end_seconds", "Until when working days are known, since 1970.", _calendar_end_s(status)),
        ):
            gauge = self._gauge(name, meaning)
            gauge.add_metric((group,), float(value))
            yield gauge

    def _lag(self) -> Iterator[Metric]:
        for name, meaning, value in _LAG_GAUGES:
            gauge = self._gauge(name, meaning, "topic", "partition")
            for lane in self._status.lanes.values():
                for topic, unsettled in lane.unsettled.items():
                    gauge.add_metric((self._group, self._prefix + topic, str(lane.lane)), value(unsettled))
            yield gauge

    def _lanes(self) -> Iterator[Metric]:
        exists = self._gauge("lane_exists", "1 for every lane, whoever has it.", "lane")
        for number in self._every_lane:
            exists.add_metric((self._group, str(number)), 1)
        yield exists
        state = self._gauge("lane_state", "1 for the state the lane is in.", "lane", "state")
        for lane in self._status.lanes.values():
            for known in LaneState:
                state.add_metric((self._group, str(lane.lane), known.value), float(lane.state is known))
        yield state
        for name, meaning, value in _LANE_GAUGES:
            gauge = self._gauge(name, meaning, "lane")
            for lane in self._status.lanes.values():
                gauge.add_metric((self._group, str(lane.lane)), value(lane))
            yield gauge

    def _database_figures(self) -> Iterator[Metric]:
        for name, meaning, value in _DATABASE_GAUGES:
            gauge = self._gauge(name, meaning, "lane")
            for number in self._status.lanes:
                if number in self._outside.figures:
                    gauge.add_metric((self._group, str(number)), value(self._outside.figures[number]))
            yield gauge
        for name, meaning, since in _AGES:
            age = self._gauge(name, meaning, "lane")
            for number in self._status.lanes:
                if number in self._outside.figures:
                    figures = self._outside.figures[number]
                    age.add_metric((self._group, str(number)), self._age_s(figures, since(figures)))
            yield age
        unsent = self._gauge("outbox_backlog_seconds", "Age of the oldest batch that is settled and not sent.", "lane")
        for number, lane in self._status.lanes.items():
            if number in self._outside.figures:
                labels, figures = (self._group, str(number)), self._outside.figures[number]
                unsent.add_metric(labels, self._unsent_age_s(lane, figures))
        yield unsent
        yield self._platform()

    def _platform(self) -> Metric:
        """All accounts in each currency of the lane, so that the first booking is a rise."""
        held = self._gauge(
            "platform_balance_minor",
            "What the platform's own ledger accounts hold.",
            "lane",
            "ledger_account",
            "currency",
        )
        for number in self._status.lanes:
            if number in self._outside.figures:
                balances = self._outside.figures[number].platform
                for account, currency in product(owned_by(None), sorted({currency for _, currency in balances})):
                    minor = balances.get((account, currency), 0)
                    held.add_metric((self._group, str(number), account.value, currency), minor)
        return held

    def _unsent_age_s(self, lane: LaneStatus, figures: LaneFigures) -> float:
        """By the database's clock, since the batch after the last that the relay told the database of."""
        if not lane.backlog or figures.unrelayed_since is None:
            return 0.0
        age_s = (datetime.now(UTC) - figures.unrelayed_since).total_seconds()
        return max(0.0, age_s - self._status.clock_skew_s)

    def _age_s(self, figures: LaneFigures, since: datetime | None) -> float:
        """By the clock; where time is that of the messages, by the lane's."""
        now = datetime.now(UTC) if self._clock == "wall" else figures.lane_time
        if now is None or since is None:
            return 0.0
        return max(0.0, (now - since).total_seconds())

    def _counters(self) -> Iterator[Metric]:
        status, group = self._status, self._group
        inputs = CounterMetricFamily(
            NAMESPACE + "inputs", "Records by what became of them.", labels=("group", "type", "outcome", "reason")
        )
        for (kind, outcome, reason), number in sorted(status.outcomes.items()):
            inputs.add_metric((group, kind, outcome, reason), number)
        yield inputs
        timers = CounterMetricFamily(NAMESPACE + "timers", "Timers fired.", labels=("group", "kind", "outcome"))
        for (kind, outcome), number in sorted(status.timers.items()):
            timers.add_metric((group, kind, outcome), number)
        yield timers
        for name, meaning, by_topic in (
            ("outputs", "Messages decided on, by topic.", status.outputs),
            ("rerouted", "Records that a producer put on a wrong lane.", status.rerouted),
        ):
            family = CounterMetricFamily(NAMESPACE + name, meaning, labels=("group", "topic"))
            for topic, number in sorted(by_topic.items()):
                family.add_metric((group, self._prefix + topic), number)
            yield family
        for name, meaning, number in (
            ("claims", "Lanes claimed.", status.claims),
            ("fenced", "Batches refused because another worker has the lane.", status.fenced),
            ("reseeks", "Times a lane went back to its stored position.", status.reseeks),
            ("retries", "Batches tried again after a passing error of the database.", status.retries),
            ("taken_back", "Times the database was found taken back to an earlier moment.", status.taken_back),
        ):
            family = CounterMetricFamily(NAMESPACE + name, meaning, labels=("group",))
            family.add_metric((group,), number)
            yield family

    def _histograms(self) -> Iterator[Metric]:
        for name, meaning, observed in (
            ("batch_records", "Records in a batch.", self._status.batch_records),
            ("batch_duration_seconds", "From the lane's lock to COMMIT.", self._status.batch_seconds),
            ("relay_duration_seconds", "One Kafka transaction of outputs.", self._status.relay_seconds),
        ):
            family = HistogramMetricFamily(NAMESPACE + name, meaning, labels=("group",))
            family.add_metric((self._group,), _buckets(observed), observed.total)
            yield family


def _calendar_end_s(status: WorkerStatus) -> float:
    end_on = status.calendar_end_on
    return midnight(end_on).timestamp() if end_on else 0.0


def _lane_time_s(lane: LaneStatus) -> float:
    return lane.lane_time.timestamp() if lane.lane_time else 0.0


_LAG_GAUGES: tuple[tuple[str, str, Callable[[Unsettled], float]], ...] = (
    ("lag_records", "Records not settled yet.", lambda lag: lag.records),
    ("lag_seconds", "Age of the oldest of them that was fetched.", lambda lag: lag.seconds),
    ("open_transaction_records", "Records behind an open transaction.", lambda lag: lag.open_transaction_records),
    ("open_transaction_seconds", "How long it has been seen.", lambda lag: lag.open_transaction_seconds),
)

_LANE_GAUGES: tuple[tuple[str, str, Callable[[LaneStatus], float]], ...] = (
    ("lane_epoch", "Times the lane was claimed, by anybody.", lambda lane: lane.epoch),
    ("lane_time_seconds", "The lane's time, seconds since 1970.", _lane_time_s),
    ("inbox_records", "Records fetched and not settled.", lambda lane: lane.inbox_records),
    ("inbox_bytes", "Their bytes in memory.", lambda lane: lane.inbox_bytes),
    ("outbox_backlog_batches", "Batches settled and not sent yet.", lambda lane: lane.backlog),
    ("relay_waiting", "Whether the relay waits for the broker (1).", lambda lane: float(bool(lane.relay_detail))),
    ("lane_waits_for_relay", "Whether the lane waits for its relay (1).", lambda lane: float(lane.waits_for_relay)),
)

_DATABASE_GAUGES: tuple[tuple[str, str, Callable[[LaneFigures], float]], ...] = (
    ("timers_due", "Timers due by the lane's time and not fired.", lambda figures: figures.timers_due),
    ("parked_inputs", "Inputs that wait for what they name.", lambda figures: figures.parked),
    ("dead_letters", "Dead letters ever.", lambda figures: figures.dead_letters),
    ("open_payouts", "Payouts asked for and not answered.", lambda figures: figures.open_payouts),
    ("open_debits", "Debits requested and not answered.", lambda figures: figures.open_debits),
    ("overdue_accounts", "Accounts that are frozen for what is overdue.", lambda figures: figures.overdue_accounts),
)

_AGES: tuple[tuple[str, str, Callable[[LaneFigures], datetime | None]], ...] = (
    (
        "open_payout_age_seconds",
        "Age of the oldest payout that is not answered.",
        lambda figures: figures.oldest_open_payout_at,
    ),
    (
        "open_debit_age_seconds",
        "Age of the oldest debit that is not answered.",
        lambda figures: figures.oldest_open_debit_at,
    ),
    ("overdue_age_seconds", "Since the first of them is frozen.", lambda figures: figures.oldest_overdue_at),
)


def watchdog_age_s(status: WorkerStatus, now: float | None = None) -> float:
    """How long the thing that has been still longest, though it has work, has not moved."""
    moment = time.monotonic() if now is None else now
    return max((each.seconds for each in status.still(moment)), default=0.0)


def unready(status: WorkerStatus, outside: Outside) -> list[str]:
    """Why the worker is not ready, one line each; empty when it is."""
    reasons = list(status.unready())
    if not outside.database_up:
        reasons.append(f"the database does not answer: {outside.database_detail}")
    elif not outside.migrated:
        reasons.append(f"the database is not migrated: {outside.database_detail}")
    if not status.assigned and outside.group_members:
        reasons.append(f"in the consumer group {status.group} there is {outside.group_members}")
    if not outside.broker_up:
        reasons.append(f"no broker answers: {outside.broker_detail}")
    return reasons


def registry(settings: Settings, status: WorkerStatus, outside: Outside) -> CollectorRegistry:
    """A registry of the worker's own figures and those of its process (memory, processor, descriptors)."""
    made = CollectorRegistry(auto_describe=False)
    made.register(WorkerCollector(settings, status, outside))
    ProcessCollector(registry=made)
    PlatformCollector(registry=made)
    GCCollector(registry=made)
    return made


def _buckets(observed: Histogram) -> list[tuple[str, float]]:
    """Cumulative counts by upper bound, as the exposition format wants them."""
    so_far, buckets = 0, []
    for bound, count in zip((*observed.bounds, float("inf")), observed.counts, strict=True):
        so_far += count
        buckets.append(("+Inf" if bound == float("inf") else str(float(bound)), float(so_far)))
    return buckets
