"""Which lanes a lane's story is made of, and what of the one before is whose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.kafka.homes import home_of
from workers.lanes.lanelog import BranchLog
from workers.replay.extent import HistoryError, LaneExtent
from workers.replay.lineage import Heir, ancestry


def extent(lane: int, lanes: int = 0, from_lanes: int = 0, batch_seq: int = 0) -> LaneExtent:
    parent = lane % from_lanes if from_lanes else 0
    begins = BranchLog("d", lane, lanes, parent, from_lanes, batch_seq, 1, b"h") if from_lanes else None
    return LaneExtent(lane, {}, {}, None, begins)


@given(st.text(max_size=20), st.integers(1, 9), st.integers(2, 5))
def test_what_is_at_home_on_a_lane_has_one_heir_and_that_is_where_its_key_goes(name, lanes, times):
    into, lane = lanes * times, home_of(name, lanes)
    having = [heir for heir in range(lane, into, lanes) if Heir(heir, into, lanes).has(name)]
    assert having == [home_of(name, into)]


@given(st.text(max_size=20), st.integers(2, 9), st.integers(2, 5))
def test_what_is_not_at_home_on_its_lane_or_of_nobody_stays(name, lanes, times):
    for lane in set(range(lanes)) - {home_of(name, lanes)}:
        for of in (name, None):
            assert [k for k in range(lane, lanes * times, lanes) if Heir(k, lanes * times, lanes).has(of)] == [lane]


def test_the_story_of_lanes_that_were_split_twice():
    extents = {lane: extent(lane) for lane in range(2)}
    extents |= {lane: extent(lane, 4, 2, batch_seq=10 + lane) for lane in (2, 3)}
    extents |= {lane: extent(lane, 12, 4, batch_seq=20 + lane) for lane in range(4, 12)}
    told = {
        lane: [(each.extent.lane, each.lanes, each.last_batch) for each in ancestry(extents, lane, 12)]
        for lane in (0, 3, 5, 11)
    }
    assert told == {
        0: [(0, 2, 12), (0, 4, 24)],
        3: [(1, 2, 13), (3, 4, 27)],
        5: [(1, 2, 13), (1, 4, 25)],
        11: [(1, 2, 13), (3, 4, 27)],
    }
    assert ancestry({0: extent(0), 1: extent(1)}, 1, 2) == ()


def test_a_lane_log_that_lacks_its_beginning_is_told():
    extents = {0: extent(0), 1: extent(1), 2: extent(2), 3: extent(3, 4, 2, batch_seq=5)}
    with pytest.raises(HistoryError, match="the lane-log of lane 2 does not say from which batch of lane 0 it goes on"):
        ancestry(extents, 0, 4)
