"""What the model knows of accounts, as plain dicts, and everything that is a sum over them."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Shanghai")
DAY = timedelta(days=1)

APPLIED, DUPLICATE, CONFLICT = ("applied", None), ("duplicate", None), ("conflict", None)
PARKED, WRONG_STATE = ("parked", None), ("declined", "wrong_state")
Verdict = tuple[str, str | None]
Facts = dict[str, Any]

RETRIES = (timedelta(hours=24), timedelta(hours=48))
AUTOMATIC_RECEIPT = timedelta(days=15)
PARCEL_WAIT = timedelta(days=15)
REMINDER = timedelta(days=3)
ANSWER = timedelta(days=7)
NOTICE_DAYS, LEAST_NOTICE = 7, 100
PENALTY_BPS, FEE_BPS = 5, 60
PARTS = ("penalty", "fee", "principal")
"""In the order in which they are paid."""

PROGRAMMES: dict[str, Facts] = {
    "kuaishou": {
        "currency": "CNY",
        "plans": {("deferred", days, None) for days in (30, 60, 90)},
        "captured": "receipt",
        "uninspected": {"no_longer_wanted", "other", "quality_issue"},
        "reclaims": True,
        "restore": "cleared",
    },
    "taobao": {
        "currency": "CNY",
        "plans": {("statement", None, None), *(("instalment", None, periods) for periods in (3, 6, 12))},
        "needs": {"card"},
        "captured": "receipt",
        "due_day": 10,
        "restore": "waits",
        "wait": timedelta(days=3),
        "cash_out": 100_000,
        "no_overdue_for": timedelta(days=90),
    },
    "douyin": {
        "currency": "CNY",
        "plans": {("statement", None, None), *(("instalment", None, periods) for periods in (3, 6, 12))},
        "needs": {"card", "identity"},
        "captured": "placing",
        "due_day": 6,
        "restore": "on request",
        "wait": timedelta(days=60),
        "bill_periods": (3, 6, 12),
    },
    "tmall": {
        "currency": "CNY",
        "plans": {("trial", days, None) for days in (7, 14, 30)},
        "least_score": 650,
        "captured": "trial end",
        "extension": 7,
        "restore": "cleared",
    },
}


def declined(reason: str) -> Verdict:
    return ("declined", reason)


def first_of(checks: Iterable[tuple[object, str]]) -> str | None:
    """The reason of the first check that fails, of (fails, reason)."""
    return next((reason for fails, reason in checks if fails), None)


# Days.


def business_date(instant: datetime) -> date:
    return instant.astimezone(ZONE).date()


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE)


def next_midnight(instant: datetime) -> datetime:
    """The first 00:00 after an instant."""
    return midnight(business_date(instant) + DAY)


def next_first(day: date) -> date:
    """The first 1st of a month after a day."""
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


# Amounts.


def half_up(amount: int, bps: int) -> int:
    return (amount * bps + 5000) // 10_000


def parts_of(amount: int, count: int) -> list[int]:
    """Equal floors, the remainder on the first."""
    return [amount // count + amount % count] + [amount // count] * (count - 1)


# Obligations.


def unpaid(owed: Facts, part: str) -> int:
    """What is open of a part: not paid, and not charged off."""
    return owed[part] - owed["paid"][part] - owed["lost"][part]


def open_amount(owed: Facts) -> int:
    return sum(unpaid(owed, part) for part in PARTS)


def lost_amount(owed: Facts) -> int:
    return sum(owed["lost"].values())


def is_overdue(owed: Facts) -> bool:
    return open_amount(owed) > 0 and any(fall["cleared_at"] is None for fall in owed["falls"])


def obligation_status(owed: Facts) -> str:
    if open_amount(owed):
        return "overdue" if is_overdue(owed) else "open"
    if lost_amount(owed):
        return "charged_off"
    return "paid" if owed["principal"] else "returned"


def order_id_of(owed: Facts) -> str | None:
    return owed["order"] and owed["order"]["order_id"]


def in_pay_order(account: Facts) -> list[Facts]:
    return list(filter(open_amount, by_due_date(account["obligations"])))


def by_due_date(obligations: Iterable[Facts]) -> list[Facts]:
    return sorted(obligations, key=lambda owed: owed["due_on"])  # stable: as made


def is_due(owed: Facts, now: datetime) -> bool:
    return open_amount(owed) > 0 and owed["due_on"] <= business_date(now)


# Orders.


def left_of(order: Facts) -> int:
    return order["amount"] - order["returned"] - order["credited"]


def obligations_of(account: Facts, order: Facts) -> list[Facts]:
    return [owed for owed in account["obligations"] if owed["order"] is order]


def order_status(account: Facts, order: Facts) -> str:
    if order["stage"] == "cancelled":
        return "cancelled"
    if order["returned"] and not left_of(order):
        return "returned"
    if order["stage"] != "captured":
        return order["stage"]
    statuses = {obligation_status(owed) for owed in obligations_of(account, order)}
    return "overdue" if "overdue" in statuses else "owed" if "open" in statuses else "settled"


def first_due_date(account: Facts, order: Facts) -> date | None:
    """As it stands: of a captured order its obligations', before that its trial's end or what its plan says."""
    return min((owed["due_on"] for owed in obligations_of(account, order)), default=order["due_on"])


def open_returns(account: Facts, order: Facts | None) -> list[Facts]:
    return [
        each
        for each in account["returns"].values()
        if each["order"] is order and each["status"] in {"awaiting_review", "awaiting_parcel"}
    ]


def under_return(account: Facts, order: Facts) -> int:
    return sum(each["amount"] for each in open_returns(account, order))


# Accounts.


def programme(account: Facts) -> Facts:
    return account["terms"]


def held(account: Facts) -> int:
    return sum(left_of(order) for order in account["orders"].values() if order["stage"] in {"held", "trial"})


def used(account: Facts) -> int:
    return sum(unpaid(owed, "principal") for owed in account["obligations"])


def owed_in_all(account: Facts) -> int:
    return sum(map(open_amount, account["obligations"]))


def available(account: Facts) -> int:
    return account["limit"] - held(account) - used(account)


def credit(account: Facts) -> int:
    return sum(account["credits"])


def penalty_of_all(account: Facts) -> int:
    return sum(owed["penalty"] for owed in account["obligations"])


def anything_overdue(account: Facts) -> bool:
    return any(map(is_overdue, account["obligations"]))


def clearings(account: Facts, *, of_this_freeze: bool = False) -> list[datetime]:
    """When what was overdue was paid, waived or taken back."""
    return [
        fall["cleared_at"]
        for owed in account["obligations"]
        for fall in owed["falls"]
        if fall["cleared_at"] is not None and not (of_this_freeze and fall["at"] < account["frozen_at"])
    ]


def is_in(owed: Facts, obligations: Iterable[Facts]) -> bool:
    return any(owed is each for each in obligations)


def lose(account: Facts, owed: Facts, part: str, amount: int) -> None:
    """Charge off so much of a part, or take so much of it back."""
    owed["lost"][part] += amount
    count_losses(account)


def count_losses(account: Facts) -> None:
    """What was recovered beyond what is lost by now is the buyer's."""
    account["charged_off"] = sum(map(lost_amount, account["obligations"]))
    beyond = max(account["recovered"] - account["charged_off"], 0)
    account["recovered"] -= beyond
    account["credits"].append(beyond)
