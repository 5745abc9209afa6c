"""What core and model are compared by: each is brought to the same plain shape, and the differences are told."""

from collections import Counter
from datetime import UTC, date

from settlement.batch import Settled
from settlement.entities import (
    AccountPayout,
    MerchantPayout,
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
)
from tests.property.model.invariants import check_account
from tests.property.model.model import Model
from tests.property.standing import (
    core_payoff,
    core_shops,
    core_state,
    model_payoff,
    model_shops,
    model_state,
    payout_facts,
    payout_kind,
)

TOLD: dict[str, tuple[str, ...]] = {
    "appeal_rejected": ("opinion",),
    "appeal_upheld": ("opinion",),
    "bill_instalment_refused": ("reason",),
    "cash_out_declined": ("reason",),
    "cash_out_paid": ("amount_minor",),
    "closing_refused": ("payoff_minor", "held_minor"),
    "debit_failed": ("amount_minor", "due_on"),
    "debit_request_declined": ("reason",),
    "debit_unanswered": ("debit_id", "amount_minor", "due_on"),
    "debt_charged_off": ("amount_minor",),
    "debt_rescheduled": ("amount_minor", "periods", "first_due_on"),
    "debt_rescheduling_refused": ("reason", "periods"),
    "deposit_refund_approved": ("request_id", "amount_minor", "paid_on"),
    "deposit_refund_escalated": ("request_id", "amount_minor", "reason"),
    "deposit_refund_paid": ("request_id", "amount_minor", "refund_to"),
    "deposit_refund_received": ("request_id", "amount_minor", "review_due_on"),
    "deposit_refund_refused": ("request_id", "reasons"),
    "deposit_refund_rejected": ("request_id", "opinion"),
    "extension_granted": ("due_on",),
    "extension_refused": ("reason",),
    "limit_reclaimed": ("amount_minor",),
    "limit_restored": ("reason",),
    "payment_due_soon": ("amount_minor", "due_on"),
    "payment_overdue": ("amount_minor", "due_on"),
    "payoff_insufficient": ("amount_minor", "required_minor"),
    "payoff_received": ("amount_minor", "waived_minor"),
    "payout_failed": ("payout_id", "amount_minor", "reason"),
    "penalty_charged": ("amount_minor",),
    "penalty_waived": ("amount_minor",),
    "purchase_amount_lowered": ("amount_minor", "lowered_by_minor"),
    "purchase_credit_declined": ("reason",),
    "purchase_credited": ("amount_minor", "paid_out_minor"),
    "purchase_declined": ("reason",),
    "recovery_received": ("amount_minor", "left_minor"),
    "repayment_reinstated": ("repayment_id", "amount_minor"),
    "repayment_reversed": ("repayment_id", "amount_minor"),
    "repayment_unmatched_reference": ("repayment_id", "amount_minor"),
    "return_declined": ("reason",),
    "return_refunded": ("amount_minor", "paid_out_minor"),
    "return_rejected": ("opinion",),
    "settlement_paid": ("payout_id", "amount_minor"),
    "shop_withdrawal_declined": ("withdrawal_id", "reason"),
    "shop_withdrawal_paid": ("withdrawal_id", "amount_minor"),
    "suspense_received": ("suspense_id", "amount_minor"),
    "suspense_released": ("suspense_id", "amount_minor"),
    "trial_ending": ("order_id", "amount_minor", "due_on"),
    "unfreeze_refused": ("reason",),
}
"""The parameters of notices that the model gives too."""


class Duel:
    """Core and model side by side on the same inputs, one after the other."""

    def __init__(self, working_days: frozenset[date], lane: Lane) -> None:
        self.lane = lane
        self.model = Model(working_days, self._name)
        self._new_debits: list[AutoDebitRequested] = []
        self._new_payouts: list[AccountPayout | MerchantPayout] = []
        self._unnamed = 0

    def receive(self, message: Input) -> None:
        """Settle one input on both sides and compare all there is.

        Raises:
            AssertionError: they disagree; tells on what.
        """
        settled = self.lane.settle([message])
        outputs = [output for each in settled for output in each.decision.outputs]
        self._new_debits = [output.body for output in outputs if isinstance(output.body, AutoDebitRequested)]
        self._new_payouts = [
            payouts[output.body.payout_id]
            for output in outputs
            if isinstance(output.body, PayoutRequested)
            for payouts in [self.lane.tables[output.party].entities[payout_kind(output.party)]]
        ]
        verdicts_before, outputs_before = len(self.model.verdicts), len(self.model.outputs)
        self.model.receive(message)
        self._check_model()
        agree("what became of inputs", verdicts_of(settled), model_verdicts(self.model.verdicts[verdicts_before:]))
        agree("outputs", [output_of(each) for each in outputs], [*map(_told, self.model.outputs[outputs_before:])])
        agree("settings of shops", core_shops(self.lane), model_shops(self.model))
        agree("merchant activity", self._activity(), self.model_activity())
        for party in [each for each in self.lane.tables if each is not None]:
            agree(f"the state of {party.id}", core_state(self.lane, party), model_state(self.model, party))

    def compare_what_is_shown(self) -> None:
        """What is worked out only when somebody looks: too dear to do after every input.

        Raises:
            AssertionError: they disagree.
        """
        for party in self.model.parties:
            shown = core_payoff(self.lane, party) if party.kind is PartyKind.ACCOUNT else None
            if shown is not None:
                agree(f"what a payoff of {party.id} takes", shown, model_payoff(self.model, party))

    def _check_model(self) -> None:
        for party, known in self.model.parties.items():
            if party.kind is PartyKind.ACCOUNT:
                check_account(known, self.model.lane_time)

    def _activity(self) -> Counter[tuple[str, str]]:
        handed: Counter[tuple[str, str]] = Counter()
        for tables in self.lane.tables.values():
            handed.update(tables.activity)
        agree("activity told and handed", self.lane.told_merchants, handed)
        return Counter({key: amount for key, amount in handed.items() if amount})

    def model_activity(self) -> Counter[tuple[str, str]]:
        handed: Counter[tuple[str, str]] = Counter()
        for (_, merchant_id, _, what), amount in self.model.activity.items():
            handed[merchant_id, what] += amount
        return Counter({key: amount for key, amount in handed.items() if amount})

    def _name(self, facts: Facts) -> str:
        """The id the core gave to a debit or payout of these facts in the same step; else one nobody will speak of."""
        if "payee" in facts:
            for payout in self._new_payouts:
                if payout_facts(payout) == facts:
                    self._new_payouts.remove(payout)
                    return payout.payout_id
        for body in self._new_debits:
            if (
                body.account_id == facts.get("account_id")
                and body.amount_minor == facts["amount"]
                and sorted(body.order_ids) == facts["order_ids"]
                and (body.due_on, body.attempt, body.reason) == (facts["due_on"], facts["attempt"], facts["reason"])
            ):
                self._new_debits.remove(body)
                return body.debit_id
        self._unnamed += 1
        return f"the model alone requests this ({self._unnamed})"


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
            what = ("payout.requested", body.payout_id, body.amount_minor, body.currency, body.route, body.reason)
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
