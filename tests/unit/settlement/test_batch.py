"""A lane's batch: repeated ids, parking and waking, timers in order, lane time, terms, activity."""

from datetime import timedelta

import pytest

from settlement.batch import Batch
from settlement.decide import RULES as BY_MESSAGE
from settlement.decision import InvariantBrokenError, Outcome
from settlement.entities import Account, Obligation, Order
from settlement.messages import (
    ClockTicked,
    LineFrozen,
    LineUnfrozen,
    PurchaseCancelled,
    PurchaseKept,
    PurchasePlaced,
    PurchaseReceived,
    TermsPublished,
)
from settlement.outputs import MerchantActivityRecorded
from settlement.state import ALL_OPEN, NotLoadedError, PartyState
from settlement.timers import TimerKind
from tests.unit.settlement.builders import (
    BUYER,
    RULES,
    Lane,
    at,
    deferred,
    lane_with_line,
    message,
    opened,
    placed,
    repaid,
    returned,
)


def test_an_event_id_counts_once():
    lane = lane_with_line()
    assert lane.send("2026-01-02", placed(), event_id="e").outcome is Outcome.APPLIED
    assert lane.send("2026-01-03", placed(), event_id="e").outcome is Outcome.DUPLICATE
    assert lane.send("2026-01-03", placed("other"), event_id="e").outcome is Outcome.CONFLICT
    assert lane.limits() == (100_000, 90_000, 10_000, 0)


def test_a_declined_event_id_is_answered_the_same_way():
    lane = lane_with_line(limit_minor=1)
    assert lane.send("2026-01-02", placed(), event_id="e").outcome is Outcome.DECLINED
    assert lane.send("2026-01-02", placed(), event_id="e").outcome is Outcome.DUPLICATE


def test_a_duplicate_by_content_that_is_read_again_never_takes_effect():
    lane = lane_with_line()
    lane.send("2026-01-02", LineFrozen("security"), event_id="first")
    assert lane.send("2026-01-02", LineFrozen("security"), event_id="second").outcome is Outcome.DUPLICATE
    assert not lane.last[0].is_repeat
    lane.send("2026-01-03", LineUnfrozen("security"))
    assert lane.send("2026-01-02", LineFrozen("security"), event_id="second").outcome is Outcome.DUPLICATE
    assert lane.last[0].is_repeat
    assert lane.send("2026-01-02", LineFrozen("manual"), event_id="second").outcome is Outcome.CONFLICT
    assert lane.account.freeze_reasons == ()


def test_a_parked_event_id_counts_too():
    lane = lane_with_line()
    assert lane.send("2026-01-02", PurchaseReceived("order"), event_id="e").outcome is Outcome.PARKED
    assert lane.send("2026-01-02", PurchaseReceived("order"), event_id="e").outcome is Outcome.DUPLICATE
    assert lane.send("2026-01-02", PurchaseReceived("other"), event_id="e").outcome is Outcome.CONFLICT


def test_parked_inputs_are_decided_in_arrival_order_when_what_they_name_arrives():
    lane = Lane()
    lane.send("2026-01-01", PurchaseReceived("b"))
    lane.send("2026-01-01", placed("b"))
    lane.send("2026-01-01", placed("a"))
    lane.send("2026-01-02", opened())
    kinds = [each.input.type for each in lane.last]
    assert kinds == ["CreditLineOpened", "PurchasePlaced", "PurchaseReceived", "PurchasePlaced"]
    assert [each.was_parked for each in lane.last] == [False, True, True, True]
    assert {each.decision.outcome for each in lane.last} == {Outcome.APPLIED}
    assert lane.states[BUYER].parked == []
    assert lane.states[BUYER].newly_parked == {}


def test_a_parked_input_is_unmatched_after_72_hours_and_its_event_id_free():
    lane = lane_with_line()
    lane.send("2026-01-02 12:00", PurchaseReceived("order"), event_id="e")
    assert lane.tick("2026-01-05 11:59") == []
    (expired,) = lane.tick("2026-01-05 12:00")
    assert (expired.decision.outcome, expired.decision.reason) == (Outcome.DEAD_LETTERED, "unmatched")
    assert expired.decided_at == at("2026-01-05 12:00")
    lane.send("2026-01-05 12:01", placed())
    assert lane.send("2026-01-05 12:02", PurchaseReceived("order"), event_id="e").outcome is Outcome.APPLIED


def test_a_wait_for_something_else_keeps_its_deadline():
    lane = lane_with_line()
    lane.send("2026-01-02 12:00", PurchaseKept("order"))
    lane.send("2026-01-04 12:00", placed())
    assert lane.states[BUYER].parked[0].waits_for == "order:order"
    (expired,) = lane.tick("2026-01-05 12:00")
    assert expired.decision.reason == "unmatched"


def test_a_step_of_something_declined_is_declined():
    lane = lane_with_line(limit_minor=1)
    lane.send("2026-01-02", PurchaseReceived("order"))
    lane.send("2026-01-02", placed())
    assert [each.decision.reason for each in lane.last] == ["limit_exceeded", "subject_declined"]
    assert lane.send("2026-01-02", returned()).reason == "subject_declined"


def test_due_timers_fire_before_the_next_input():
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred(days=30))
    lane.send("2026-01-03", PurchaseReceived("order"))
    lane.send("2026-02-01 00:00", repaid(10_000))
    assert [each.timer.kind if each.timer else each.input.type for each in lane.last] == [
        TimerKind.REMINDER,
        TimerKind.DUE_DAY,
        "RepaymentReceived",
    ]


def test_timers_of_one_instant_fire_by_kind():
    lane = lane_with_line()
    for order_id in "ba":
        lane.send("2026-01-02", placed(order_id, 100))
        lane.send("2026-01-05", PurchaseReceived(order_id))
    lane.tick("2026-01-11")
    kinds = [(each.timer.kind, each.timer.subject_id) for each in lane.tick("2026-01-12 00:00")]
    assert kinds == [(TimerKind.TRIAL_END, "a"), (TimerKind.TRIAL_END, "b"), (TimerKind.DUE_DAY, "2026-01-12")]


def test_lane_time_never_goes_back_and_late_messages_keep_their_own_time():
    lane = lane_with_line()
    lane.send("2026-01-10", placed())
    lane.send("2026-01-05", PurchaseReceived("order"))
    assert lane.time == at("2026-01-10")
    assert lane.last[0].decided_at == at("2026-01-10")
    assert lane.get(Order, "order").received_at == at("2026-01-05")


def test_under_the_wall_clock_a_message_from_the_future_counts_as_now():
    state = PartyState(BUYER, whole=True)
    states = {None: PartyState(None, whole=True), BUYER: state}
    batch = Batch(states, RULES, at("2026-01-01"), event_clock=False)
    batch.receive(message(opened(), BUYER, at("2030-01-01"), "e"))
    account = lane_account(state)
    assert account.opened_at == at("2026-01-01")
    assert batch.lane_time == at("2026-01-01")
    with pytest.raises(ValueError, match="needs a lane time"):
        Batch({}, RULES, None, event_clock=False)


def lane_account(state: PartyState):
    found = state.find(Account, BUYER.id)
    assert found is not None
    return found


def test_a_jump_of_more_than_400_days_is_a_dead_letter():
    lane = lane_with_line()
    start = at("2026-01-01")
    far = lane.send(start + timedelta(days=400, seconds=1), placed())
    assert (far.outcome, far.reason) == (Outcome.DEAD_LETTERED, "time_jump")
    assert lane.time == start
    assert lane.send(start + timedelta(days=400), placed()).outcome is Outcome.APPLIED


def test_a_tick_moves_the_lane_on():
    lane = lane_with_line()
    lane.settle(message(ClockTicked(), None, at("2026-01-05"), "tick"))
    assert lane.time == at("2026-01-05")
    again = lane.settle(message(ClockTicked(), None, at("2026-01-05"), "tick"))
    assert again.outcome is Outcome.DUPLICATE


def test_terms_take_effect_with_their_record():
    lane = lane_with_line()
    document = {"versions": [*RULES.terms.document["versions"]]}
    version = {**document["versions"][0], "effective_from": "2026-01-02"}
    tmall = {**version["programmes"]["tmall"], "plans": {"trial": {"days": [3]}}}
    document["versions"].append({**version, "programmes": {**version["programmes"], "tmall": tmall}})
    assert lane.send("2026-01-02", placed(days=3)).reason == "plan_not_offered"
    published = lane.settle(message(TermsPublished(document), None, at("2026-01-02"), "terms"))
    assert published.outcome is Outcome.APPLIED
    assert lane.send("2026-01-02", placed(days=3)).outcome is Outcome.APPLIED


def test_wrong_terms_are_a_dead_letter_and_change_nothing():
    lane = lane_with_line()
    wrong = message(TermsPublished({"versions": []}), None, at("2026-01-02"), "terms")
    decision = lane.settle(wrong, may_fail=True)
    assert (decision.outcome, decision.reason) == (Outcome.DEAD_LETTERED, "terms_invalid")
    assert "versions" in lane.last[0].detail
    assert lane.rules.terms is RULES.terms


def test_a_rule_that_trips_concerns_its_message_only(monkeypatch):
    lane = lane_with_line()

    def trip(*_):
        raise ZeroDivisionError("oops")

    monkeypatch.setitem(BY_MESSAGE, PurchasePlaced, (BY_MESSAGE[PurchasePlaced][0], trip))
    tripped = lane.unchecked(message(placed(), BUYER, at("2026-01-02"), "e"))
    assert (tripped.outcome, tripped.reason) == (Outcome.DEAD_LETTERED, "internal_error")
    first, *trace = lane.last[0].detail.splitlines()
    assert first.startswith("ZeroDivisionError in trip, line ")
    assert trace[-1] == "ZeroDivisionError: oops"
    monkeypatch.undo()
    assert lane.send("2026-01-02", placed(), event_id="e").outcome is Outcome.APPLIED


def test_a_parked_message_that_trips_later_leaves_its_event_id_free(monkeypatch):
    lane = lane_with_line()
    lane.send("2026-01-02", PurchaseReceived("order"), event_id="e")

    def trip(*_):
        raise ZeroDivisionError("oops")

    monkeypatch.setitem(BY_MESSAGE, PurchaseReceived, (BY_MESSAGE[PurchaseReceived][0], trip))
    lane.unchecked(message(placed(), BUYER, at("2026-01-02"), "p"))
    assert [each.decision.reason for each in lane.last] == [None, "internal_error"]
    monkeypatch.undo()
    assert lane.send("2026-01-02", PurchaseReceived("order"), event_id="e").outcome is Outcome.APPLIED


def test_a_broken_invariant_stops_the_lane(monkeypatch):
    lane = lane_with_line()

    def broken(*_):
        raise InvariantBrokenError("books")

    monkeypatch.setitem(BY_MESSAGE, PurchasePlaced, (BY_MESSAGE[PurchasePlaced][0], broken))
    with pytest.raises(InvariantBrokenError):
        lane.send("2026-01-02", placed())


def test_activity_is_summed_per_merchant_over_a_batch():
    lane = lane_with_line("kuaishou")
    batch = Batch(lane.states, RULES, lane.time, event_clock=True)
    for number, (body, day) in enumerate(
        [
            (deferred("a", 1_000), "2026-01-02"),
            (deferred("b", 2_000), "2026-01-02"),
            (PurchaseReceived("a"), "2026-01-03"),
            (PurchaseReceived("b"), "2026-01-03"),
            (returned(500, order_id="b"), "2026-01-04"),
        ]
    ):
        batch.receive(message(body, BUYER, at(day), f"e{number}"))
    (activity,) = batch.activity_outputs(lane=3, batch_seq=7)
    assert activity.body == MerchantActivityRecorded("shop", "CNY", 2_500, 0)
    assert activity.causation_id == "lane-3/batch-7"
    assert batch.activity_outputs(3, 7)[0].event_id == activity.event_id
    assert batch.activity_outputs(3, 8)[0].event_id != activity.event_id


def test_a_batch_without_news_for_merchants_tells_them_nothing():
    lane = lane_with_line()
    batch = Batch(lane.states, RULES, lane.time, event_clock=True)
    batch.receive(message(placed(), BUYER, at("2026-01-02"), "e"))
    assert batch.activity_outputs(0, 1) == []


def test_what_is_not_loaded_is_asked_for():
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred("a", 1_000))
    lane.send("2026-01-03", PurchaseReceived("a"))
    state = lane.states[BUYER]
    state.whole = False
    with pytest.raises(NotLoadedError) as missing:
        lane.send("2026-01-04", PurchaseReceived("b"))
    assert (missing.value.kind, missing.value.entity_id) == (Order, "b")
    state.absent |= {"repayment:repayment", "suspense:repayment"}
    state.all_open_loaded = False
    with pytest.raises(NotLoadedError) as missing:
        lane.send("2026-01-04", repaid(500))
    assert (missing.value.kind, missing.value.entity_id) == (Obligation, ALL_OPEN)
    (owed,) = lane.obligations
    state.open_loaded_until = (owed.due_on, owed.no)
    assert lane.send("2026-01-04", repaid(500)).outcome is Outcome.APPLIED
    state.absent |= {"repayment:more", "suspense:more"}
    with pytest.raises(NotLoadedError):
        lane.send("2026-01-04", repaid(501, "more"))


def test_an_obligation_beyond_what_is_loaded_without_a_gap_is_not_paid_unseen():
    lane = lane_with_line("kuaishou")
    for day, order_id in enumerate("ab", start=2):
        lane.send(f"2026-01-{day:02}", deferred(order_id, 1_000))
        lane.send(f"2026-01-{day:02}", PurchaseReceived(order_id))
    state = lane.states[BUYER]
    first, _ = lane.obligations
    state.whole, state.all_open_loaded, state.open_loaded_until = False, False, (first.due_on, first.no)
    state.absent |= {f"{kind}:{name}" for kind in ("repayment", "suspense") for name in ("enough", "more")}
    assert lane.send("2026-01-04", repaid(600, "enough")).outcome is Outcome.APPLIED
    with pytest.raises(NotLoadedError):
        lane.send("2026-01-04", repaid(500, "more"))


def test_what_changed_is_told_apart_from_what_was_made():
    lane = lane_with_line()
    state = lane.states[BUYER]
    state.made.clear()
    lane.send("2026-01-02", placed())
    lane.send("2026-01-02", PurchaseCancelled("order", "no"))
    kinds = {kind.__name__: ids for kind, ids in state.made.items()}
    assert kinds == {"Order": {"order"}}
    assert {kind.__name__: ids for kind, ids in state.changed.items()} == {"Account": {"buyer"}}


def test_a_freeze_wakes_its_end():
    lane = lane_with_line()
    lane.send("2026-01-02", LineUnfrozen("manual"))
    lane.send("2026-01-02", placed())
    assert len(lane.states[BUYER].parked) == 1
    lane.send("2026-01-02", LineFrozen("manual"))
    assert lane.states[BUYER].parked == []
    assert lane.states[BUYER].unparked
