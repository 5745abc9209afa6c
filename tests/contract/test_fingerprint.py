"""Fingerprints: equal exactly for equal business content."""

import json

import pytest

from tests.contract.builders import accepted, golden_inputs, placed


def fingerprint(value, topic="purchase", **more):
    return accepted(value, topic, **more).fingerprint


SAME = {
    "other order of keys": dict(reversed(placed().items())),
    "other order within the plan": placed(plan={"days": 30, "kind": "deferred"}),
    "another event_id": placed(event_id="e-2"),
    "another time": placed(occurred_at="2026-03-05T00:00:00Z"),
    "a version": placed(version=1),
    "a version that is null": placed(version=None),
    "a source": placed(source="shop"),
    "an explicit default": placed(item_eligible=True),
    "an optional field that is null": placed(item_plans=None, item_eligible=None, source=None),
    "an unknown field": placed(note={"a": [1, 2]}),
    "an unknown field in the plan": placed(plan={"kind": "deferred", "days": 30, "periods": 3}),
}

OTHER = {
    "account": placed(account_id="a-2"),
    "order": placed(order_id="o-2"),
    "merchant": placed(merchant_id="m-2"),
    "amount": placed(amount_minor=129901),
    "currency": placed(currency="USD"),
    "plan kind": placed(plan={"kind": "trial", "days": 30}),
    "plan days": placed(plan={"kind": "deferred", "days": 60}),
    "not eligible": placed(item_eligible=False),
    "plans offered": placed(item_plans=["trial"]),
    "no plan offered": placed(item_plans=[]),
    "order and merchant exchanged": placed(order_id="m-1", merchant_id="o-1"),
}


@pytest.mark.parametrize("case", SAME)
def test_equal_content_has_one_fingerprint(case):
    assert fingerprint(SAME[case]) == fingerprint(placed())
    assert accepted(SAME[case]).body == accepted(placed()).body


@pytest.mark.parametrize("case", OTHER)
def test_any_business_change_changes_it(case):
    others = {fingerprint(value) for value in OTHER.values()}
    assert fingerprint(OTHER[case]) != fingerprint(placed())
    assert len(others) == len(OTHER)


def test_escapes_and_white_space_are_no_content():
    raw = json.dumps(placed(order_id="订单")).encode()
    assert fingerprint(raw, key="a-1") == fingerprint(
        json.dumps(placed(order_id="订单"), ensure_ascii=False, indent=3).encode(), key="a-1"
    )


def test_two_types_of_equal_fields_differ():
    common = {"event_id": "e", "occurred_at": "2026-01-01T00:00:00Z", "account_id": "a-1", "order_id": "o-1"}
    assert fingerprint({**common, "type": "purchase.received"}) != fingerprint({**common, "type": "purchase.kept"})


@pytest.mark.parametrize("path", golden_inputs(), ids=lambda path: path.stem)
def test_every_field_that_can_change_counts(path):
    """Each value of each golden message, changed as far as its type allows, changes the fingerprint or is refused."""
    golden = json.loads(path.read_text(encoding="utf-8"))
    topic, key, value = golden["topic"], golden["key"], golden["value"]
    first = fingerprint(value, topic, key=key)
    free = {"event_id", "occurred_at", "version", "source", "type", "causation_id"}
    for name, before in value.items():
        if name in free or (name in {"account_id", "merchant_id"} and before == key):
            continue
        for after in variants(before):
            try:
                changed = fingerprint({**value, name: after}, topic, key=key)
            except AssertionError:  # refused
                continue
            assert changed != first, (name, after)


WORDS = ["USD", "security", "douyin", "wechat", "manual", "other", "rejected", "shop_balance", "goodwill", "2026-05-06"]
"""Values that some field takes which takes no other text."""


def variants(value):
    match value:
        case bool():
            return [not value]
        case int():
            return [value - 1, value + 1, value * 2]
        case str():
            return [value + "x", *(word for word in WORDS if word != value)]
        case list():
            return [[*value, *value], value[:-1]] if value else [[]]
        case _:
            return []


def test_terms_are_equal_in_any_order_of_keys():
    def terms(document):
        value = {"event_id": "t", "type": "terms.published", "occurred_at": "2026-01-01T00:00:00Z", "terms": document}
        return fingerprint(value, "terms", key=None)

    assert terms({"a": {"b": 1, "c": [1, 2]}, "d": 2}) == terms({"d": 2, "a": {"c": [1, 2], "b": 1}})
    assert terms({"a": [1, 2]}) != terms({"a": [2, 1]})
    assert terms({"a": 1}) != terms({"a": 1.0})
    assert terms({"a": 1}) != terms({"a": True})


def test_an_event_counts_within_its_topic_and_key():
    base = accepted(placed())
    assert accepted(placed(amount_minor=1)).event_hash == base.event_hash
    assert accepted(placed(event_id="e-2")).event_hash != base.event_hash
    assert accepted(placed(account_id="a-2")).event_hash != base.event_hash
    tick = {"event_id": "e-1", "type": "clock.ticked", "occurred_at": "2026-01-01T00:00:00Z"}
    assert accepted(tick, "clock", key="a-1").event_hash != base.event_hash
    assert accepted(tick, "clock", key=None).event_hash == accepted(tick, "clock", key="").event_hash


def test_the_key_and_the_event_id_can_not_be_shifted_into_each_other():
    one = accepted(placed(account_id="a", event_id="b c"))
    other = accepted(placed(account_id="a b", event_id="c"))
    assert one.event_hash != other.event_hash
