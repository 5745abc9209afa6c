"""What a batch's results are recorded as, and hashed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import msgpack
import pytest

from settlement.batch import Settled
from settlement.dead_letter import DeadLetter, DeadLetterReason
from settlement.decision import Decision, Outcome
from settlement.ledger import LedgerAccount, Posting
from settlement.messages import CardLinked, Input, Source
from settlement.outputs import AutoDebitCancelled, Output
from settlement.timers import Timer, TimerKind
from storage import chain
from storage.outcomes import dead_letters, receipts, recorded
from tests.unit.settlement.builders import BUYER

AT = datetime(2026, 1, 1, tzinfo=UTC)
POSTING = Posting(LedgerAccount.RECEIVABLE, LedgerAccount.MERCHANT_TRANSIT, "CNY", 100)
INPUT = Input(
    Source("credit-line", 0, 5),
    BUYER,
    "event",
    "credit_line.card_linked",
    AT,
    b"event hash",
    b"fingerprint",
    CardLinked(),
    b"raw",
    "00-trace",
)


def settled(outcome: Outcome, **given) -> Settled:
    return Settled(Decision(outcome, **given), AT, input=INPUT)


def test_only_what_was_applied_or_declined_is_numbered():
    results = [settled(Outcome.DUPLICATE), settled(Outcome.APPLIED), settled(Outcome.PARKED), settled(Outcome.DECLINED)]
    decisions, _ = recorded(results, 7)
    assert [(row.seq, row.outcome) for row in decisions] == [(7, "applied"), (8, "declined")]


def test_a_decision_names_its_outputs_by_type_and_id():
    outputs = tuple(Output(each, AT, "event", BUYER, AutoDebitCancelled("buyer", "debit", "paid")) for each in "ab")
    (row,), _ = recorded([settled(Outcome.APPLIED, outputs=outputs)], 1)
    assert row.outputs == "auto_debit.cancelled a\nauto_debit.cancelled b"


def test_a_timer_is_recorded_by_its_id():
    timer = Timer(BUYER, TimerKind.TRIAL_END, "order", AT)
    (row,), (posting,) = recorded([Settled(Decision(Outcome.APPLIED, postings=(POSTING,)), AT, timer=timer)], 1)
    assert (row.kind, row.timer_id, row.topic, row.event_hash) == ("timer", timer.timer_id, None, None)
    assert posting == (1, 0, "buyer", "receivable", "merchant_transit", "CNY", 100)


def test_a_conflict_keeps_its_content_and_a_duplicate_does_not():
    rows = receipts([settled(Outcome.DUPLICATE), settled(Outcome.CONFLICT), settled(Outcome.APPLIED)], 1)
    assert [(row.outcome, row.raw) for row in rows] == [("duplicate", None), ("conflict", b"raw")]


def test_what_has_no_number_knows_its_place_among_the_decisions():
    results = [
        settled(Outcome.DUPLICATE),
        settled(Outcome.APPLIED),
        settled(Outcome.PARKED),
        settled(Outcome.CONFLICT),
        settled(Outcome.DEAD_LETTERED, reason="unmatched"),
        settled(Outcome.DECLINED),
        settled(Outcome.DUPLICATE),
    ]
    assert [(row.next_seq, row.n) for row in receipts(results, 7)] == [(7, 0), (8, 2), (9, 4)]
    assert [(row.next_seq, row.n) for row in dead_letters(results, [], 7)] == [(8, 3)]
    assert [row.seq for row in recorded(results, 7)[0]] == [7, 8]


def test_a_dead_letter_keeps_the_input_and_its_trace():
    unmatched = Settled(
        Decision(Outcome.DEAD_LETTERED, reason="unmatched"), AT, input=INPUT, detail="order:o not known"
    )
    (row,) = dead_letters([unmatched, settled(Outcome.APPLIED)], [], 1)
    assert (row.reason, row.detail, row.raw) == ("unmatched", "order:o not known", b"raw")
    assert msgpack.unpackb(row.headers) == [[b"traceparent", b"00-trace"]]


def test_a_dead_letter_holds_nothing_postgres_cannot():
    too_early = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    record = DeadLetter(
        Source("purchase", 0, 5),
        None,
        DeadLetterReason.NUL,
        "a \0 and \ud800",
        AT,
        None,
        b"\0",
        event_id="e\0",
        occurred_at=too_early,
    )
    (row,) = dead_letters([], [record], 1)
    assert (row.dead_letter_id, row.detail, row.event_id) == ("purchase/0/5", "a \\x00 and \\ud800", "e\\x00")
    assert row.occurred_at is None and row.raw == b"\0"


def test_a_failed_timer_is_a_dead_letter_without_a_record():
    timer = Timer(BUYER, TimerKind.TRIAL_END, "order", AT)
    failed = Settled(Decision(Outcome.DEAD_LETTERED, reason="internal_error"), AT, timer=timer, detail="Traceback …")
    (row,) = dead_letters([failed], [], 1)
    assert (row.dead_letter_id, row.topic, row.detail) == (timer.timer_id, None, "Traceback …")


def linked(results: list[Settled], **given) -> bytes:
    arguments = {"previous": b"before", "batch_seq": 1, "lane_time": AT, "first_seq": 1} | given
    return chain.extend(results=results, **arguments)


RESULTS = [settled(Outcome.APPLIED, postings=(POSTING,))]


def test_the_same_batch_has_the_same_hash_whatever_zone_its_times_are_in():
    elsewhere = AT.astimezone(timezone(timedelta(hours=8)))
    assert linked(RESULTS) == linked(RESULTS, lane_time=elsewhere)


@pytest.mark.parametrize(
    "other",
    [
        lambda: linked(RESULTS, previous=b"another"),
        lambda: linked(RESULTS, batch_seq=2),
        lambda: linked(RESULTS, lane_time=AT + timedelta(microseconds=1)),
        lambda: linked(RESULTS, first_seq=2),
        lambda: linked([]),
        lambda: linked([settled(Outcome.DECLINED, postings=(POSTING,))]),
        lambda: linked([settled(Outcome.APPLIED, postings=(replace(POSTING, amount_minor=101),))]),
        lambda: linked([replace(RESULTS[0], input=replace(INPUT, raw=b"other"))]),
        lambda: linked([replace(RESULTS[0], input=replace(INPUT, fingerprint=b"other"))]),
        lambda: linked([replace(RESULTS[0], decided_at=AT + timedelta(seconds=1))]),
    ],
)
def test_another_batch_has_another_hash(other):
    assert other() != linked(RESULTS)


def test_lanes_begin_with_different_hashes():
    assert len({chain.genesis(lane) for lane in range(64)}) == 64


def test_the_encoding_of_the_chain_never_changes():
    # Batches that were written once are compared with this for ever: a new value here breaks every database.
    assert linked(RESULTS).hex() == "ae4d4bc97e8f1a6de0dc820f5dc1dcb83b922e8f94d04fd33c8863fca54e0892"


def test_outcomes_without_a_decision_leave_the_hash_alone():
    assert linked([*RESULTS, settled(Outcome.DUPLICATE), settled(Outcome.DEAD_LETTERED, reason="unmatched")]) == linked(
        RESULTS
    )
