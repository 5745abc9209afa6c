"""A group's coordinator that does not answer: told by itself only where no broker's absence explains it."""

import pytest
from aiokafka.errors import GroupAuthorizationFailedError, NodeNotReadyError
from structlog.testing import capture_logs

from tests.unit.workers.lanes.surroundings import surroundings
from workers.lanes import assignment
from workers.lanes.assignment import Assignment
from workers.status import WorkerStatus


@pytest.fixture
def lanes():
    status = WorkerStatus()
    lanes = Assignment(status)
    lanes.attach(surroundings(status), consumer=object())
    return lanes


@pytest.fixture
def said():
    with capture_logs() as lines:
        yield lambda: [line["event"] for line in lines]


REFUSED = "the group does not let this worker in: it goes on trying"


def test_a_coordinator_that_is_away_for_a_moment_is_not_told(lanes, said):
    lanes.on_refused(NodeNotReadyError())
    assert "NodeNotReadyError" in lanes._status.group_detail
    lanes._status.assigned = True
    lanes.on_coordinator()
    assert (said(), lanes._status.group_detail) == ([], "")


def test_one_that_is_away_for_long_is_told_unless_no_broker_answers_at_all(lanes, said, monkeypatch):
    monkeypatch.setattr(assignment, "AWAY_TOLD_AFTER_S", 0.0)
    lanes._status.broker_away = True
    lanes.on_refused(NodeNotReadyError())
    assert said() == []
    lanes._status.broker_away = False
    lanes.on_refused(NodeNotReadyError())
    assert said() == [REFUSED]


def test_a_refusal_is_told_at_once(lanes, said):
    lanes.on_refused(GroupAuthorizationFailedError())
    assert said() == [REFUSED]
