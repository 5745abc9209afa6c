"""Every message in every state of its subject gets the answers that settlement/answers.py lists, and no others."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date

import pytest

from settlement.answers import (
    DEBIT_ANSWERS,
    DEPOSIT_REFUND_ANSWERS,
    LINE_ANSWERS,
    ORDER_ANSWERS,
    PAYOUT_ANSWERS,
    RETURN_ANSWERS,
    Answers,
)
from settlement.decision import Decision
from settlement.entities import AccountPayout, CaseKind, DepositRefund, Order, Return
from settlement.messages import (
    AppealDecided,
    BillInstalmentRequested,
    Body,
    CardLinked,
    CardUnlinked,
    CaseClosed,
    CaseOpened,
    CashOutRequested,
    CloseRequested,
    DebtChargedOff,
    DebtRescheduled,
    DepositRefundReviewed,
    DepositRefundWithdrawn,
    ExtensionRequested,
    IdentityVerified,
    LimitChanged,
    LineFrozen,
    LineUnfrozen,
    PayoutFailed,
    PayoutSucceeded,
    PenaltyWaived,
    PurchaseCancelled,
    PurchaseCredited,
    PurchaseKept,
    PurchaseReceived,
    RepaymentFailed,
    ReturnWithdrawn,
    ScoreChanged,
    UnfreezeRequested,
)
from tests.unit.settlement.builders import (
    BUYER,
    Lane,
    complained,
    damaged,
    deferred,
    deposited,
    intact,
    lane_with_line,
    lane_with_merchant,
    lowered,
    on_statement,
    placed,
    refund_asked,
    repaid,
    returned,
    reviewed,
)

Step = tuple[str, Body]


def lane_after(programme: str, *steps: Step) -> Lane:
    """A lane on which this was told; `("2026-01-05", None)` only moves time on."""
    lane = lane_with_line(programme)
    for when, body in steps:
        if body is None:
            lane.tick(when)
        else:
            lane.send(when, body)
    return lane


RECEIVED = ("2026-01-03", PurchaseReceived("order"))
TRIAL = (("2026-01-02", placed(days=30)), RECEIVED)
SHORT_TRIAL = (("2026-01-02", placed(days=7)), RECEIVED)
DEFERRED = (("2026-01-02", deferred()), RECEIVED)
DOUYIN = ("2026-01-28", on_statement())
TAOBAO = (("2026-01-02", on_statement()), RECEIVED)


def lane_debited(*answers: tuple[str, str]) -> Lane:
    """A lane on which the one debit of order `order` got this answer, if any."""
    lane = lane_after("kuaishou", *DEFERRED, ("2026-02-01 00:00", None))
    for when, answer in answers:
        debit_id = lane.requested.debit_id
        bodies = {
            "paid": repaid(10_000, "first", debit_id=debit_id),
            "failed": RepaymentFailed(debit_id, "no money", retryable=False),
            "paid elsewhere": repaid(10_000, "first"),
        }
        lane.send(when, bodies[answer])
    return lane


def lane_given_up() -> Lane:
    """A lane on which the order is overdue and no debit asks for it."""
    lane = lane_debited(("2026-02-01 09:00", "failed"))
    lane.tick("2026-02-02 00:00")
    return lane


ORDERS: list[Callable[[], Lane]] = [
    lambda: lane_after("tmall", TRIAL[0]),
    lambda: lane_after("tmall", TRIAL[0], ("2026-01-03", returned(9_000))),
    lambda: lane_after("kuaishou", DEFERRED[0]),
    lambda: lane_after("taobao", *TAOBAO, ("2026-01-04", returned(9_000))),
    lambda: lane_after("taobao", TAOBAO[0], ("2026-01-03", returned(4_000)), ("2026-01-04", PurchaseReceived("order"))),
    lambda: lane_after("tmall", *TRIAL),
    lambda: lane_after("tmall", *TRIAL, ("2026-01-04", returned(9_000))),
    lambda: lane_after("tmall", *TRIAL, ("2026-01-04", PurchaseKept("order"))),
    lambda: lane_after("tmall", *SHORT_TRIAL, ("2026-01-10 00:00", None)),
    lambda: lane_after("kuaishou", *DEFERRED),
    lambda: lane_after("kuaishou", *DEFERRED, ("2026-02-01 00:00", None)),
    lane_given_up,
    lambda: lane_after("douyin", DOUYIN),
    lambda: lane_after("douyin", DOUYIN, ("2026-02-07 00:00", None)),
    lambda: lane_after("douyin", DOUYIN, ("2026-01-29", PurchaseReceived("order")), ("2026-02-07 00:00", None)),
    lambda: lane_after("douyin", DOUYIN, ("2026-02-01", complained(9_000)), ("2026-02-03", None)),
    lambda: lane_after("douyin", DOUYIN, ("2026-02-07 00:00", None), ("2026-02-07", complained(9_000))),
    lambda: lane_after("tmall", *SHORT_TRIAL, ("2026-01-11 00:00", None)),
    lambda: lane_after("tmall", *TRIAL, ("2026-01-04", PurchaseKept("order")), ("2026-02-03 00:00", None)),
    lambda: lane_after("kuaishou", *DEFERRED, ("2026-01-04", repaid(10_000))),
    lambda: lane_after("kuaishou", *DEFERRED, ("2026-02-01", repaid(10_000)), ("2026-02-05", None)),
    lambda: lane_after("douyin", DOUYIN, ("2026-01-29", repaid(10_000))),
    lambda: lane_after("tmall", *TRIAL, ("2026-01-04", PurchaseKept("order")), ("2026-01-05", repaid(10_000))),
    lambda: lane_after("kuaishou", *DEFERRED, ("2026-01-04", returned(10_000))),
    lambda: lane_after("kuaishou", DEFERRED[0], ("2026-01-04", returned(10_000))),
    lambda: lane_after(
        "tmall",
        *TRIAL,
        ("2026-01-04", PurchaseKept("order")),
        ("2026-01-05", returned(10_000)),
        ("2026-01-06", intact()),
    ),
    lambda: lane_after("tmall", TRIAL[0], ("2026-01-03", PurchaseCancelled("order", "slip"))),
]

RETURNS: list[Callable[[], Lane]] = [
    lambda: lane_after("tmall", *TRIAL, ("2026-01-04", complained(4_000))),
    lambda: lane_after("tmall", *TRIAL, ("2026-01-04", returned(4_000))),
    lambda: lane_after("tmall", *TRIAL, ("2026-01-04", complained(4_000)), ("2026-01-05", reviewed("approved"))),
    lambda: lane_after("tmall", *TRIAL, ("2026-01-04", returned(4_000)), ("2026-01-05", intact())),
    lambda: lane_after("kuaishou", *DEFERRED, ("2026-01-04", returned(4_000))),
    lambda: lane_after("tmall", *TRIAL, ("2026-01-04", complained(4_000)), ("2026-01-05", reviewed("rejected"))),
    lambda: lane_after("tmall", *TRIAL, ("2026-01-04", returned(4_000)), ("2026-01-05", damaged())),
    lambda: lane_after("tmall", *TRIAL, ("2026-01-04", returned(4_000)), ("2026-01-05", ReturnWithdrawn("return"))),
    lambda: lane_after("tmall", *TRIAL, ("2026-01-04", returned(4_000)), ("2026-01-20", None)),
]


DEBITS: list[Callable[[], Lane]] = [
    lane_debited,
    lambda: lane_debited(("2026-02-01 09:00", "paid")),
    lambda: lane_debited(("2026-02-01 09:00", "failed")),
    lambda: lane_debited(("2026-02-01 09:00", "paid elsewhere")),
]


def line(programme: str, *steps: Step, **changes: object) -> Callable[[], Lane]:
    """Makes a lane on which a line was opened with these changes and this was told."""

    def make() -> Lane:
        lane = lane_with_line(programme, **changes)
        for when, body in steps:
            if body is None:
                lane.tick(when)
            else:
                lane.send(when, body)
        return lane

    return make


OVERDUE = (*TAOBAO, ("2026-02-12", None))
CLEARED = (*OVERDUE, ("2026-02-12 13:00", repaid(10_010)))
DOUYIN_CLEARED = (DOUYIN, ("2026-02-08", None), ("2026-02-08 13:00", repaid(10_010)))

LINES: list[Callable[[], Lane]] = [
    line("taobao"),
    line("taobao", *TAOBAO),
    line("taobao", *CLEARED, ("2026-02-20", None)),
    line("taobao", card_linked=False),
    line("taobao", identity_verified=False),
    line("taobao", ("2026-01-02", LineFrozen("manual")), ("2026-01-03", LineUnfrozen("manual"))),
    line("taobao", limit_minor=500),
    line("douyin"),
    line("taobao", ("2026-01-02", LineFrozen("manual"))),
    line("taobao", ("2026-01-02", LineFrozen("risk_login"))),
    line("taobao", ("2026-01-02", LineFrozen("security")), ("2026-01-02", LineFrozen("manual"))),
    line("taobao", *OVERDUE),
    line("taobao", *CLEARED),
    line("douyin", *DOUYIN_CLEARED),
    line("douyin", *DOUYIN_CLEARED, ("2026-04-10", None)),
    line("douyin", DOUYIN, ("2026-02-01", None)),
    line("taobao", ("2026-01-02", LineFrozen("manual")), card_linked=False),
    line("douyin", ("2026-01-02", LineFrozen("manual"))),
    line("taobao", ("2026-01-02", CloseRequested())),
]


def line_messages(lane: Lane) -> dict[str, list[Body]]:
    again = next(each.input.body for each in lane.everything if each.input and each.input.type == "CreditLineOpened")
    return {
        "credit_line.opened": [again, replace(again, limit_minor=1)],
        "credit_line.limit_changed": [LimitChanged(200_000, "CNY", "better")],
        "credit_line.score_changed": [ScoreChanged(720)],
        "credit_line.card_linked": [CardLinked()],
        "credit_line.card_unlinked": [CardUnlinked()],
        "credit_line.identity_verified": [IdentityVerified()],
        "credit_line.frozen": [LineFrozen("manual")],
        "credit_line.unfrozen": [LineUnfrozen("manual"), LineUnfrozen("risk_login")],
        "credit_line.unfreeze_requested": [UnfreezeRequested()],
        "credit_line.appeal_decided": [AppealDecided("appeal", "upheld", "a mistake")],
        "credit_line.cash_out_requested": [CashOutRequested("cash-out", 1_000, "CNY")],
        "penalty.waived": [PenaltyWaived("waiver", None, "CNY", "illness", "an operator")],
        "debt.rescheduled": [DebtRescheduled("plan", 3, "illness", "an operator")],
        "debt.charged_off": [DebtChargedOff("loss", "insolvent", "an operator")],
        "credit_line.bill_instalment_requested": [
            BillInstalmentRequested(date(2026, 1, 1), 3),
            BillInstalmentRequested(date(2026, 2, 6), 3),
            BillInstalmentRequested(date(2026, 6, 6), 3),
        ],
        "credit_line.close_requested": [CloseRequested()],
    }


def lane_asked(*steps: Step) -> Lane:
    """A lane on which a refund of a deposit was asked for, frozen until 1 February, and then this was told."""
    lane = lane_with_merchant()
    for when, body in [("2026-01-02", deposited()), ("2026-01-08", refund_asked()), *steps]:
        if body is None:
            lane.tick(when)
        else:
            lane.send(when, body)
    return lane


APPROVED = DepositRefundReviewed("request", "approved", "fine")
REJECTED = DepositRefundReviewed("request", "rejected", "no")
PROMOTION = CaseOpened(CaseKind.PROMOTION, "p")


def lane_refused(*steps: Step) -> Lane:
    """A lane on which the request was declined when it came."""
    lane = lane_with_merchant()
    for when, body in [("2026-01-02", deposited()), ("2026-01-03", PROMOTION), ("2026-01-08", refund_asked()), *steps]:
        lane.send(when, body)
    return lane


REFUNDS: list[Callable[[], Lane]] = [
    lane_asked,
    lambda: lane_asked(("2026-01-09", APPROVED)),
    lambda: lane_asked(("2026-01-09", APPROVED), ("2026-02-01 00:00", None)),
    lambda: lane_asked(("2026-01-09", REJECTED)),
    lambda: lane_asked(("2026-01-09", PROMOTION), ("2026-01-10", APPROVED)),
    lane_refused,
    lambda: lane_refused(("2026-01-09", CaseClosed(CaseKind.PROMOTION, "p"))),
    lambda: lane_asked(("2026-01-09", DepositRefundWithdrawn("request"))),
]


def refund_messages(lane: Lane) -> dict[str, list[Body]]:
    return {
        "deposit_refund.requested": [refund_asked(), refund_asked(amount_minor=1)],
        "deposit_refund.reviewed": [APPROVED, REJECTED],
        "deposit_refund.withdrawn": [DepositRefundWithdrawn("request")],
    }


def lane_paying(*answers: Callable[[str], Body]) -> Lane:
    """A lane on which a payout was asked for, and then this was told of it."""
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", repaid(700))
    for answer in answers:
        lane.send("2026-01-03", answer(payout_of(lane).payout_id))
    return lane


def payout_of(lane: Lane) -> AccountPayout:
    (payout,) = lane.states[BUYER].each(AccountPayout)
    return payout


PAYOUTS: list[Callable[[], Lane]] = [
    lane_paying,
    lambda: lane_paying(PayoutSucceeded),
    lambda: lane_paying(lambda payout_id: PayoutFailed(payout_id, "closed")),
]


def payout_messages(lane: Lane) -> dict[str, list[Body]]:
    payout_id = payout_of(lane).payout_id
    return {"payout.succeeded": [PayoutSucceeded(payout_id)], "payout.failed": [PayoutFailed(payout_id, "again")]}


def order_messages(lane: Lane) -> dict[str, list[Body]]:
    order = lane.get(Order, "order")
    again = next(each.input.body for each in lane.everything if each.input and each.input.type == "PurchasePlaced")
    return {
        "purchase.placed": [again, replace(again, amount_minor=1)],
        "purchase.received": [PurchaseReceived("order")],
        "purchase.kept": [PurchaseKept("order")],
        "purchase.amount_lowered": [lowered(order.amount_minor // 2)],
        "purchase.credited": [PurchaseCredited("order", "credit", order.amount_minor // 4, "CNY", "goodwill", None)],
        "purchase.cancelled": [PurchaseCancelled("order", "changed my mind")],
        "purchase.extension_requested": [ExtensionRequested("order", 3)],
        "return.requested": [returned(1_500, "another")],
    }


def return_messages(lane: Lane) -> dict[str, list[Body]]:
    again = next(each.input.body for each in lane.everything if each.input and each.input.type == "ReturnRequested")
    return {
        "return.requested": [again, replace(again, amount_minor=1)],
        "return.reviewed": [reviewed("approved"), reviewed("rejected")],
        "return.parcel_inspected": [intact(), damaged()],
        "return.withdrawn": [ReturnWithdrawn("return")],
    }


def debit_messages(lane: Lane) -> dict[str, list[Body]]:
    debit_id = lane.debits[0].debit_id
    return {
        "repayment.received": [repaid(10_000, "another", debit_id=debit_id)],
        "repayment.failed": [RepaymentFailed(debit_id, "no money", retryable=True)],
    }


def answer_of(decision: Decision) -> str:
    return decision.reason or decision.outcome.value


def found(
    lanes: Iterable[Callable[[], Lane]],
    messages: Callable[[Lane], dict[str, list[Body]]],
    status: Callable[[Lane], str],
) -> list[str]:
    """Every message sent on a lane of its own, by type and by its subject's state then."""
    answers: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for make in lanes:
        for message_type, bodies in messages(make()).items():
            for number, body in enumerate(bodies):
                lane = make()
                before = status(lane)
                decision = lane.send(lane.time, body, event_id=f"asked-{number}")
                answers[message_type][before].add(answer_of(decision))
    return lines(answers)


def table(answers: Answers) -> list[str]:
    return lines({kind: {state: set(cell.split()) for state, cell in cells.items()} for kind, cells in answers.items()})


def lines(answers: Mapping[str, Mapping[str, set[str]]]) -> list[str]:
    return sorted(
        f"{kind} when {state}: {' '.join(sorted(cell))}"
        for kind, cells in answers.items()
        for state, cell in cells.items()
    )


@pytest.mark.parametrize(
    ("answers", "lanes", "messages", "status"),
    [
        (LINE_ANSWERS, LINES, line_messages, lambda lane: lane.account.status),
        (ORDER_ANSWERS, ORDERS, order_messages, lambda lane: lane.get(Order, "order").status),
        (RETURN_ANSWERS, RETURNS, return_messages, lambda lane: lane.get(Return, "return").status),
        (DEBIT_ANSWERS, DEBITS, debit_messages, lambda lane: lane.debits[0].status),
        (DEPOSIT_REFUND_ANSWERS, REFUNDS, refund_messages, lambda lane: lane.get(DepositRefund, "request").status),
        (PAYOUT_ANSWERS, PAYOUTS, payout_messages, lambda lane: payout_of(lane).status),
    ],
    ids=["line", "order", "return", "debit", "deposit refund", "payout"],
)
def test_every_message_is_answered_in_every_state_as_the_table_says(answers, lanes, messages, status):
    assert found(lanes, messages, status) == table(answers)
