import json

import pytest

from operating.differences import differences


@pytest.mark.parametrize(
    ("first", "came", "found"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [("a", 1, 2)]),
        ({"a": 1}, {"a": True}, [("a", 1, True)]),
        ({"a": 1}, {}, [("a", 1, None)]),
        ({"a": None}, {}, []),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, [("a.c", 2, 3)]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1}, {"b": 2}]}, [("a.1.b", None, 2)]),
        ({"a": []}, {"a": [1]}, [("a", [], None), ("a.0", None, 1)]),
        ({"event_id": "1", "occurred_at": "x", "source": "y", "version": 1}, {"event_id": "2"}, []),
    ],
)
def test_messages_differ_by_field(first, came, found):
    told = differences(json.dumps(first).encode(), json.dumps(came).encode())
    assert [(each.path, each.first, each.came) for each in told] == found
