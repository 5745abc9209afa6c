"""Hardship, credits, chargebacks won back, suspense, settings of shops: what of them is refused, and how."""

import json

import pytest

from contracts.decode import decode
from contracts.shop import ShopSettingsChanged as ShopSettings
from settlement.concession import Concession
from settlement.dead_letter import DeadLetterReason
from settlement.entities import Order, PlanKind, Repayment
from settlement.messages import Plan, ShopSettingsChanged
from settlement.subjects import references
from settlement.suspense import SuspenseEntry
from tests.contract.builders import GOLDEN, MISSING, accepted, changed, record, refused


def golden(kind: str) -> tuple[str, dict[str, object]]:
    """Topic and value of the first golden message of a type."""
    read = json.loads((GOLDEN / "in" / f"{kind}.v1.json").read_text(encoding="utf-8"))
    return read["topic"], read["value"]


REFUSED = {
    "debit_requested without account": (
        "credit_line.debit_requested",
        {"account_id": MISSING},
        "account_id: expected a value, but it is missing",
    ),
    "waiver without its id": ("penalty.waived", {"waiver_id": MISSING}, "waiver_id: expected a value"),
    "waiver of nothing": ("penalty.waived", {"amount_minor": 0}, "amount_minor: expected at least 1, got 0"),
    "waiver of a text": ("penalty.waived", {"amount_minor": "1200"}, 'amount_minor: expected an integer, got "1200"'),
    "waiver without currency": ("penalty.waived", {"currency": MISSING}, "currency: expected a value"),
    "waiver nobody approved": ("penalty.waived", {"approved_by": MISSING}, "approved_by: expected a value"),
    "waiver approved by none": (
        "penalty.waived",
        {"approved_by": ""},
        "approved_by: expected at least 1 character, got a text of 0 characters",
    ),
    "waiver approved by too long a name": (
        "penalty.waived",
        {"approved_by": "名" * 129},
        "approved_by: expected at most 128 characters, got a text of 129 characters",
    ),
    "plan without its id": ("debt.rescheduled", {"plan_id": MISSING}, "plan_id: expected a value"),
    "plan of four parts": ("debt.rescheduled", {"periods": 4}, "periods: expected 3, 6 or 12, got 4"),
    "plan of a float": ("debt.rescheduled", {"periods": 6.0}, "periods: expected an integer, got 6.0"),
    "plan of a text": ("debt.rescheduled", {"periods": "6"}, 'periods: expected an integer, got "6"'),
    "plan nobody approved": ("debt.rescheduled", {"approved_by": None}, "approved_by: expected a text, got null"),
    "charge-off without its id": ("debt.charged_off", {"charge_off_id": " x"}, "charge_off_id: expected 1 to 128"),
    "charge-off without reason": ("debt.charged_off", {"reason": ""}, "reason: expected at least 1 character"),
    "reinstated without repayment": ("repayment.reinstated", {"repayment_id": MISSING}, "repayment_id: expected"),
    "reinstated without reason": ("repayment.reinstated", {"reason": MISSING}, "reason: expected a value"),
    "released without its id": ("suspense.released", {"suspense_id": MISSING}, "suspense_id: expected a value"),
    "released without reason": ("suspense.released", {"reason": "x" * 501}, "reason: expected at most 500"),
    "credit without its id": ("purchase.credited", {"credit_id": MISSING}, "credit_id: expected a value"),
    "credit for no known reason": (
        "purchase.credited",
        {"reason": "kindness"},
        "reason: expected 'goodwill', 'price_protection' or 'compensation', got \"kindness\"",
    ),
    "credit with an empty opinion": (
        "purchase.credited",
        {"opinion": ""},
        "opinion: expected at least 1 character, got a text of 0 characters",
    ),
    "settings that say not whether": ("shop.settings_changed", {"enabled": MISSING}, "enabled: expected a value"),
    "settings switched on by a text": ("shop.settings_changed", {"enabled": "yes"}, "enabled: expected true or false"),
    "settings of nobody": ("shop.settings_changed", {"merchant_id": MISSING}, "merchant_id: expected a value"),
    "settings up to nothing": ("shop.settings_changed", {"max_order_minor": 0}, "max_order_minor: expected at least 1"),
    "settings without currency": ("shop.settings_changed", {"currency": MISSING}, "currency: expected a value"),
    "a plan that is a word": (
        "shop.settings_changed",
        {"plans": ["deferred"]},
        'plans[0]: expected an object, got "deferred"',
    ),
    "plans that are none": ("shop.settings_changed", {"plans": {}}, "plans: expected a list, got an object"),
    "a plan without kind": (
        "shop.settings_changed",
        {"plans": [{"kind": "statement"}, {"days": 30}]},
        "plans[1].kind: expected a value, but it is missing",
    ),
    "a plan nobody knows": (
        "shop.settings_changed",
        {"plans": [{"kind": "weekly"}]},
        "plans[0].kind: expected one of 'trial', 'deferred', 'statement', 'instalment', got \"weekly\"",
    ),
    "a plan of no days": (
        "shop.settings_changed",
        {"plans": [{"kind": "statement"}, {"kind": "deferred", "days": 0}]},
        "plans[1].days: expected at least 1, got 0",
    ),
    "a plan of a text of parts": (
        "shop.settings_changed",
        {"plans": [{"kind": "instalment", "periods": "3"}]},
        'plans[0].periods: expected an integer, got "3"',
    ),
    "more plans than there are": (
        "shop.settings_changed",
        {"plans": [{"kind": "statement"}] * 51},
        "plans: expected at most 50 entries, got a list of 51",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_named(case):
    kind, changes, detail = REFUSED[case]
    topic, value = golden(kind)
    rejected = refused(changed(value, changes), topic)
    assert rejected.reason in {DeadLetterReason.MISSING_FIELD, DeadLetterReason.WRONG_FIELD}
    assert rejected.detail.startswith(detail)


@pytest.mark.parametrize("name", ["", "Own", "own-shop", "1st", "own shop", "own\n", "自营", "a" * 65])
def test_a_programme_is_named_as_the_terms_name_it(name):
    topic, value = golden("credit_line.opened")
    assert refused({**value, "programme": name}, topic).detail.startswith("programme: expected ")


@pytest.mark.parametrize("name", ["a", "own_shop", "jd2", "a" * 64])
def test_a_programme_may_be_any_that_the_terms_can_name(name):
    topic, value = golden("credit_line.opened")
    assert accepted({**value, "programme": name}, topic).body.programme == name


def test_settings_of_a_shop_default_to_everything():
    topic, value = golden("shop.settings_changed")
    bare = changed(value, {"plans": MISSING, "max_order_minor": MISSING})
    assert accepted(bare, topic, key="m-1").body == ShopSettingsChanged("m-1", True, None, None, "CNY")
    assert (
        accepted({**bare, "plans": None, "max_order_minor": None}, topic, key="m-1").body
        == accepted(bare, topic, key="m-1").body
    )
    none = accepted({**bare, "plans": []}, topic, key="m-1")
    assert none.body.plans == ()
    assert none.fingerprint != accepted(bare, topic, key="m-1").fingerprint


def test_what_a_kind_of_plan_has_not_is_ignored_as_any_unknown_field():
    topic, value = golden("shop.settings_changed")
    plain = accepted({**value, "plans": [{"kind": "deferred", "days": 30}]}, topic)
    more = accepted({**value, "plans": [{"periods": 3, "kind": "deferred", "days": 30}]}, topic)
    assert more.body.plans == (Plan(PlanKind.DEFERRED, 30),)
    assert more.fingerprint == plain.fingerprint
    whole = accepted({**value, "plans": [{"kind": "deferred", "days": None}]}, topic)
    assert whole.fingerprint == accepted({**value, "plans": [{"kind": "deferred"}]}, topic).fingerprint
    assert whole.fingerprint != plain.fingerprint


def test_settings_of_a_shop_concern_no_party_and_take_any_key():
    topic, value = golden("shop.settings_changed")
    for key in ("m-1", "x", "", None, b"\xff"):
        assert accepted(value, topic, key=key).party is None


def test_a_key_named_twice_in_a_plan_is_refused():
    topic, value = golden("shop.settings_changed")
    raw = json.dumps({**value, "plans": []}).encode()
    twice = raw.replace(b'"plans": []', b'"plans": [{"kind": "deferred", "days": 30, "days": 60}]')
    assert refused(twice, topic, key="m-1").reason is DeadLetterReason.DUPLICATE_KEY


def test_the_keys_of_plans_are_counted_so_that_settings_are_parsed_but_once():
    _, value = golden("shop.settings_changed")
    raw = json.dumps(value)
    assert ShopSettings.model_validate_json(raw).keys_read() == raw.count('":')


def test_who_approved_stays_private():
    topic, value = golden("debt.charged_off")
    detail = refused({**value, "approved_by": ["secret name"], "reason": 1}, topic).detail
    assert "secret" not in detail
    assert "approved_by: expected a text, got a list of 1" in detail


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("purchase.credited", [(Order, "o-1"), (Concession, "credit:cr-1")]),
        ("repayment.reinstated", [(Repayment, "rep-1"), (SuspenseEntry, "rep-1")]),
        ("credit_line.debit_requested", []),
    ],
)
def test_what_it_names_is_loaded_with_it(kind, named):
    topic, value = golden(kind)
    assert sorted(references(decode(record(value, topic))), key=str) == sorted(named, key=str)
