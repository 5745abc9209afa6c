"""Whatever comes, decoding answers; and what it accepts it understands the same way every time."""

import json
from dataclasses import replace

import jsonschema
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.decode import decode, restore
from contracts.envelope import read_strictly
from contracts.records import RawRecord, RefusalError, Rejected
from contracts.schemas import input_schemas
from contracts.topics import LANE_TOPICS, Topic
from settlement.messages import Input
from tests.contract.builders import golden_inputs

GOLDEN = [json.loads(path.read_text(encoding="utf-8")) for path in golden_inputs()]
VALIDATORS = {kind: jsonschema.Draft202012Validator(schema) for kind, schema in input_schemas().items()}

texts = st.text(max_size=20) | st.sampled_from(
    ["", "CNY", "\x00", "\ud800", "trial", "2026-01-01T00:00:00Z", "2026-02-29", "https://a", " "]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, 1, -1, 2**53, 2**63, 2**64, 10**15, 10**15 + 1, 10**400])
    | st.floats()
    | texts
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
headers = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "traceparent",
                "postpay-origin-topic",
                "postpay-origin-partition",
                "postpay-origin-offset",
                "postpay-origin-timestamp",
                "x",
            ]
        ),
        st.sampled_from([b"purchase", b"rerouted", b"3", b"-1", b"", b"\xff", b"9" * 30]) | st.binary(max_size=8),
    ),
    max_size=8,
)


@st.composite
def altered(draw):
    """A golden message with some fields changed, dropped or added."""
    golden = draw(st.sampled_from(GOLDEN))
    value = dict(golden["value"])
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from([*value, "unknown", "version", "plan", "source"]))
        match draw(st.sampled_from(["drop", "set", "dig"])):
            case "drop":
                value.pop(name, None)
            case "dig" if isinstance(value.get(name), dict) and value[name]:
                value[name] = {**value[name], draw(st.sampled_from(sorted(value[name]))): draw(scalars)}
            case _:
                value[name] = draw(values)
    return golden["topic"], golden["key"], value


@st.composite
def damaged(draw):
    """A golden message whose bytes were cut, repeated or exchanged."""
    golden = draw(st.sampled_from(GOLDEN))
    raw = bytearray(json.dumps(golden["value"], ensure_ascii=draw(st.booleans())).encode())
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(raw)))
        end = draw(st.integers(start, min(len(raw), start + 8)))
        raw[start:end] = draw(
            st.binary(max_size=4) | st.sampled_from([b'"', b":", b"\\u0000", b"\\ud800", b" ", b"{", b","])
        )
    return golden["topic"], golden["key"], bytes(raw)


def check(record: RawRecord) -> None:
    decoded = decode(record)
    if isinstance(decoded, Rejected):
        assert decoded.reason != "internal_error", decoded
        assert decoded.detail
        assert decoded.raw == record.value
        return
    assert isinstance(decoded, Input)
    assert restore(decoded.source, record.key, decoded.raw, decoded.traceparent) == decoded
    body = read_strictly(record.value)  # no key twice, no NaN
    assert "\x00" not in str(body)
    VALIDATORS[decoded.type].validate(body)
    again = json.dumps(dict(reversed(body.items())), indent=1).encode()
    respelled = decode(record._replace(value=again))
    assert replace(respelled, raw=decoded.raw) == decoded


@settings(max_examples=600, deadline=None)
@given(altered(), headers)
def test_altered_messages_are_understood_one_way_or_refused(message, some_headers):
    topic, key, value = message
    raw = json.dumps(value).encode()
    check(RawRecord(topic, 0, 1, 2, None if key is None else key.encode(), raw, some_headers))


@settings(max_examples=600, deadline=None)
@given(damaged())
def test_damaged_bytes_are_understood_one_way_or_refused(message):
    topic, key, raw = message
    check(RawRecord(topic, 0, 1, 2, None if key is None else key.encode(), raw))


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([*LANE_TOPICS]), st.none() | st.binary(max_size=20), st.none() | st.binary(max_size=200), headers
)
def test_any_bytes_are_refused_with_a_reason(topic, key, value, some_headers):
    decoded = decode(RawRecord(topic.value, 0, 1, 2, key, value, some_headers))
    assert isinstance(decoded, Rejected)
    assert decoded.reason != "internal_error", decoded


@settings(max_examples=300, deadline=None)
@given(altered(), headers)
def test_re_routed_records_are_understood_or_refused(message, some_headers):
    _, key, value = message
    record = RawRecord(
        Topic.REROUTED, 0, 1, 2, None if key is None else key.encode(), json.dumps(value).encode(), some_headers
    )
    decoded = decode(record)
    assert not isinstance(decoded, Rejected) or decoded.reason != "internal_error", decoded


keys = st.sampled_from(["a", "b", "event_id"])


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        st.sampled_from(["1", '"a\\":"', "null"]),
        lambda inner: (
            st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
            | st.lists(st.tuples(keys, st.sampled_from(["", " ", "\t\n"]), inner), max_size=3).map(
                lambda items: "{" + ",".join(f'"{name}"{space}:{value}' for name, space, value in items) + "}"
            )
        ),
    )
)
@example('{"event_id":1}')
def test_a_duplicate_key_is_found_wherever_it_is(unknown):
    tick = f'{{"event_id":"t","type":"clock.ticked","occurred_at":"2026-01-01T00:00:00Z","x":{unknown}}}'
    decoded = decode(RawRecord("clock", 0, 0, 0, None, tick.encode()))
    try:
        read_strictly(tick.encode())
        repeated = False
    except RefusalError:
        repeated = True
    assert isinstance(decoded, Rejected) == repeated == has_duplicate(unknown)


def has_duplicate(text: str) -> bool:
    """Told apart by writing what Python's own parser read: a duplicate makes it shorter."""
    found = []
    json.loads(text, object_pairs_hook=lambda pairs: found.append(len(pairs) != len(dict(pairs))) or dict(pairs))
    return any(found)
