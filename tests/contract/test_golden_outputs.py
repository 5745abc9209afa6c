"""Outputs as other teams read them: bytes, key and headers."""

import json
from typing import get_args

import jsonschema
import pytest

from contracts.encode import encode
from contracts.schemas import output_schemas
from contracts.topics import LANE_TOPICS, OUTPUT_TOPICS
from settlement.outputs import OutputBody
from tests.contract.builders import GOLDEN, OUTPUTS, TRACEPARENT


def written(message):
    return {
        "topic": message.topic,
        "key": message.key.decode(),
        "value": json.loads(message.value),
        "headers": {name: value.decode() for name, value in message.headers},
    }


@pytest.mark.parametrize("kind", OUTPUTS)
def test_an_output_is_written_as_it_always_was(kind):
    golden = json.loads((GOLDEN / "out" / f"{kind}.v1.json").read_text(encoding="utf-8"))
    assert written(encode(OUTPUTS[kind], TRACEPARENT)) == golden


@pytest.mark.parametrize("kind", OUTPUTS)
def test_an_output_fits_its_published_schema(kind):
    message = encode(OUTPUTS[kind])
    jsonschema.validate(json.loads(message.value), output_schemas()[kind], jsonschema.Draft202012Validator)
    assert message.topic in OUTPUT_TOPICS + LANE_TOPICS


def test_every_output_the_core_can_make_is_here():
    assert {type(output.body) for output in OUTPUTS.values()} == set(get_args(OutputBody))


def test_no_trace_no_header():
    assert "traceparent" not in dict(encode(OUTPUTS["limit.released"], None).headers)


def test_an_order_that_is_none_is_left_out():
    from dataclasses import replace

    output = OUTPUTS["limit.released"]
    body = replace(output.body, order_id=None)
    value = json.loads(encode(replace(output, body=body)).value)
    assert "order_id" not in value
    jsonschema.validate(value, output_schemas()["limit.released"], jsonschema.Draft202012Validator)


def test_a_time_of_another_zone_is_written_in_utc():
    from dataclasses import replace
    from datetime import datetime

    output = replace(OUTPUTS["limit.released"], occurred_at=datetime.fromisoformat("2026-04-02T00:00:00+08:00"))
    assert json.loads(encode(output).value)["occurred_at"] == "2026-04-01T16:00:00Z"


def test_what_merchant_lanes_are_told_they_understand():
    from contracts.decode import decode
    from contracts.records import RawRecord
    from settlement.messages import MerchantActivity

    message = encode(OUTPUTS["merchant_activity.recorded"])
    decoded = decode(RawRecord(message.topic, 0, 0, 0, message.key, message.value, message.headers))
    assert decoded.body == MerchantActivity("CNY", -500, 1)
    assert decoded.party == OUTPUTS["merchant_activity.recorded"].party
