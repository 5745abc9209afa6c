import json
from datetime import UTC, datetime

import pytest

from operating.edits import Edit, edited_body, parse_change, redrive_event_id
from operating.refusal import ActionRefusedError
from settlement.dead_letter import DeadLetter, DeadLetterReason
from settlement.messages import Source

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CAME = b'{"event_id": "e-1", "plan": {"days": "30"}, "lines": [{"a": 1}, {"a": 2}]}'


def letter(raw: bytes | None = CAME) -> DeadLetter:
    return DeadLetter(Source("purchase", 3, 7), None, DeadLetterReason.WRONG_FIELD, "why", NOW, b"a-1", raw, "e-1")


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ([("plan.days", 30)], "plan", {"days": 30}),
        ([("lines.1.a", 3), ("lines.0", None)], "lines", [None, {"a": 3}]),
        ([("new", [1])], "new", [1]),
        ([("plan.kind", "trial")], "plan", {"days": "30", "kind": "trial"}),
    ],
)
def test_fields_are_changed_by_their_paths(changes, field, value):
    assert json.loads(edited_body(letter(), Edit(changes)))[field] == value


def test_an_edit_has_an_event_id_of_the_dead_letter_and_the_same_whatever_is_changed():
    ids = {json.loads(edited_body(letter(), Edit([("x", number)])))["event_id"] for number in range(3)}
    assert ids == {redrive_event_id("purchase/3/7")}
    assert redrive_event_id("purchase/3/8") not in ids


def test_what_can_not_be_read_is_given_whole():
    for raw in (None, b"", b"\xff", b"[1]", b"{"):
        with pytest.raises(ActionRefusedError, match="give the whole of it by --file"):
            edited_body(letter(raw), Edit([("a", 1)]))
    body = json.loads(edited_body(letter(b"\xff"), Edit([("a", 1)], body=b'{"event_id": "mine", "b": 2}')))
    assert body == {"event_id": redrive_event_id("purchase/3/7"), "a": 1, "b": 2}
    with pytest.raises(ActionRefusedError, match="expected a JSON object, got something else"):
        edited_body(letter(), Edit(body=b"[]"))


@pytest.mark.parametrize("path", ["plan.days.x", "none.x", "lines.2", "lines.x", "lines.2.a", "event_id"])
def test_a_path_that_leads_nowhere_is_refused(path):
    with pytest.raises(ActionRefusedError, match="expected"):
        edited_body(letter(), Edit([(path, 1)]))


def test_changes_are_read_as_json_or_as_the_text_they_are():
    assert parse_change("plan.days=30") == ("plan.days", 30)
    assert parse_change('a="30"') == ("a", "30")
    assert parse_change("a=CNY=x") == ("a", "CNY=x")
    assert parse_change("a=null") == ("a", None)
    for wrong in ("a", "=1", ""):
        with pytest.raises(ActionRefusedError, match="path=value"):
            parse_change(wrong)
