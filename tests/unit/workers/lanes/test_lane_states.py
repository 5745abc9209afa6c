from settlement.decision import InvariantBrokenError
from tests.unit.workers.lanes.surroundings import surroundings
from workers.lanes.lane import Lane
from workers.status import LaneState, WorkerStatus


def test_a_state_that_does_not_follow_is_told_as_a_defect_and_the_lane_goes_on():
    defects = []
    lane = Lane(3, surroundings(WorkerStatus(), on_defect=defects.append))
    lane._enter(LaneState.RUNNING)
    lane._enter(LaneState.HELD)
    assert defects == []
    lane._enter(LaneState.RETRYING, "the database")
    (defect,) = defects
    assert isinstance(defect, InvariantBrokenError)
    assert str(defect) == "lane 3: no step leads from held to retrying"
    assert (lane.status.state, lane.status.detail) == (LaneState.RETRYING, "the database")
