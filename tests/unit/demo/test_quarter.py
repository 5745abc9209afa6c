"""The whole quarter in memory: everything that is built comes to pass in it, on all four platforms."""

import tomllib
from importlib.resources import files

import pytest

from contracts.catalogue import MESSAGES
from contracts.topics import Topic
from settlement.entities import Account, AccountPayout, Debit, MerchantPayout, Obligation, Order, Return
from settlement.statuses import DebitStatus, ObligationStatus, OrderStatus, PayoutStatus, ReturnStatus
from tests.unit.demo.in_memory import Told, quarter_in_memory
from tests.unit.settlement.test_notices import WITHOUT_RULE as TEMPLATES_WITHOUT_RULE
from words.vocabulary import HAPPENED, MOVED

INTERNAL = {Topic.MERCHANT_ACTIVITY}

BUILT = {
    message.model_fields["type"].annotation.__args__[0]
    for topic, messages in MESSAGES.items()
    if topic not in INTERNAL
    for message in messages
}

WITHOUT_RULE = {
    "credit_line.debit_requested",
    "debt.charged_off",
    "debt.rescheduled",
    "penalty.waived",
    "purchase.credited",
    "repayment.reinstated",
    "shop.settings_changed",
    "suspense.released",
}
"""Understood, but settled by no rule yet, so there is nothing to show of them."""
TEMPLATES = set(tomllib.loads(files("settlement").joinpath("notices.toml").read_text("utf-8"))) - {"words"}


@pytest.fixture(scope="module")
def told() -> Told:
    return quarter_in_memory(accounts=900, merchants=50, days=91, seed=20260401)


def test_no_message_and_no_timer_trips_the_core(told):
    assert told.errors == []


def test_every_type_that_is_built_is_sent(told):
    assert BUILT - set(told.sent) <= WITHOUT_RULE


def test_every_type_takes_effect(told):
    assert BUILT - {kind for kind, outcome, _ in told.decided if outcome == "applied"} <= WITHOUT_RULE


def test_every_outcome_comes_to_pass(told):
    outcomes = {outcome for _, outcome, _ in told.decided}
    assert outcomes == {"applied", "declined", "duplicate", "conflict", "parked", "dead_lettered"}


def test_people_are_told_everything_there_is_to_tell(told):
    untold = TEMPLATES - {template for kind, template in told.outputs if kind == "notification.requested"}
    assert untold <= TEMPLATES_WITHOUT_RULE


@pytest.mark.parametrize(
    ("kind", "reasons"),
    [
        ("auto_debit.requested", {"trial_ended", "due", "kept", "retry"}),
        ("auto_debit.cancelled", {"repaid"}),
        ("limit.released", {"cancelled", "amount_lowered", "returned", "repaid"}),
        ("limit.reclaimed", {"overdue", "limit_lowered", "closed"}),
        ("limit.restored", {"cleared", "unfrozen", "appeal", "limit_raised"}),
        (
            "payout.requested",
            {"order_refund", "overpayment", "cash_out", "merchant_settlement", "deposit_refund", "shop_withdrawal"},
        ),
    ],
)
def test_outputs_have_every_reason(told, kind, reasons):
    assert reasons <= {reason for each, reason in told.outputs if each == kind}


@pytest.mark.parametrize(
    ("kind", "reasons"),
    [
        (
            "purchase.placed",
            {
                "line_closed",
                "line_frozen",
                "card_not_linked",
                "identity_not_verified",
                "score_below_threshold",
                "not_supported",
                "plan_not_offered",
                "currency_mismatch",
                "limit_exceeded",
            },
        ),
        ("purchase.extension_requested", {"not_offered", "too_late", "extension_used", "extension_too_long"}),
        ("return.requested", {"amount_exceeds_order", "window_closed", "evidence_missing"}),
        (
            "credit_line.cash_out_requested",
            {"card_not_linked", "identity_not_verified", "limit_exceeded", "recent_overdue", "daily_cap_exceeded"},
        ),
        ("credit_line.bill_instalment_requested", {"plan_not_offered", "too_late", "wrong_state"}),
        ("credit_line.unfreeze_requested", {"not_offered", "too_early"}),
        ("credit_line.close_requested", {"outstanding"}),
    ],
)
def test_requests_are_declined_for_many_reasons(told, kind, reasons):
    declined = {reason for each, outcome, reason in told.decided if (each, outcome) == (kind, "declined")}
    assert reasons <= declined


def test_every_programme_has_something_overdue_and_paid_after_all(told):
    paid = {programme for programme, part in parts(told) if part.penalty_minor and part.status == "paid"}
    assert paid == {"kuaishou", "taobao", "douyin", "tmall"}


@pytest.mark.parametrize(
    ("kind", "statuses"),
    [
        (Order, OrderStatus),
        (Obligation, {*ObligationStatus} - {ObligationStatus.CHARGED_OFF}),  # nobody of the quarter is in hardship
        (Debit, DebitStatus),
        (Return, ReturnStatus),
        (AccountPayout, PayoutStatus),
        (MerchantPayout, PayoutStatus),
    ],
)
def test_every_status_is_reached(told, kind, statuses):
    assert set(statuses) == {each.status for state in told.parties.values() for each in state.each(kind)}


def test_everything_that_happens_and_moves_can_be_told_in_words(told):
    assert set(told.sent) - {"garbage", "clock.ticked", "terms.published"} - set(HAPPENED) == set()
    assert told.movements - set(MOVED) == set()


def parts(told: Told):
    for state in told.parties.values():
        for account in state.each(Account):
            for part in state.each(Obligation):
                yield account.programme, part
