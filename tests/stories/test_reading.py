"""What can go wrong in a story, and how it is told."""

from pathlib import Path

import pytest

from tests.stories import wire
from tests.stories.stage import Played
from tests.stories.story import StoryError, chapter, stories
from tests.stories.verdict import difference

FILE = """
title: One
stories:
  - title: A debit
    system: S1
    rules: [Debits]
    account: {programme: kuaishou, limit: 5000}
    steps:
      - at: 2026-02-04 00:00
        then: [debit: {amount: 1234.56, due: 2026-02-04, orders: [shoes]}]
      - at: 2026-02-05 00:00
        account: {limit: 5000, available: 3765.44, held: 0, used: 1234.56}
"""
DEBIT = {
    "type": "auto_debit.requested",
    "occurred_at": "2026-02-03T16:00:00Z",
    "debit_id": "d-1",
    "amount_minor": 123_456,
    "due_on": "2026-02-04",
    "order_ids": ["shoes"],
    "attempt": 1,
    "reason": "due",
}
SHOWN = {"limit_minor": 500_000, "available_minor": 376_544, "held_minor": 0, "used_minor": 123_456}


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "one.yaml"
        path.write_text(text)
        (story,) = chapter(path).stories
        return story

    return read


def played(story, *outputs, shown=SHOWN):
    last = len(story.steps) - 1
    return Played(
        story,
        lane=0,
        account_id="buyer",
        merchant_id="shop",
        accounts={last: shown},
        outcomes={0: "applied"},
        outputs=[("auto-debit", output) for output in outputs],
    )


def test_a_story_that_went_as_told_differs_in_nothing(read):
    assert difference(played(read(FILE), DEBIT)) == ""


@pytest.mark.parametrize(
    ("outputs", "shown", "line"),
    [
        ([], SHOWN, "-     debit: amount 1,234.56, due 2026-02-04, orders [shoes]"),
        ([DEBIT | {"amount_minor": 123_457}], SHOWN, "+     debit: amount 1,234.57, due 2026-02-04, orders [shoes]"),
        ([DEBIT | {"order_ids": []}], SHOWN, "+     debit: amount 1,234.56, due 2026-02-04, orders []"),
        ([DEBIT | {"occurred_at": "2026-02-03T16:00:01Z"}], SHOWN, "-     debit: amount 1,234.56, due 2026-02-04"),
        ([DEBIT, DEBIT], SHOWN, "+     debit: amount 1,234.56, due 2026-02-04, attempt 1, reason due, orders [shoes]"),
        ([DEBIT], SHOWN | {"used_minor": 0}, "+     used 0.00"),
        ([DEBIT], None, "+     used nothing"),
    ],
)
def test_what_differs_is_told_with_both_sides(read, outputs, shown, line):
    assert line in difference(played(read(FILE), *outputs, shown=shown))


SHOP_FILE = """
title: One
stories:
  - title: A shop
    system: S5
    rules: [Merchant]
    merchant: {}
    steps:
      - at: 2026-02-05 00:00
        merchant:
          balances: {CNY: 900.90}
          next_payout: 2026-02-08 00:00
          payouts: [succeeded]
          cases: [dispute x1]
"""
SHOP = {
    "balances": [{"currency": "CNY", "payable_minor": 90_090}],
    "next_payout_at": "2026-02-07T16:00:00+00:00",
    "payouts": [{"status": "succeeded"}],
    "open_cases": [{"kind": "dispute", "case_id": "x1"}],
}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"balances": []}, "-     balances CNY 900.90"),
        ({"balances": [*SHOP["balances"], {"currency": "USD", "payable_minor": 1}]}, "CNY 900.90, USD 0.01"),
        ({"next_payout_at": None}, "+     next payout nothing"),
        ({"payouts": [{"status": "requested"}]}, "+     payouts [requested]"),
        ({"open_cases": []}, "+     cases []"),
    ],
)
def test_what_differs_of_a_merchant_is_told(read, change, line):
    story = read(SHOP_FILE)
    as_told, otherwise = played(story), played(story)
    as_told.merchants, otherwise.merchants = {1: SHOP}, {1: SHOP | change}
    assert difference(as_told) == ""
    assert line in difference(otherwise)


@pytest.mark.parametrize(
    ("written", "instead", "complaint"),
    [
        ("1234.56, due", "1234.567, due", "expected whole fen"),
        ("at: 2026-02-05 00:00", "at: 2026-02-05", "expected a time such as 2026-01-05 10:00"),
        ("at: 2026-02-05", "at: 2026-02-03", "expected it after 2026-02-04 00:00"),
        ("system: S1", "system: S6", "expected a system of S1"),
        ("rules: ", "rule: ", "got rule"),
        ("[debit: ", "[debits: ", "expected one of debit,"),
        ("held: 0, ", "", "expected limit, available, held, used of the account at the last step"),
        ("    system: S1", "    system: S1\n    system: S2", "'system' is there twice"),
        ("        then", "        purchases.placed: {}\n        then", "expected a message type"),
        ("        then", "        becomes: refused\n        then", "expected an outcome"),
    ],
)
def test_a_story_that_cannot_be_understood_says_what_was_expected(read, written, instead, complaint):
    assert FILE.count(written) >= 1
    with pytest.raises(StoryError, match=r"^one\.yaml: ") as raised:
        read(FILE.replace(written, instead, 1))
    assert complaint in str(raised.value)


def test_every_rule_that_a_story_names_is_a_section_of_the_rules():
    text = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
    sections = {line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")}
    assert {rule for story in stories() for rule in story.rules} - sections == set()


def test_amounts_are_exact_to_the_fen():
    assert [wire.minor(text) for text in ("0.29", "1.1", "1,234.56", "-200", "70368744177664.07")] == [
        29, 110, 123_456, -20_000, 7_036_874_417_766_407,
    ]  # fmt: skip
    assert wire.money(7_036_874_417_766_407) == "70,368,744,177,664.07"
