"""What to alarm on, by the thresholds of docs/operations.md, told from what the watch sees.

Each alarm has a name (its texts are in `texts/alarms.toml`), how long it must last, and its runbook in docs/runbooks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from console.watch import Watch
from settlement.dates import business_date

Severity = Literal["warn", "bad"]
NEW = timedelta(minutes=10)
"""Dead letters and conflicts alarm for so long, by the lanes' time."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong now: figures for the alarm's text, and where on the page to look."""

    figures: dict[str, str | int]
    look: str | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm; `lasting_s` is how long it must have been so, `rule` its like in deploy/prometheus/rules.yml."""

    name: str
    severity: Severity
    runbook: str
    find: Callable[[Watch], Finding | None]
    lasting_s: float = 0.0
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class ActiveAlarm:
    """An alarm that is on."""

    alarm: str
    severity: Severity
    runbook: str
    since_at: datetime
    figures: dict[str, str | int]
    look: str | None


def _database_away(watch: Watch) -> Finding | None:
    return Finding({"detail": watch.database_detail}) if watch.looked_at and watch.database_detail else None


def _broker_away(watch: Watch) -> Finding | None:
    return Finding({"detail": watch.broker_detail}) if watch.looked_at and watch.broker_detail else None


def _lane_stopped(watch: Watch) -> Finding | None:
    stopped = sorted({int(lane) for each in watch.workers for lane, state in each.lanes.items() if state == "stopped"})
    return Finding({"lanes": _listed(stopped)}, "/lanes") if stopped else None


def _lane_without_owner(watch: Watch) -> Finding | None:
    unowned = [each.lane for each in watch.figures if each.owner is None]
    return Finding({"lanes": _listed(unowned)}, "/lanes") if unowned else None


def _books(watch: Watch) -> Finding | None:
    return Finding({}, "/books") if watch.books_balance is False else None


def _worker_not_ready(watch: Watch) -> Finding | None:
    found = [f"{each.address}: {'; '.join(each.reasons)}" for each in watch.workers if not each.is_ready]
    return Finding({"detail": ". ".join(found)}, "/lanes") if found else None


def _settling_behind(watch: Watch) -> Finding | None:
    topics = [] if watch.lag is None else [each for each in watch.lag.topics if each.seconds > 60]  # noqa: PLR2004
    if not topics:
        return None
    worst = max(topics, key=lambda each: each.seconds)
    return Finding({"lane": worst.lane, "topic": worst.topic, "seconds": round(worst.seconds)}, "/lanes")


def _sending_behind(watch: Watch) -> Finding | None:
    lanes = [] if watch.lag is None else [each for each in watch.lag.lanes if each.batches > 10]  # noqa: PLR2004
    return Finding({"lanes": _listed([each.lane for each in lanes])}, "/lanes") if lanes else None


def _outputs_not_sent(watch: Watch) -> Finding | None:
    lanes = [] if watch.lag is None else [each for each in watch.lag.lanes if each.seconds > 60]  # noqa: PLR2004
    return Finding({"lanes": _listed([each.lane for each in lanes])}, "/lanes") if lanes else None


def _open_transaction(watch: Watch) -> Finding | None:
    topics = [] if watch.lag is None else watch.lag.topics
    held = [each for each in topics if each.open_transaction_seconds > 60]  # noqa: PLR2004
    if not held:
        return None
    worst = max(held, key=lambda each: each.open_transaction_seconds)
    records = sum(each.open_transaction_records for each in held)
    return Finding({"lane": worst.lane, "topic": worst.topic, "records": records}, "/lanes")


def _dead_letters(watch: Watch) -> Finding | None:
    count = watch.trouble.dead_letters
    return Finding({"count": count}, "/dead-letters") if count else None


def _conflicts(watch: Watch) -> Finding | None:
    count = watch.trouble.conflicts
    return Finding({"count": count}, "/conflicts") if count else None


def _parked(watch: Watch) -> Finding | None:
    count = sum(each.parked for each in watch.figures)
    return Finding({"count": count}, "/parked") if count > 1000 else None  # noqa: PLR2004


def _rerouted(watch: Watch) -> Finding | None:
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    first = next((each.rerouted for each in watch.samples if each.at >= hour_ago), None)
    if first is None or not watch.samples or watch.samples[-1].rerouted <= first:
        return None
    return Finding({"count": watch.samples[-1].rerouted - first})


def _calendar_ends(watch: Watch) -> Finding | None:
    if watch.now is None or watch.calendar_end_on is None:
        return None
    days = (watch.calendar_end_on - business_date(watch.now)).days
    return Finding({"days": days}) if days < 30 else None  # noqa: PLR2004


def _debit_unanswered(watch: Watch) -> Finding | None:
    return _unanswered(watch, [each.oldest_open_debit_at for each in watch.figures], None)


def _payout_unanswered(watch: Watch) -> Finding | None:
    return _unanswered(watch, [each.oldest_open_payout_at for each in watch.figures], "/payouts")


def _unanswered(watch: Watch, instants: Sequence[datetime | None], look: str | None) -> Finding | None:
    oldest = min((each for each in instants if each is not None), default=None)
    if oldest is None or watch.now is None or watch.now - oldest <= timedelta(days=3):
        return None
    return Finding({"days": (watch.now - oldest).days}, look)


def _listed(lanes: Sequence[int]) -> str:
    return ", ".join(map(str, lanes))


ALARMS: tuple[Alarm, ...] = (
    Alarm("database_away", "bad", "servers-away", _database_away, 60, "PostpayDatabaseAway"),
    Alarm("broker_away", "bad", "servers-away", _broker_away, 60, "PostpayBrokerAway"),
    Alarm("lane_stopped", "bad", "lane-stopped", _lane_stopped, 0, "PostpayLaneStopped"),
    Alarm("lane_without_owner", "bad", "workers-gone", _lane_without_owner, 120, "PostpayLaneWithoutOwner"),
    Alarm("outputs_not_sent", "bad", "outputs-refused", _outputs_not_sent, 60, "PostpayOutputsNotSent"),
    Alarm("open_transaction", "bad", "open-transaction", _open_transaction, 60, "PostpayOpenTransaction"),
    Alarm("books", "bad", "audit-finds", _books),
    Alarm("worker_not_ready", "warn", "lag-grows", _worker_not_ready, 600, "PostpayWorkerNotReady"),
    Alarm("settling_behind", "warn", "lag-grows", _settling_behind, 300, "PostpaySettlingBehind"),
    Alarm("sending_behind", "warn", "lag-grows", _sending_behind, 120, "PostpaySendingBehind"),
    Alarm("conflicts", "warn", "dead-letters", _conflicts, 0, "PostpayConflicts"),
    Alarm("dead_letters", "warn", "dead-letters", _dead_letters, 0, "PostpayDeadLetters"),
    Alarm("parked", "warn", "dead-letters", _parked, 3600, "PostpayParked"),
    Alarm("rerouted", "warn", "wrong-partitioner", _rerouted, 0, "PostpayRerouted"),
    Alarm("calendar_ends", "warn", "calendar-ends", _calendar_ends, 0, "PostpayCalendarEnds"),
    Alarm("debit_unanswered", "warn", "money-unanswered", _debit_unanswered, 0, "PostpayDebitUnanswered"),
    Alarm("payout_unanswered", "warn", "money-unanswered", _payout_unanswered, 0, "PostpayPayoutUnanswered"),
)
"""In the order in which they matter."""


def note(watch: Watch) -> None:
    """After a look: since when each alarm's condition has held without a break."""
    now = datetime.now(UTC)
    watch.wrong_since = {each.name: watch.wrong_since.get(each.name, now) for each in ALARMS if each.find(watch)}


def active(watch: Watch) -> Iterator[ActiveAlarm]:
    """The alarms that have lasted long enough, the worst first."""
    now = datetime.now(UTC)
    for each in ALARMS:
        since, finding = watch.wrong_since.get(each.name), each.find(watch)
        if since is not None and finding is not None and (now - since).total_seconds() >= each.lasting_s:
            yield ActiveAlarm(each.name, each.severity, each.runbook, since, finding.figures, finding.look)
