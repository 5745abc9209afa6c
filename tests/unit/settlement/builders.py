"""Builders with valid defaults, and a lane in memory to send messages to."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from settlement.batch import Batch, Settled
from settlement.calendar import WorkingDays
from settlement.dead_letter import DeadLetterReason
from settlement.decision import Decision
from settlement.draft import Rules
from settlement.entities import (
    Account,
    AccountPayout,
    Debit,
    DepositRefund,
    Merchant,
    MerchantBalance,
    MerchantPayout,
    Obligation,
    Order,
    PlanKind,
    Return,
)
from settlement.lifecycles import DEBIT, DEPOSIT_REFUND, LINE, OBLIGATION, ORDER, PAYOUT, RETURN, Machine
from settlement.messages import (
    AmountLowered,
    Body,
    CaseClosed,
    CaseOpened,
    CashOutRequested,
    CreditLineOpened,
    DepositPaid,
    DepositRefundRequested,
    DepositRefundReviewed,
    DepositRefundWithdrawn,
    ExtensionRequested,
    Input,
    MerchantActivity,
    MerchantRegistered,
    ParcelInspected,
    PayoutFailed,
    PayoutSucceeded,
    Plan,
    PurchaseCancelled,
    PurchaseKept,
    PurchasePlaced,
    PurchaseReceived,
    RepaymentFailed,
    RepaymentReceived,
    RepaymentReversed,
    ReturnRequested,
    ReturnReviewed,
    ReturnWithdrawn,
    SettlementCycleChanged,
    ShopWithdrawalRequested,
    Source,
)
from settlement.outputs import NotificationRequested, OutputBody
from settlement.party import Party, PartyKind
from settlement.state import PartyState
from settlement.statuses import DebitStatus
from settlement.terms import TermsBook
from settlement.totals import Totals

BUYER = Party(PartyKind.ACCOUNT, "buyer")
SHOP = Party(PartyKind.MERCHANT, "shop")

FAILURES = frozenset(
    {DeadLetterReason.INTERNAL_ERROR, DeadLetterReason.TERMS_INVALID, DeadLetterReason.CALENDAR_UNKNOWN}
)
"""Reasons of dead letters that a history brings about only where it means to."""

TOPICS = {
    PurchasePlaced: "purchase",
    PurchaseReceived: "purchase",
    PurchaseKept: "purchase",
    AmountLowered: "purchase",
    PurchaseCancelled: "purchase",
    ExtensionRequested: "purchase",
    ReturnRequested: "return-inspection",
    ReturnReviewed: "return-inspection",
    ReturnWithdrawn: "return-inspection",
    ParcelInspected: "return-inspection",
    RepaymentReceived: "repayment",
    RepaymentFailed: "repayment",
    RepaymentReversed: "repayment",
    DepositRefundRequested: "deposit-refund-request",
    DepositRefundReviewed: "deposit-refund-request",
    DepositRefundWithdrawn: "deposit-refund-request",
    MerchantRegistered: "merchant",
    SettlementCycleChanged: "merchant",
    ShopWithdrawalRequested: "merchant",
    DepositPaid: "merchant",
    CaseOpened: "merchant",
    CaseClosed: "merchant",
    MerchantActivity: "merchant-activity",
    PayoutSucceeded: "payout-result",
    PayoutFailed: "payout-result",
}


def every_weekday(*years: int) -> WorkingDays:
    """A calendar without holidays."""
    days = {
        year: frozenset(
            day
            for number in range(366)
            if (day := date(year, 1, 1) + timedelta(days=number)).year == year and day.weekday() < 5
        )
        for year in years
    }
    return WorkingDays("test", days)


RULES = Rules(TermsBook.builtin(), every_weekday(2025, 2026, 2027))


def at(text: str) -> datetime:
    """An instant in Shanghai: `2026-01-31` or `2026-01-31 08:30`."""
    zone = "+08:00"
    return datetime.fromisoformat(f"{text}{zone}" if ":" in text else f"{text} 12:00{zone}").astimezone(UTC)


def fingerprint_of(body: Body) -> bytes:
    return hashlib.blake2b(repr(body).encode(), digest_size=16).digest()


def message(body: Body, party: Party | None, occurred_at: datetime, event_id: str, offset: int = 0) -> Input:
    topic = "clock" if party is None else TOPICS.get(type(body), "credit-line")
    key = "" if party is None else party.id
    return Input(
        source=Source(topic, 0, offset),
        party=party,
        event_id=event_id,
        type=type(body).__name__,
        occurred_at=occurred_at,
        event_hash=hashlib.blake2b(f"{topic}\0{key}\0{event_id}".encode(), digest_size=16).digest(),
        fingerprint=fingerprint_of(body),
        body=body,
        raw=b"",
    )


# Bodies with valid defaults.


def opened(programme: str = "tmall", limit_minor: int = 100_000, currency: str = "CNY") -> CreditLineOpened:
    return CreditLineOpened(programme, limit_minor, currency, score=700, card_linked=True, identity_verified=True)


def placed(
    order_id: str = "order",
    amount_minor: int = 10_000,
    *,
    kind: PlanKind = PlanKind.TRIAL,
    days: int | None = 7,
    merchant_id: str = "shop",
    currency: str = "CNY",
    item_eligible: bool = True,
    item_plans: tuple[PlanKind, ...] | None = None,
) -> PurchasePlaced:
    plan = Plan(kind, days)
    return PurchasePlaced(order_id, merchant_id, amount_minor, currency, plan, item_eligible, item_plans)


def deferred(order_id: str = "order", amount_minor: int = 10_000, *, days: int = 30) -> PurchasePlaced:
    return placed(order_id, amount_minor, kind=PlanKind.DEFERRED, days=days)


def on_statement(order_id: str = "order", amount_minor: int = 10_000) -> PurchasePlaced:
    return placed(order_id, amount_minor, kind=PlanKind.STATEMENT, days=None)


def in_instalments(order_id: str = "order", amount_minor: int = 10_000, *, periods: int = 3) -> PurchasePlaced:
    return replace(on_statement(order_id, amount_minor), plan=Plan(PlanKind.INSTALMENT, periods=periods))


def repaid(
    amount_minor: int,
    repayment_id: str = "repayment",
    *,
    order_id: str | None = None,
    debit_id: str | None = None,
    currency: str = "CNY",
    purpose: str | None = None,
) -> RepaymentReceived:
    purpose = purpose or ("account" if order_id is None else "order")
    channel = "manual" if debit_id is None else "auto_debit"
    return RepaymentReceived(repayment_id, amount_minor, currency, purpose, order_id, debit_id, channel)


def returned(
    amount_minor: int = 10_000,
    return_id: str = "return",
    *,
    order_id: str = "order",
    reason: str = "no_longer_wanted",
    currency: str = "CNY",
    evidence: tuple[str, ...] = (),
) -> ReturnRequested:
    return ReturnRequested(return_id, order_id, amount_minor, currency, reason, evidence, None)


def complained(amount_minor: int = 10_000, return_id: str = "return", *, order_id: str = "order") -> ReturnRequested:
    """A return for a quality issue, with evidence."""
    evidence = ("https://photo/scratch",)
    return returned(amount_minor, return_id, order_id=order_id, reason="quality_issue", evidence=evidence)


def reviewed(outcome: str, return_id: str = "return") -> ReturnReviewed:
    return ReturnReviewed(return_id, outcome, "checked the photos")


def lowered(amount_minor: int, order_id: str = "order", *, currency: str = "CNY") -> AmountLowered:
    return AmountLowered(order_id, amount_minor, currency, "discount")


def intact(return_id: str = "return") -> ParcelInspected:
    return ParcelInspected(return_id, "intact", (), (), "courier")


def damaged(return_id: str = "return") -> ParcelInspected:
    return ParcelInspected(return_id, "damaged", ("water", "outer_box"), ("https://photo/1",), "courier")


def cashed_out(amount_minor: int = 1_000, cash_out_id: str = "cash-out", *, currency: str = "CNY") -> CashOutRequested:
    return CashOutRequested(cash_out_id, amount_minor, currency)


def deposited(
    deposit_id: str = "deposit", amount_minor: int = 50_000, *, route: str = "alipay", currency: str = "CNY"
) -> DepositPaid:
    return DepositPaid(deposit_id, amount_minor, currency, route)


def refund_asked(
    request_id: str = "request",
    *,
    deposit_id: str = "deposit",
    amount_minor: int | None = None,
    currency: str = "CNY",
    refund_to: str = "original_route",
    urgent: bool = False,
) -> DepositRefundRequested:
    return DepositRefundRequested(
        request_id, deposit_id, amount_minor, currency, "closing", "contact", refund_to, urgent, None
    )


MACHINES: dict[type, Machine] = {
    Account: LINE,
    Order: ORDER,
    Obligation: OBLIGATION,
    Debit: DEBIT,
    Return: RETURN,
    DepositRefund: DEPOSIT_REFUND,
    AccountPayout: PAYOUT,
    MerchantPayout: PAYOUT,
}


def states_after(machine: Machine, begin: set[str]) -> set[str]:
    """The states that steps of the table lead to from others, these included: one decision may take several."""
    reached = set(begin)
    while more := {to for (state, _), to in machine.steps.items() if state in reached} - reached:
        reached |= more
    return reached


class Lane:
    """One lane in memory under the event clock: every message is settled as it is sent."""

    def __init__(self, rules: Rules = RULES) -> None:
        self.rules = rules
        self.states: dict[Party | None, PartyState] = {None: PartyState(None, whole=True)}
        self.time: datetime | None = None
        self.totals: Totals = {}
        self.last: list[Settled] = []
        self.everything: list[Settled] = []
        self._sent = 0
        self._statuses: dict[tuple[type, str], str] = {}

    def send(
        self, when: datetime | str, body: Body, *, party: Party | None = None, event_id: str | None = None
    ) -> Decision:
        """Settle one message; returns what became of it. All that came of it is in `last`."""
        self._sent += 1
        party = party or (SHOP if TOPICS.get(type(body)) in MERCHANT_TOPICS else BUYER)
        moment = at(when) if isinstance(when, str) else when
        return self.settle(message(body, party, moment, event_id or f"event-{self._sent}", self._sent))

    def unchecked(self, sent: Input) -> Decision:
        """Settle a message that may trip a rule."""
        return self.settle(sent, may_fail=True)

    def settle(self, sent: Input, *, may_fail: bool = False) -> Decision:
        self.states.setdefault(sent.party, PartyState(sent.party, whole=True))
        batch = Batch(self.states, self.rules, self.time, event_clock=True, totals=self.totals)
        batch.receive(sent)
        self._take(batch, may_fail=may_fail)
        return next(each.decision for each in self.last if each.input is sent)

    def tick(self, when: datetime | str) -> list[Settled]:
        """Move time on and fire what is due; returns what came of it."""
        self.time = at(when) if isinstance(when, str) else when
        batch = Batch(self.states, self.rules, self.time, event_clock=True, totals=self.totals)
        for party in [each for each in self.states if each is not None]:
            batch.fire_due(party)
        self._take(batch)
        return self.last

    def _take(self, batch: Batch, *, may_fail: bool = False) -> None:
        self.time, self.rules, self.totals = batch.lane_time, batch.rules, batch.totals
        self.last = batch.results
        for each in self.last:
            assert may_fail or each.decision.reason not in FAILURES, each.detail
            self._check_steps(each.decision)
        self.everything += batch.results

    def _check_steps(self, decision: Decision) -> None:
        """Every change of a state must be a way through its table (docs/states.md)."""
        for entity in decision.entities:
            machine = MACHINES.get(type(entity))
            if machine is None:
                continue
            key = (type(entity), entity.entity_id)
            known = self._statuses.get(key)
            allowed = states_after(machine, {known} if known else set(machine.begins.values()))
            assert entity.status in allowed, f"{machine.name} {entity.entity_id}: {known} to {entity.status}"
            self._statuses[key] = entity.status

    @property
    def account(self) -> Account:
        found = self.states[BUYER].find(Account, BUYER.id)
        assert found is not None
        return found

    @property
    def merchant(self) -> Merchant:
        found = self.states[SHOP].find(Merchant, SHOP.id)
        assert found is not None
        return found

    @property
    def balance(self) -> MerchantBalance:
        return self.states[SHOP].find(MerchantBalance, "CNY") or MerchantBalance(SHOP.id, "CNY", 0, 0, 0)

    def get(self, kind, entity_id: str):
        party = BUYER if kind.__dataclass_fields__.get("account_id") else SHOP
        found = self.states[party].find(kind, entity_id)
        assert found is not None, f"no {kind.__name__} {entity_id}"
        return found

    @property
    def obligations(self) -> list[Obligation]:
        return sorted(self.states[BUYER].each(Obligation), key=lambda each: (each.due_on, each.no))

    @property
    def debits(self) -> list[Debit]:
        return sorted(self.states[BUYER].each(Debit), key=lambda each: each.no)

    @property
    def requested(self) -> Debit:
        """The one debit that is requested now."""
        (found,) = [each for each in self.debits if each.status is DebitStatus.REQUESTED]
        return found

    def requested_for(self, due_on: date) -> Debit:
        """The debit that is requested now for a due date."""
        (found,) = [each for each in self.debits if each.status is DebitStatus.REQUESTED and each.due_on == due_on]
        return found

    def outputs(self, kind: type | None = None) -> list[OutputBody]:
        """Bodies of the outputs of the last step, of one type or all."""
        return [body for body in bodies(self.last) if kind is None or isinstance(body, kind)]

    def notices(self) -> list[str]:
        """Templates of the notices of the last step."""
        return [body.template for body in self.outputs(NotificationRequested)]

    def limits(self) -> tuple[int, int, int, int]:
        """Limit, available, held, used."""
        account = self.account
        return (account.limit_minor, account.available_minor, account.held_minor, account.used_minor)


MERCHANT_TOPICS = {"merchant", "deposit-refund-request", "merchant-activity"}


def bodies(settled: Iterable[Settled]) -> Iterator[OutputBody]:
    for each in settled:
        for output in each.decision.outputs:
            yield output.body


def without_notices(outputs: Iterable[OutputBody]) -> list[OutputBody]:
    return [body for body in outputs if not isinstance(body, NotificationRequested)]


def rules_of(name: str, like: str, version_changes: Mapping[str, object] | None = None, **changes: object) -> Rules:
    """Rules with one programme: another one with some fields changed."""
    version = {**RULES.terms.document["versions"][0], **(version_changes or {})}
    version["programmes"] = {name: {**version["programmes"][like], **changes}}
    return replace(RULES, terms=TermsBook.parse({"versions": [version]}))


def careful_rules() -> Rules:
    """A programme `careful` of deferred plans whose returns are inspected."""
    return rules_of("careful", "kuaishou", uninspected_returns=[])


def lane_with_line(
    programme: str = "tmall", limit_minor: int = 100_000, rules: Rules = RULES, **changes: object
) -> Lane:
    """A lane on which the buyer's credit line was opened on 1 January 2026."""
    lane = Lane(rules)
    lane.send("2026-01-01", replace(opened(programme, limit_minor), **changes))
    return lane


def lane_with_merchant() -> Lane:
    """A lane on which the shop registered on 1 January 2026."""
    lane = Lane()
    lane.send("2026-01-01", MerchantRegistered("CNY", 7))
    return lane
