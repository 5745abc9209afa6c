"""How parties stand, by the core's rows and by the model's facts, in one plain shape for both."""

from collections import Counter
from datetime import date, datetime, timedelta

from settlement.decision import Outcome
from settlement.entities import (
    Account,
    AccountPayout,
    Debit,
    Deposit,
    DepositRefund,
    Merchant,
    MerchantBalance,
    MerchantCase,
    MerchantPayout,
    Obligation,
    Order,
    PlanKind,
    Return,
    ShopWithdrawal,
)
from settlement.entity import ENTITIES
from settlement.ledger import LedgerAccount
from settlement.messages import Plan, RepaymentReceived
from settlement.outputs import NotificationRequested
from settlement.party import Party, PartyKind
from settlement.suspense import SuspenseEntry
from tests.property.lane import Lane, balances_of
from tests.property.model.facts import (
    Facts,
    available,
    business_date,
    clearings,
    credit,
    held,
    lost_amount,
    obligation_status,
    order_id_of,
    order_status,
    under_return,
    used,
)
from tests.property.model.model import Model
from tests.property.tellers.teller import message_of


def payout_kind(party: Party) -> type[AccountPayout] | type[MerchantPayout]:
    return AccountPayout if party.kind is PartyKind.ACCOUNT else MerchantPayout


def payout_facts(payout: AccountPayout | MerchantPayout) -> Facts:
    """What the core remembers of a payout, in the model's shape."""
    if isinstance(payout, AccountPayout):
        payee = Party(PartyKind.ACCOUNT, payout.account_id)
    else:
        payee = Party(PartyKind.MERCHANT, payout.merchant_id)
    return {
        "payee": payee,
        "amount": payout.amount_minor,
        "currency": payout.currency,
        "route": payout.route,
        "reason": payout.reason,
        "source": payout.source_id,
    }


def told(entity: object, name: str, otherwise: object) -> object:
    """A field by the name that it may have in the core; one that is not there yet disagrees where it matters."""
    return getattr(entity, name, otherwise)


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
            "charged off": (told(account, "charged_off_minor", 0), told(account, "recovered_minor", 0)),
            "cashed out": (account.cash_out_on, account.cash_out_day_minor),
            "last overdue": account.overdue_until,
            "orders": [
                (
                    each.order_id,
                    each.status.value,
                    each.amount_minor,
                    each.returned_minor,
                    each.under_return_minor,
                    told(each, "credited_minor", 0),
                )
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
                    told(each, "charged_off_minor", 0),
                )
                for each in in_order(lane, party, Obligation)
            ],
            "returns": [
                (each.return_id, each.status.value, each.order_id, each.amount_minor)
                for each in in_order(lane, party, Return)
            ],
            "debits": {
                each.debit_id: (
                    each.status.value,
                    each.amount_minor,
                    each.due_on,
                    each.attempt,
                    told(each, "unanswered_at", None) is not None,
                )
                for each in lane.rows(party, Debit)
            },
            "payouts": _core_payouts(lane, party),
            "ledger": _core_ledger(lane, party),
        } | _core_suspense(lane, party)
    return _core_suspense(lane, party)


def in_order(lane: Lane, party: Party, kind: type) -> list:
    """Rows by their running number, the order lists are shown in."""
    return sorted(lane.rows(party, kind), key=lambda row: row.no)


def model_state(model: Model, party: Party) -> dict:
    known = model.parties.get(party)
    if known is None:
        return _model_suspense(model, party)
    if party.kind is PartyKind.MERCHANT:
        return _model_merchant(known)
    return _model_account(model, known, party) | _model_things(known) | _model_suspense(model, party)


def _model_account(model: Model, known: Facts, party: Party) -> dict:
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
        "charged off": (known["charged_off"], known["recovered"]),
        "cashed out": max(known["cash_out_days"].items(), default=(None, 0)),
        "last overdue": max(clearings(known), default=None),
        "ledger": _model_ledger(
            known,
            {
                "merchant_transit": sum(
                    amount
                    for (account_id, _, _, what), amount in model.activity.items()
                    if account_id == party.id and what == "payable"
                ),
                "fee_income": sum(owed["fee"] for owed in known["obligations"]),
                "penalty_income": sum(owed["penalty"] for owed in known["obligations"]),
                "charge_off_loss": known["charged_off"],
                "recovery_income": known["recovered"],
            },
            sum(each["body"].amount_minor for each in known["repayments"].values() if not each["reversed"])
            + in_suspense(model, party),
            suspense=in_suspense(model, party),
        ),
    }


def _model_things(known: Facts) -> dict:
    return {
        "orders": [
            (
                name,
                order_status(known, each),
                each["amount"],
                each["returned"],
                under_return(known, each),
                each["credited"],
            )
            for name, each in known["orders"].items()
        ],
        "obligations": [
            (
                order_id_of(each),
                each["due_on"],
                each["billed_on"],
                obligation_status(each),
                (each["principal"], each["fee"], each["penalty"]),
                (each["paid"]["principal"], each["paid"]["fee"], each["paid"]["penalty"]),
                lost_amount(each),
            )
            for each in known["obligations"]
        ],
        "returns": [
            (name, each["status"], each["order"]["order_id"], each["amount"]) for name, each in known["returns"].items()
        ],
        "debits": {
            each["debit_id"]: (each["status"], each["amount"], each["due_on"], each["attempt"], each["unanswered"])
            for each in known["debits"]
        },
        "payouts": _model_payouts(known),
    }


def core_payoff(lane: Lane, party: Party) -> int | None:
    """What a payoff takes now (`payoff_minor` of `account show`), asked of the rules: they tell one that is too small.

    None where the rules don't take money of the party now.
    """
    other = lane.copy()
    for account in lane.rows(party, Account):
        asked = RepaymentReceived("asked", 1, account.currency, "payoff", None, None, "manual")
        for settled in other.settle([message_of(asked, party, lane.time, "asked", len(lane.results))]):
            if (
                settled.input is None
                or settled.input.body is not asked
                or settled.decision.outcome is not Outcome.APPLIED
            ):
                continue
            told = {each.body.template: each.body.params for each in settled.decision.outputs if is_notice(each.body)}
            insufficient, received = told.get("payoff_insufficient"), told.get("payoff_received")
            return insufficient["required_minor"] if insufficient else received["amount_minor"] if received else 0
    return None


def is_notice(body: object) -> bool:
    return isinstance(body, NotificationRequested)


def model_payoff(model: Model, party: Party) -> int:
    return model.payoff_takes(model.parties[party], model.lane_time)


PLANS = tuple(
    Plan(kind, days, periods)
    for kind, days, periods in (
        (PlanKind.STATEMENT, None, None),
        *((PlanKind.INSTALMENT, None, periods) for periods in (3, 6, 12)),
        *((PlanKind.TRIAL, days, None) for days in (7, 14, 30)),
        *((PlanKind.DEFERRED, days, None) for days in (30, 60, 90)),
    )
)


def core_shops(lane: Lane) -> dict:
    """What the lane keeps of shops: whether one takes part, by which plans, and its maximum."""
    kinds = [kind for kind in ENTITIES if kind.__name__ == "ShopSettings"]
    return {
        name: (
            row.enabled,
            tuple(row.enabled and row.takes(plan) for plan in PLANS),
            row.max_order_minor,
            row.currency,
        )
        for kind in kinds
        for name, row in lane.tables[None].entities.get(kind, {}).items()
    }


def model_shops(model: Model) -> dict:
    return {
        name: (
            body.enabled,
            tuple(body.enabled and model.shop_offers(name, plan) for plan in PLANS),
            body.max_order_minor,
            body.currency,
        )
        for name, body in model.shops.items()
    }


def _core_payouts(lane: Lane, party: Party) -> dict:
    return {
        each.payout_id: (payout_facts(each), each.status.value, each.requested_at, each.answered_at)
        for each in lane.rows(party, payout_kind(party))
    }


def _model_payouts(known: Facts) -> dict:
    return {
        name: (each["request"], each["status"], each["requested_at"], each["answered_at"])
        for name, each in known["payouts"].items()
    }


PLATFORM = (
    "gateway_clearing",
    "payout_clearing",
    "merchant_transit",
    "fee_income",
    "penalty_income",
    "charge_off_loss",
    "recovery_income",
    "suspense",
)
ACCOUNTS = {account.value: account for account in LedgerAccount}


def _core_ledger(lane: Lane, party: Party) -> dict:
    """What a party has in the accounts of the platform; its own are balances of its row, and compared there."""
    balances = balances_of(lane.tables[party].postings)
    return {name: balances[ACCOUNTS[name]] if name in ACCOUNTS else 0 for name in PLATFORM}


def _model_ledger(known: Facts, rest: Facts, received: int, *, suspense: int = 0) -> dict:
    """The same: what came in less what has left is in the gateway, what was asked to leave and not answered is not."""
    asked, gone = (
        sum(each["request"]["amount"] for each in known["payouts"].values() if each["status"] == status)
        for status in ("requested", "succeeded")
    )
    moved = {"gateway_clearing": received - gone, "payout_clearing": asked, "suspense": suspense}
    return dict.fromkeys(PLATFORM, 0) | rest | moved


def in_suspense(model: Model, party: Party) -> int:
    kept = model.suspense.get(party, {}).values()
    return sum(each["body"].amount_minor for each in kept if each["status"] == "held")


def _core_suspense(lane: Lane, party: Party) -> dict:
    """The rows of money in suspense, amount, and whether it is still there."""
    rows = lane.rows(party, SuspenseEntry)
    kept = {each.suspense_id: (each.amount_minor, each.released_at is None) for each in rows}
    return {"suspense": kept} if kept else {}


def _model_suspense(model: Model, party: Party) -> dict:
    kept = {
        name: (each["body"].amount_minor, each["status"] == "held")
        for name, each in model.suspense.get(party, {}).items()
    }
    return {"suspense": kept} if kept else {}


def _next_payout_on(merchant: Merchant, now: datetime) -> date | None:
    """The first payout date after now, by what the core remembers."""
    counted_from = merchant.cycle_from or merchant.registered_on
    if counted_from is None:
        return None
    days = merchant.settlement_cycle_days
    return counted_from + timedelta(days=days * ((business_date(now) - counted_from).days // days + 1))


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
            "next payout": _next_payout_on(merchant, lane.time),
            "payable": {each.currency: each.payable_minor for each in balances if each.payable_minor},
            "shop_balance": sum(each.shop_balance_minor for each in balances),
            "deposit": sum(each.deposit_minor for each in balances),
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
                    each.opinion,
                )
                for each in lane.rows(party, DepositRefund)
                if each.fingerprint is not None
            },
            "tries": {
                each.request_id: each.reasons for each in lane.rows(party, DepositRefund) if each.fingerprint is None
            },
            "withdrawals": {each.withdrawal_id: each.amount_minor for each in lane.rows(party, ShopWithdrawal)},
            "payouts": _core_payouts(lane, party),
            "ledger": _core_ledger(lane, party),
        }
    return {}


def _model_merchant(known: Facts) -> dict:
    return {
        "registered": known["known"],
        "next payout": known["next_payout_on"],
        "payable": {currency: amount for currency, amount in known["payable"].items() if amount},
        "shop_balance": known["shop_balance"],
        "deposit": sum(each["left"] for each in known["deposits"].values()),
        "after_sales": known["after_sales"],
        "cases": sorted((f"{kind.value}:{name}", case["open"]) for (kind, name), case in known["cases"].items()),
        "deposits": [
            (name, each["payment"].amount_minor, each["left"], each["frozen_until"])
            for name, each in known["deposits"].items()
        ],
        "requests": {
            name: (
                each["deposit_id"],
                each["amount"],
                each["status"],
                each["reasons"],
                each["review_due_on"],
                each["opinion"],
            )
            for name, each in known["requests"].items()
        },
        "tries": known["tries"],
        "withdrawals": {name: each.amount_minor for name, each in known["withdrawals"].items()},
        "payouts": _model_payouts(known),
        "ledger": _model_ledger(
            known,
            {"merchant_transit": -known["activity"]},
            sum(each["payment"].amount_minor for each in known["deposits"].values()),
        ),
    }
