"""Words of the stories for fields of messages: `amount: 1234.56` is `amount_minor` 123456, `order` is `order_id`."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
"""China has kept one offset all year since 1992."""

TOPICS = {
    "credit_line": "credit-line",
    "penalty": "credit-line",
    "debt": "credit-line",
    "purchase": "purchase",
    "return": "return-inspection",
    "repayment": "repayment",
    "suspense": "repayment",
    "shop": "terms",
    "merchant": "merchant",
    "deposit": "merchant",
    "promotion": "merchant",
    "dispute": "merchant",
    "violation": "merchant",
    "shop_balance": "merchant",
    "deposit_refund": "deposit-refund-request",
    "payout": "payout-result",
}
"""Topic by the first word of a message's type."""

NUMBERED = ("debit", "payout")
"""What postpay names itself, so that a story tells it by its number: `debit: 1` is the first debit asked for."""
OF_MERCHANTS = frozenset({"merchant", "deposit-refund-request"})

_NAMES = {
    "orders": "order_ids",
    "card": "card_linked",
    "identity": "identity_verified",
    "cycle": "settlement_cycle_days",
}
_NUMBERS = frozenset({"days", "periods", "score", "settlement_cycle_days", "attempt"})
_FLAGS = frozenset({"card_linked", "identity_verified", "item_eligible", "retryable", "urgent", "enabled"})
_MONEY = frozenset({"amount", "limit", "max_order"})
MONEY_WORDS = frozenset(
    {
        *("amount", "limit", "available", "held", "used", "credit", "returned"),
        *("principal", "fee", "penalty", "paid"),
        *("paid_out", "waived", "required", "payoff", "lowered_by"),
        *("payable", "shop_balance", "left", "credited", "charged_off"),
        *("CNY", "USD"),
    }
)
"""Words for amounts, in expectations."""
_IDS = frozenset(
    {
        *("order", "return", "repayment", "debit", "cash_out", "appeal"),
        *("merchant", "deposit", "request", "promotion", "dispute", "violation", "withdrawal", "suspense"),
    }
)

DEFAULTS: dict[str, dict[str, Any]] = {
    "purchase.placed": {"currency": "CNY"},
    "purchase.amount_lowered": {"currency": "CNY", "reason": "discount afterwards"},
    "purchase.cancelled": {"reason": "ordered by mistake"},
    "purchase.credited": {"currency": "CNY", "reason": "goodwill"},
    "return.requested": {"currency": "CNY", "reason": "no_longer_wanted"},
    "return.reviewed": {"opinion": "looked into"},
    "return.parcel_inspected": {"inspected_by": "courier 7"},
    "repayment.received": {"currency": "CNY", "purpose": "account", "channel": "manual"},
    "repayment.failed": {"reason": "insufficient funds", "retryable": True},
    "repayment.reversed": {"reason": "bounced"},
    "repayment.reinstated": {"reason": "the bank took it back"},
    "suspense.released": {"reason": "its account is known now"},
    "penalty.waived": {"currency": "CNY", "reason": "illness", "approved_by": "operator 3"},
    "debt.rescheduled": {"reason": "illness", "approved_by": "operator 3"},
    "debt.charged_off": {"reason": "nothing to be had", "approved_by": "operator 3"},
    "shop.settings_changed": {"currency": "CNY"},
    "payout.failed": {"reason": "account closed"},
    "credit_line.opened": {"currency": "CNY"},
    "credit_line.limit_changed": {"currency": "CNY", "reason": "evaluation"},
    "credit_line.appeal_decided": {"opinion": "looked into"},
    "credit_line.cash_out_requested": {"currency": "CNY"},
    "merchant.registered": {"currency": "CNY"},
    "deposit.paid": {"currency": "CNY"},
    "violation.recorded": {"kind": "late shipping"},
    "violation.cleared": {"kind": "late shipping"},
    "shop_balance.withdrawal_requested": {"currency": "CNY"},
    "deposit_refund.requested": {"currency": "CNY", "reason": "promotion is over", "contact": "shop@example.com"},
    "deposit_refund.reviewed": {"opinion": "looked into"},
}
"""What a message has when its story doesn't say."""

NAMED_BY_STEP = {
    "repayment.received": "repayment_id",
    "purchase.credited": "credit_id",
    "penalty.waived": "waiver_id",
    "debt.rescheduled": "plan_id",
    "debt.charged_off": "charge_off_id",
}
"""Ids that matter only where something else names them; else they are made of the step's number."""


class WordError(ValueError):
    """A story says something that is no amount, time or plan; the message says what was expected."""


def topic_of(kind: str) -> str:
    """The topic of a message type."""
    try:
        return TOPICS[kind.partition(".")[0]]
    except KeyError:
        raise WordError(f"expected a message type such as purchase.placed, got {kind!r}") from None


def moment(text: str) -> datetime:
    """A time of Shanghai as stories write it: `2026-01-05 10:00`, with seconds where they matter."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?", text) is None:
        raise WordError(f"expected a time such as 2026-01-05 10:00, got {text!r}")
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def minor(text: str) -> int:
    """An amount of yuan in fen."""
    try:
        fen = Decimal(text.replace(",", "")) * 100
    except InvalidOperation:
        raise WordError(f"expected an amount of yuan such as 1234.56, got {text!r}") from None
    if fen != int(fen):
        raise WordError(f"expected whole fen, got {text!r}")
    return int(fen)


def money(amount_minor: int) -> str:
    """An amount of fen in yuan."""
    return f"{Decimal(amount_minor) / 100:,.2f}"


def said_moment(at: datetime) -> str:
    """A time as stories write it."""
    local = at.astimezone(SHANGHAI)
    return f"{local:%Y-%m-%d %H:%M}" if not local.second else f"{local:%Y-%m-%d %H:%M:%S}"


def body(kind: str, told: Mapping[str, Any], requested: Callable[[str, int], Mapping[str, str]]) -> dict[str, Any]:
    """The fields of a message that a story tells, defaults filled in.

    Args:
        kind: the message's type.
        told: its words; `with` holds fields that are taken as they are, in JSON.
        requested: our request for debit or payout number 1, 2, …; one with another name was never requested
    """
    fields: dict[str, Any] = dict(DEFAULTS.get(kind, {}))
    for word, content in told.items():
        if word == "plan":
            fields["plan"] = plan(content)
        elif word == "plans":
            fields["plans"] = [plan(each) for each in content]
        elif word == "with":
            fields |= json.loads(content)
        elif word == "debit":
            fields["debit_id"] = requested(word, int(content))["debit_id"]
            fields.update({"channel": "auto_debit"} if kind == "repayment.received" and "channel" not in told else {})
        elif word == "payout":
            named = is_numbered(content)
            request = requested(word, int(content)) if named else {"payout_id": content}
            fields |= {name: request[name] for name in ("payout_id", "payee_kind", "payee_id") if name in request}
        elif word in _MONEY:
            fields[f"{word}_minor"] = minor(content)
        elif word in _IDS:
            fields[f"{word}_id"] = content
        else:
            name = _NAMES.get(word, "due_on" if word == "due" else word)
            fields[name] = _converted(name, content)
    if fields.get("condition") == "damaged":
        fields.setdefault("photos", ["https://photos.example/parcel.jpg"])
    return fields


def is_numbered(content: str) -> bool:
    """Whether a debit or payout is named by its number; else it is one that nobody asked for."""
    return content.isdecimal()


def _converted(name: str, content: Any) -> Any:
    if name in _NUMBERS:
        return int(content)
    if name in _FLAGS and isinstance(content, str):
        return flag(content)
    if name in {"evidence", "photos"}:
        return [f"https://photos.example/{each}" for each in content]
    return content


def flag(text: str) -> bool:
    """A yes or a no."""
    if text not in {"yes", "no"}:
        raise WordError(f"expected yes or no, got {text!r}")
    return text == "yes"


def plan(text: str) -> dict[str, Any]:
    """A plan: `deferred 30`, `trial 7`, `statement`, `instalment 6`."""
    kind, _, number = text.partition(" ")
    name = {"deferred": "days", "trial": "days", "instalment": "periods", "statement": None}.get(kind, "")
    if name == "" or (name is None) != (number == "") or (number and not number.isdecimal()):
        raise WordError(f"expected a plan such as deferred 30, trial 7, statement or instalment 6, got {text!r}")
    return {"kind": kind} if name is None else {"kind": kind, name: int(number)}


def said(word: str, found: Mapping[str, Any], number_of: Callable[[str, str], str]) -> Any:
    """What a message or a document of ours has for a story's word, in the story's words; `nothing` if it has not."""
    if f"{word}_minor" in found:
        return money(found[f"{word}_minor"])
    if word in NUMBERED and f"{word}_id" in found:
        return number_of(word, found[f"{word}_id"])
    if word == "photos" and "photos" in found:
        return [each.rpartition("/")[2] for each in found["photos"]]
    for name in (_NAMES.get(word, word), f"{word}_id", f"{word}_on"):
        if name in found:
            return _plain(found[name])
    return "nothing"


def expected(word: str, content: Any) -> Any:
    """What a story says for a word, written as `said` writes what is found."""
    return money(minor(content)) if word in MONEY_WORDS else content


def _plain(content: Any) -> Any:
    if isinstance(content, bool):
        return "yes" if content else "no"
    if content is None:
        return "nothing"
    if isinstance(content, Sequence) and not isinstance(content, str):
        return [_plain(each) for each in content]
    return str(content)
