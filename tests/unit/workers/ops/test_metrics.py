import re
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from storage.figures import LaneFigures
from workers.ops import metrics
from workers.ops.metrics import Outside, unready, watchdog_age_s
from workers.settings.model import Settings
from workers.settings.model import Topics as TopicSettings
from workers.status import LaneState, LaneStatus, Unsettled, WorkerStatus

REPOSITORY = Path(__file__).resolve().parents[4]


@pytest.fixture
def status() -> WorkerStatus:
    lane = LaneStatus(3, LaneState.RUNNING, epoch=7, settled=12, relayed=10)
    lane.unsettled["purchase"] = Unsettled(5, 1.5)
    status = WorkerStatus(group="postpay", lanes={3: lane}, assigned=True)
    status.outcomes["purchase.placed", "declined", "limit_exceeded"] = 4
    status.rerouted["purchase"] = 2
    status.calendar_end_on = date(2027, 1, 1)
    for seconds in (0.004, 0.03, 9.0):
        status.batch_seconds.observe(seconds)
    return status


@pytest.fixture
def outside() -> Outside:
    figures = LaneFigures(
        lane=3,
        epoch=7,
        owner="me",
        batch_seq=12,
        lane_time=datetime(2026, 1, 1, tzinfo=UTC),
        relayed_batch_seq=10,
        unrelayed_since=None,
        timers_due=8,
        parked=6,
        dead_letters=1,
        open_payouts=2,
        oldest_open_payout_at=datetime.now(UTC) - timedelta(hours=1),
        open_debits=9,
        oldest_open_debit_at=datetime(2025, 12, 30, tzinfo=UTC),
        positions={},
        overdue_accounts=11,
        oldest_overdue_at=datetime(2025, 12, 31, tzinfo=UTC),
        platform={("fee_income", "CNY"): 1250},
    )
    return Outside(
        database_up=True, database_detail="", migrated=True, broker_up=True, broker_detail="",
        figures={3: figures, 4: figures},
    )  # fmt: skip


@pytest.fixture
def scraped(status, outside):
    settings = Settings(group="g", topics=TopicSettings(prefix="live."))
    return generate_latest(metrics.registry(settings, status, outside)).decode()


@pytest.mark.parametrize(
    "sample",
    [
        'postpay_lag_records{group="g",partition="3",topic="live.purchase"} 5.0',
        'postpay_lag_seconds{group="g",partition="3",topic="live.purchase"} 1.5',
        'postpay_inputs_total{group="g",outcome="declined",reason="limit_exceeded",type="purchase.placed"} 4.0',
        'postpay_rerouted_total{group="g",topic="live.purchase"} 2.0',
        'postpay_lane_state{group="g",lane="3",state="running"} 1.0',
        'postpay_lane_state{group="g",lane="3",state="stopped"} 0.0',
        'postpay_lane_epoch{group="g",lane="3"} 7.0',
        'postpay_lane_exists{group="g",lane="0"} 1.0',
        'postpay_inputs_total{group="g",outcome="dead_lettered",reason="unmatched",type="purchase.received"} 0.0',
        'postpay_inputs_total{group="g",outcome="dead_lettered",reason="not_json",type="unknown"} 0.0',
        'postpay_inputs_total{group="g",outcome="conflict",reason="",type="purchase.placed"} 0.0',
        'postpay_timers_total{group="g",kind="debit",outcome="dead_lettered"} 0.0',
        'postpay_rerouted_total{group="g",topic="live.credit-line"} 0.0',
        'postpay_outputs_total{group="g",topic="live.payout"} 0.0',
        'postpay_taken_back_total{group="g"} 0.0',
        'postpay_calendar_end_seconds{group="g"} 1.7987328e+09',
        'postpay_overdue_accounts{group="g",lane="3"} 11.0',
        'postpay_platform_balance_minor{currency="CNY",group="g",lane="3",ledger_account="fee_income"} 1250.0',
        'postpay_platform_balance_minor{currency="CNY",group="g",lane="3",ledger_account="suspense"} 0.0',
        'postpay_outbox_backlog_batches{group="g",lane="3"} 2.0',
        'postpay_timers_due{group="g",lane="3"} 8.0',
        'postpay_parked_inputs{group="g",lane="3"} 6.0',
        'postpay_dead_letters{group="g",lane="3"} 1.0',
        'postpay_open_payouts{group="g",lane="3"} 2.0',
        'postpay_open_debits{group="g",lane="3"} 9.0',
        'postpay_ready{group="g"} 1.0',
        'postpay_database_up{group="g"} 1.0',
        'postpay_batch_duration_seconds_bucket{group="g",le="0.005"} 1.0',
        'postpay_batch_duration_seconds_bucket{group="g",le="0.05"} 2.0',
        'postpay_batch_duration_seconds_bucket{group="g",le="5.0"} 2.0',
        'postpay_batch_duration_seconds_bucket{group="g",le="+Inf"} 3.0',
        'postpay_batch_duration_seconds_count{group="g"} 3.0',
        'postpay_batch_duration_seconds_sum{group="g"} 9.034',
    ],
)
def test_a_figure_is_told(scraped, sample):
    assert sample in scraped.splitlines()


def age_told(status, outside, what="open_payout", **settings) -> str:
    told = generate_latest(metrics.registry(Settings(group="g", **settings), status, outside)).decode()
    return re.search(rf'^postpay_{what}_age_seconds{{group="g",lane="3"}} (.*)$', told, re.MULTILINE)[1]


def test_the_oldest_open_payout_ages_by_the_clock(status, outside):
    assert 3600 <= float(age_told(status, outside)) < 3660


def test_the_oldest_open_payout_ages_by_lane_time_where_time_is_that_of_the_messages(status, outside):
    figures = outside.figures[3]
    outside.figures[3] = replace(figures, oldest_open_payout_at=figures.lane_time - timedelta(days=2))
    assert float(age_told(status, outside, clock="event")) == 172_800


def test_the_oldest_open_debit_and_the_first_that_is_overdue_age_as_well(status, outside):
    assert float(age_told(status, outside, "open_debit", clock="event")) == 2 * 86_400
    assert float(age_told(status, outside, "overdue", clock="event")) == 86_400
    outside.figures[3] = replace(outside.figures[3], oldest_open_debit_at=None)
    assert float(age_told(status, outside, "open_debit")) == 0


def test_no_open_payout_has_no_age(status, outside):
    outside.figures[3] = replace(outside.figures[3], oldest_open_payout_at=None)
    assert float(age_told(status, outside)) == 0


def test_the_process_own_figures_are_told(scraped):
    assert "process_resident_memory_bytes " in scraped


def test_lanes_of_other_workers_are_left_to_them(scraped):
    told = [sample for sample in scraped.splitlines() if 'lane="4"' in sample]
    assert told == ['postpay_lane_exists{group="g",lane="4"} 1.0']


def test_every_metric_stands_in_the_documentation_and_no_other_does(scraped):
    documented = re.findall(
        r"^\| `(postpay_\w+)` \|", (REPOSITORY / "docs" / "operations.md").read_text(), re.MULTILINE
    )
    assert sorted(documented) == sorted(re.findall(r"^# TYPE (postpay_\w+) ", scraped, re.MULTILINE))


def test_a_worker_is_ready_when_all_is_well(status, outside):
    assert unready(status, outside) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda status, outside: setattr(outside, "database_up", False), "the database does not answer"),
        (lambda status, outside: setattr(outside, "migrated", False), "the database is not migrated"),
        (lambda status, outside: setattr(outside, "broker_up", False), "no broker answers"),
        (lambda status, outside: setattr(status, "assigned", False), "has not assigned anything yet"),
        (lambda status, outside: status.noted_assignment("topic-a has 0"), "the consumer group postpay: topic-a has 0"),
        (lambda status, outside: setattr(status, "stuck", "lane 3 hangs"), "lane 3 hangs"),
        (lambda status, outside: setattr(status, "clock_skew_s", -6.0), "clock is -6.0 s off"),
        (lambda status, outside: setattr(status.lanes[3], "state", LaneState.STOPPED), "lane 3 is stopped"),
    ],
)
def test_a_worker_that_is_not_ready_says_why(status, outside, change, reason):
    change(status, outside)
    (said,) = unready(status, outside)
    assert reason in said


def test_the_watchdogs_age_is_that_of_what_has_been_still_longest(status):
    now = time.monotonic()
    lane = status.lanes[3]
    lane.inbox_records = 1
    status.fetched_at, lane.settled_at, lane.relayed_at = now - 1, now - 500, now - 20
    assert watchdog_age_s(status, now) == pytest.approx(500)


def test_full_batches_can_be_told_from_others():
    assert WorkerStatus().batch_records.bounds[-1] == Settings().worker.batch_max_messages
