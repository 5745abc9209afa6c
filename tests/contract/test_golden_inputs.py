"""Messages as they were accepted once: every release must understand them alike, down to the fingerprint."""

import json
from dataclasses import asdict
from typing import get_args

import jsonschema
import pytest

from contracts.catalogue import MESSAGES
from contracts.decode import restore
from contracts.schemas import input_schemas
from settlement.messages import Body
from tests.contract.builders import TRACEPARENT, accepted, golden_inputs

FILES = golden_inputs()


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_message_is_understood_as_it_always_was(path):
    golden = json.loads(path.read_text(encoding="utf-8"))
    message = accepted(
        golden["value"], golden["topic"], key=golden["key"], headers=[("traceparent", TRACEPARENT.encode())]
    )
    assert {
        "party": None if message.party is None else [message.party.kind, message.party.id],
        "event_id": message.event_id,
        "type": message.type,
        "occurred_at": message.occurred_at.isoformat(),
        "event_hash": message.event_hash.hex(),
        "fingerprint": message.fingerprint.hex(),
        "body": {type(message.body).__name__: json.loads(json.dumps(asdict(message.body), default=str))},
    } == golden["understood"]
    assert message.traceparent == TRACEPARENT
    assert (message.source.topic, message.source.partition, message.source.offset) == (golden["topic"], 3, 7)


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_message_fits_its_published_schema(path):
    golden = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.validate(golden["value"], input_schemas()[golden["value"]["type"]], jsonschema.Draft202012Validator)


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_stored_raw_value_gives_the_same_input_again(path):
    golden = json.loads(path.read_text(encoding="utf-8"))
    first = accepted(
        golden["value"], golden["topic"], key=golden["key"], headers=[("traceparent", TRACEPARENT.encode())]
    )
    key = None if golden["key"] is None else golden["key"].encode()
    assert restore(first.source, key, first.raw, first.traceparent) == first


def test_every_type_has_a_golden_message():
    types = {message.message_type() for messages in MESSAGES.values() for message in messages}
    assert {json.loads(path.read_text(encoding="utf-8"))["value"]["type"] for path in FILES} == types


def test_everything_the_core_understands_can_be_said():
    bodies = {name for path in FILES for name in json.loads(path.read_text(encoding="utf-8"))["understood"]["body"]}
    assert bodies == {body.__name__ for body in get_args(Body)}


def test_restoring_what_would_be_refused_says_so():
    message = accepted(
        {"event_id": "t", "type": "clock.ticked", "occurred_at": "2026-01-01T00:00:00Z"}, "clock", key=None
    )
    with pytest.raises(ValueError, match=r"not_json.*expected a JSON object"):
        restore(message.source, None, message.raw[:-1], None)
