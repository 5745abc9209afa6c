"""What counts as standing still, and which states of a lane follow which: each is said once, for all who ask."""

import pytest

from settlement.decision import InvariantBrokenError
from workers.status import LaneState, LaneStatus, WorkerStatus

NOW = 1000.0
LANE, RELAY, FETCH, CLAIM, GROUP = 30.0, 20.0, 10.0, 30.0, 40.0
"""For how long each has done nothing."""


def worker(**lane):
    made = LaneStatus(3, LaneState.RUNNING, settled_at=NOW - LANE, relayed_at=NOW - RELAY)
    for name, value in lane.items():
        setattr(made, name, value)
    return WorkerStatus({3: made}, assigned=True, fetched_at=NOW - FETCH, unassigned_since=NOW - GROUP)


@pytest.mark.parametrize(
    ("lane", "expected"),
    [
        # Without work it may rest; fetching never may.
        ({}, {FETCH}),
        ({"inbox_records": 5}, {FETCH, LANE}),
        ({"settled": 9, "relayed": 4}, {FETCH, RELAY}),
        ({"settled": 9, "relayed": 4, "inbox_records": 5}, {FETCH, LANE, RELAY}),
        # Who waits for another is not who stands still, whether or not the other has a batch yet.
        ({"settled": 9, "relayed": 4, "inbox_records": 5, "waits_for_relay": True}, {FETCH, RELAY}),
        ({"inbox_records": 5, "waits_for_relay": True}, {FETCH, RELAY}),
        # What it does counts, not only what it has.
        ({"state": LaneState.CLAIMING}, {FETCH, CLAIM}),
        ({"state": LaneState.CLAIMING, "settled": 9, "inbox_records": 5}, {FETCH, CLAIM}),
        ({"state": LaneState.RETRYING, "inbox_records": 5}, {FETCH, LANE}),
        ({"state": LaneState.RETRYING, "inbox_records": 5, "settled": 9}, {FETCH, LANE, RELAY}),
        ({"state": LaneState.HELD, "inbox_records": 5}, {FETCH}),
        ({"state": LaneState.HELD, "inbox_records": 5, "settled": 9}, {FETCH, RELAY}),
        ({"state": LaneState.STOPPED, "inbox_records": 5, "settled": 9, "waits_for_relay": True}, {FETCH}),
    ],
)
def test_what_stands_still(lane, expected):
    assert {each.seconds for each in worker(**lane).still(NOW)} == expected


def test_without_an_assignment_only_the_group_is_waited_for():
    unassigned = worker(inbox_records=5, settled=9)
    unassigned.assigned = False
    (still,) = unassigned.still(NOW)
    assert (still.seconds, still.waits_for_broker) == (GROUP, True)


@pytest.mark.parametrize(("lane", "excused"), [({"state": LaneState.CLAIMING}, True), ({"inbox_records": 5}, False)])
def test_without_a_broker_a_claim_is_excused_and_settling_is_not(lane, excused):
    still = worker(**lane)
    still.noted_no_broker(NOW)
    assert (max(each.seconds for each in still.still(NOW)) < LANE) == excused


@pytest.mark.parametrize("before", LaneState)
@pytest.mark.parametrize("after", LaneState)
def test_a_lane_enters_only_the_states_that_follow(before, after):
    follows = {
        LaneState.CLAIMING: {LaneState.RUNNING, LaneState.STOPPED},
        LaneState.RUNNING: {LaneState.HELD, LaneState.RETRYING, LaneState.CLAIMING, LaneState.STOPPED},
        LaneState.HELD: {LaneState.RUNNING, LaneState.CLAIMING, LaneState.STOPPED},
        LaneState.RETRYING: {LaneState.RUNNING, LaneState.HELD, LaneState.CLAIMING, LaneState.STOPPED},
        LaneState.STOPPED: {LaneState.CLAIMING},
    }
    lane = LaneStatus(3, before)
    if after is before or after in follows[before]:
        lane.enter(after, "why")
    else:
        with pytest.raises(InvariantBrokenError, match=f"from {before} to {after}"):
            lane.enter(after, "why")
    assert (lane.state, lane.detail) == (after, "why"), "what is told is what is"
