"""Notices: every template that a rule uses has both texts and gets its parameters."""

import ast
from pathlib import Path

import pytest

import settlement
from settlement.currency import major
from settlement.decision import DeclineReason
from settlement.notices import NoticeError, catalogue, render

CODE = Path(settlement.__file__).parent


WITHOUT_RULE = {
    "debit_request_declined",
    "debit_unanswered",
    "debt_charged_off",
    "debt_rescheduled",
    "debt_rescheduling_refused",
    "penalty_waived",
    "purchase_credit_declined",
    "purchase_credited",
    "recovery_received",
    "repayment_reinstated",
    "repayment_unmatched_reference",
    "suspense_received",
    "suspense_released",
}
"""Written, but told by no rule yet."""


def templates_in_code() -> set[str]:
    """Template names that rules pass on."""
    texts = set()
    for file in CODE.rglob("*.py"):
        if file.name == "draft.py":  # passes names on
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("notify", "notify_operator")):
                texts |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    return texts


def test_every_template_is_used_and_every_used_template_exists():
    assert templates_in_code() | WITHOUT_RULE == set(catalogue().templates)


def test_amounts_are_shown_in_major_units():
    zh, en = render("purchase_accepted", {"order_id": "o-1", "amount_minor": 12345, "currency": "CNY"})
    assert zh == "订单 o-1 已使用先用后付下单，金额 123.45 元。"
    assert en == "Order o-1 for CNY 123.45 is placed: use it first, pay later."


def test_codes_are_shown_in_words_and_unknown_codes_as_they_are():
    params = {"order_id": "o", "amount_minor": 1, "currency": "CNY", "reason": "line_frozen"}
    zh, en = render("purchase_declined", params)
    assert "额度已冻结" in zh
    assert "the credit line is frozen" in en
    assert "brand_new" in render("purchase_declined", {**params, "reason": "brand_new"})[1]


def test_lists_are_shown_in_words():
    params = {"request_id": "r", "deposit_id": "d", "amount_minor": 1, "currency": "CNY"}
    zh, en = render("deposit_refund_refused", {**params, "reasons": ["promotion_active", "dispute_open"]})
    assert "有进行中的推广、有未结纠纷" in zh
    assert "a promotion is active, a dispute is open" in en


def test_what_people_write_is_never_a_format():
    _, en = render(
        "purchase_accepted", {"order_id": "100%s {amount_minor} %(x)s", "amount_minor": 5, "currency": "CNY"}
    )
    assert en == "Order 100%s {amount_minor} %(x)s for CNY 0.05 is placed: use it first, pay later."


@pytest.mark.parametrize("reason", list(DeclineReason))
def test_every_decline_reason_has_words(reason):
    assert reason in catalogue().words


def test_a_missing_parameter_is_named():
    with pytest.raises(NoticeError, match=r"'purchase_accepted'.*'order_id' is missing"):
        render("purchase_accepted", {"amount_minor": 5, "currency": "CNY"})
    with pytest.raises(NoticeError, match=r"'no_such' is missing"):
        render("no_such", {})


@pytest.mark.parametrize(
    ("amount_minor", "currency", "shown"),
    [
        (5, "CNY", "0.05"),
        (123_456, "CNY", "1234.56"),
        (-150, "CNY", "-1.50"),
        (500, "JPY", "500"),
        (1500, "KWD", "1.500"),
    ],
)
def test_minor_units_follow_the_currency(amount_minor, currency, shown):
    assert major(amount_minor, currency) == shown
