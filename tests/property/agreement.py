"""What core and model are compared by: each is brought to the same plain shape, and the differences are told."""

from collections import Counter
from datetime import UTC, date

from settlement.batch import Settled
from settlement.entities import (
    Account,
    Debit,
    Deposit,
    DepositRefund,
    Merchant,
    MerchantBalance,
    MerchantCase,
    Obligation,
    Order,
    Return,
)
from settlement.messages import Input
from settlement.outputs import (
    AutoDebitCancelled,
    AutoDebitRequested,
    LimitReclaimed,
    LimitReleased,
    LimitRestored,
    NotificationRequested,
    Output,
    PayoutRequested,
)
from settlement.party import Party, PartyKind
from tests.property.lane import Lane
from tests.property.model.facts import (
    Facts,
    available,
    credit,
    held,
    obligation_status,
    order_id_of,
    order_status,
    penalty,
    under_return,
    used,
)
from tests.property.model.model import Model

TOLD: dict[str, tuple[str, ...]] = {
    "appeal_rejected": ("opinion",),
    "appeal_upheld": ("opinion",),
    "bill_instalment_refused": ("reason",),
    "cash_out_declined": ("reason",),
    "cash_out_paid": ("amount_minor",),
    "closing_refused": ("payoff_minor", "held_minor"),
    "debit_failed": ("amount_minor", "due_on"),
    "deposit_refund_escalated": ("reason",),
    "deposit_refund_refused": ("reasons",),
    "extension_granted": ("due_on",),
    "extension_refused": ("reason",),
    "limit_reclaimed": ("amount_minor",),
    "limit_restored": ("reason",),
    "payment_due_soon": ("amount_minor", "due_on"),
    "payment_overdue": ("amount_minor", "due_on"),
    "payoff_insufficient": ("amount_minor", "required_minor"),
    "payoff_received": ("amount_minor", "waived_minor"),
    "penalty_charged": ("amount_minor",),
    "purchase_amount_lowered": ("amount_minor", "lowered_by_minor"),
    "purchase_declined": ("reason",),
    "repayment_reversed": ("repayment_id", "amount_minor"),
    "return_declined": ("reason",),
    "return_refunded": ("amount_minor", "paid_out_minor"),
    "return_rejected": ("opinion",),
    "settlement_paid": ("amount_minor",),
    "trial_ending": ("order_id", "amount_minor", "due_on"),
    "unfreeze_refused": ("reason",),
}
"""The parameters of notices that the model gives too."""


class Duel:
    """Core and model side by side on the same inputs, one after the other."""

    def __init__(self, working_days: frozenset[date], lane: Lane) -> None:
        self.lane = lane
        self.model = Model(working_days, self._name_debit)
        self._new_debits: list[AutoDebitRequested] = []
        self._unnamed = 0

    def receive(self, message: Input) -> None:
        """Settle one input on both sides and compare all there is.

        Raises:
            AssertionError: they disagree; tells on what.
        """
        settled = self.lane.settle([message])
        outputs = [output for each in settled for output in each.decision.outputs]
        self._new_debits = [output.body for output in outputs if isinstance(output.body, AutoDebitRequested)]
        verdicts_before, outputs_before = len(self.model.verdicts), len(self.model.outputs)
        self.model.receive(message)
        agree("what became of inputs", verdicts_of(settled), model_verdicts(self.model.verdicts[verdicts_before:]))
        agree("outputs", [output_of(each) for each in outputs], [*map(_told, self.model.outputs[outputs_before:])])
        agree("merchant activity", self._activity(), +self.model_activity())
        for party in [each for each in self.lane.tables if each is not None]:
            agree(f"the state of {party.id}", core_state(self.lane, party), model_state(self.model, party))

    def _activity(self) -> Counter[tuple[str, str]]:
        handed: Counter[tuple[str, str]] = Counter()
        for tables in self.lane.tables.values():
            handed.update(tables.activity)
        agree("activity told and handed", self.lane.told_merchants, handed)
        return Counter({key: amount for key, amount in handed.items() if amount})

    def model_activity(self) -> Counter[tuple[str, str]]:
        return Counter({(key[0], key[2]): amount for key, amount in self.model.activity.items() if amount})

    def _name_debit(self, facts: Facts) -> str:
        """The id the core gave to a debit of these facts in the same step; else one nobody will speak of."""
        for body in self._new_debits:
            if (
                body.account_id == facts["account_id"]
                and body.amount_minor == facts["amount"]
                and sorted(body.order_ids) == facts["order_ids"]
                and (body.due_on, body.attempt, body.reason) == (facts["due_on"], facts["attempt"], facts["reason"])
            ):
                self._new_debits.remove(body)
                return body.debit_id
        self._unnamed += 1
        return f"the model alone requests this debit ({self._unnamed})"


def agree(what: str, core: object, model: object) -> None:
    """Raise with both sides' surplus when they differ."""
    if isinstance(core, list) and isinstance(model, list):
        left, right = Counter(core), Counter(model)
        core_only, model_only = list((left - right).elements()), list((right - left).elements())
        assert left == right, f"{what}\n  core only: {core_only}\n  model only: {model_only}"
    elif isinstance(core, dict) and isinstance(model, dict):
        apart = {key: (core.get(key), model.get(key)) for key in core | model if core.get(key) != model.get(key)}
        assert not apart, f"{what} (core, model): {apart}"
    else:
        assert core == model, f"{what}\n  core: {core}\n  model: {model}"


def verdicts_of(settled: list[Settled]) -> list[tuple]:
    return [
        (
            _named(each.input),
            each.decision.outcome.value,
            each.decision.reason,
            each.decided_at.astimezone(UTC),
            each.was_parked,
        )
        for each in settled
        if each.input is not None
    ]


def model_verdicts(verdicts: list[Facts]) -> list[tuple]:
    return [
        (_named(each["input"]), *each["verdict"], each["at"].astimezone(UTC), each["was_parked"]) for each in verdicts
    ]


def _named(message: Input) -> str:
    return f"{message.source.topic}/{message.party and message.party.id}/{message.event_id}@{message.source.offset}"


def output_of(output: Output) -> str:
    """An output in the model's shape."""
    body = output.body
    match body:
        case AutoDebitRequested():
            what = (
                "auto_debit.requested",
                body.debit_id,
                body.amount_minor,
                sorted(body.order_ids),
                body.due_on,
                body.attempt,
                body.reason,
            )
        case AutoDebitCancelled():
            what = ("auto_debit.cancelled", body.debit_id)
        case LimitReleased():
            what = (
                "limit.released",
                body.order_id,
                body.amount_minor,
                body.reason,
                body.available_minor,
                body.limit_minor,
            )
        case LimitReclaimed():
            what = ("limit.reclaimed", body.amount_minor, body.reason, body.available_minor, body.limit_minor)
        case LimitRestored():
            what = ("limit.restored", body.amount_minor, body.reason, body.available_minor, body.limit_minor)
        case NotificationRequested():
            told = [body.params[name] for name in TOLD.get(body.template, ())]
            what = ("notification.requested", body.template, *(_plain(value) for value in told))
            if body.recipient_kind == "operator":
                what += ("to operators",)
            else:
                assert (body.recipient_kind, body.recipient_id) == (output.party.kind.value, output.party.id)
        case PayoutRequested():
            what = ("payout.requested", body.amount_minor, body.currency, body.route, body.reason)
            assert (body.payee_kind, body.payee_id) == (output.party.kind, output.party.id)
        case _:
            what = (repr(body),)
    return repr((output.party, (output.occurred_at.astimezone(UTC), *what)))


def _plain(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _told(output: tuple[Party, tuple]) -> str:
    """An output of the model; dates within notices are texts."""
    party, (instant, what, *fields) = output
    if what == "notification.requested":
        fields = [field.isoformat() if isinstance(field, date) else field for field in fields]
    return repr((party, (instant, what, *fields)))


def core_state(lane: Lane, party: Party) -> dict:
    if party.kind is PartyKind.MERCHANT:
        return _core_merchant(lane, party)
    for account in lane.rows(party, Account):
        return {
            "programme": account.programme,
            "score": account.score,
            "card": account.card_linked,
            "identity": account.identity_verified,
            "freezes": sorted(account.freeze_reasons),
            "closed": account.closed_at is not None,
            "limit": account.limit_minor,
            "available": account.available_minor,
            "held": account.held_minor,
            "used": account.used_minor,
            "credit": account.customer_credit_minor,
            "orders": [
                (each.order_id, each.status.value, each.amount_minor, each.returned_minor, each.under_return_minor)
                for each in in_order(lane, party, Order)
            ],
            "obligations": [
                (
                    each.order_id,
                    each.due_on,
                    each.billed_on,
                    each.status.value,
                    (each.principal_minor, each.fee_minor, each.penalty_minor),
                    (each.paid_principal_minor, each.paid_fee_minor, each.paid_penalty_minor),
                )
                for each in in_order(lane, party, Obligation)
            ],
            "returns": [
                (each.return_id, each.status.value, each.order_id, each.amount_minor)
                for each in in_order(lane, party, Return)
            ],
            "debits": {
                each.debit_id: (each.status.value, each.amount_minor, each.due_on, each.attempt)
                for each in lane.rows(party, Debit)
            },
        }
    return {}


def in_order(lane: Lane, party: Party, kind: type) -> list:
    """Rows by their running number, the order lists are shown in."""
    return sorted(lane.rows(party, kind), key=lambda row: row.no)


def model_state(model: Model, party: Party) -> dict:
    known = model.parties.get(party)
    if known is None:
        return {}
    if party.kind is PartyKind.MERCHANT:
        return _model_merchant(known)
    return {
        "programme": known["opening"].programme,
        "score": known["score"],
        "card": known["card"],
        "identity": known["identity"],
        "freezes": sorted(known["freezes"]),
        "closed": known["closed"],
        "limit": known["limit"],
        "available": available(known),
        "held": held(known),
        "used": used(known),
        "credit": credit(known),
        "orders": [
            (name, order_status(known, each), each["amount"], each["returned"], under_return(known, each))
            for name, each in known["orders"].items()
        ],
        "obligations": [
            (
                order_id_of(each),
                each["due_on"],
                each["billed_on"],
                obligation_status(each),
                (each["principal"], each["fee"], penalty(each)),
                (each["paid"]["principal"], each["paid"]["fee"], each["paid"]["penalty"]),
            )
            for each in known["obligations"]
        ],
        "returns": [
            (name, each["status"], each["order"]["order_id"], each["amount"]) for name, each in known["returns"].items()
        ],
        "debits": {
            each["debit_id"]: (each["status"], each["amount"], each["due_on"], each["attempt"])
            for each in known["debits"]
        },
    }


def _core_merchant(lane: Lane, party: Party) -> dict:
    balances = lane.rows(party, MerchantBalance)
    for merchant in lane.rows(party, Merchant):
        open_cases = Counter(each.kind.value for each in lane.rows(party, MerchantCase) if each.is_open)
        counted = Counter(
            promotion=merchant.open_promotions, dispute=merchant.open_disputes, violation=merchant.open_violations
        )
        assert +counted == open_cases, f"open cases are counted {counted}, there are {open_cases}"
        return {
            "registered": merchant.registered_on is not None,
            "payable": {each.currency: each.payable_minor for each in balances if each.payable_minor},
            "shop_balance": sum(each.shop_balance_minor for each in balances),
            "after_sales": merchant.open_after_sales,
            "cases": sorted((each.case_key, each.is_open) for each in lane.rows(party, MerchantCase)),
            "deposits": [
                (each.deposit_id, each.amount_minor, each.left_minor, each.frozen_until)
                for each in in_order(lane, party, Deposit)
            ],
            "requests": {
                each.request_id: (
                    each.deposit_id,
                    each.amount_minor,
                    each.status.value,
                    each.reasons,
                    each.review_due_on,
                )
                for each in lane.rows(party, DepositRefund)
                if each.fingerprint is not None
            },
        }
    return {}


def _model_merchant(known: Facts) -> dict:
    return {
        "registered": known["known"],
        "payable": {currency: amount for currency, amount in known["payable"].items() if amount},
        "shop_balance": known["shop_balance"],
        "after_sales": known["after_sales"],
        "cases": sorted((f"{kind.value}:{name}", case["open"]) for (kind, name), case in known["cases"].items()),
        "deposits": [
            (name, each["payment"].amount_minor, each["left"], each["frozen_until"])
            for name, each in known["deposits"].items()
        ],
        "requests": {
            name: (each["deposit_id"], each["amount"], each["status"], each["reasons"], each["review_due_on"])
            for name, each in known["requests"].items()
        },
    }
