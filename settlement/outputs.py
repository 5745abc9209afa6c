"""What postpay tells the rest of the platform. Field meanings are those of docs/messages.md."""

from datetime import date, datetime
from typing import ClassVar

from settlement.notices import Param
from settlement.party import Party, PartyKind
from settlement.values import dataclass


@dataclass(frozen=True, slots=True)
class AutoDebitRequested:
    """Debit the buyer's card."""

    type: ClassVar[str] = "auto_debit.requested"

    account_id: str
    debit_id: str
    amount_minor: int
    currency: str
    order_ids: tuple[str, ...]
    due_on: date
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class AutoDebitCancelled:
    """The debit is not wanted any more."""

    type: ClassVar[str] = "auto_debit.cancelled"

    account_id: str
    debit_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class LimitReleased:
    """Held or used limit became available again."""

    type: ClassVar[str] = "limit.released"

    account_id: str
    order_id: str | None
    amount_minor: int
    currency: str
    reason: str
    available_minor: int
    limit_minor: int


@dataclass(frozen=True, slots=True)
class LimitReclaimed:
    """The platform took limit back."""

    type: ClassVar[str] = "limit.reclaimed"

    account_id: str
    amount_minor: int
    currency: str
    reason: str
    available_minor: int
    limit_minor: int


@dataclass(frozen=True, slots=True)
class LimitRestored:
    """Limit was given (back), or can be used again."""

    type: ClassVar[str] = "limit.restored"

    account_id: str
    amount_minor: int
    currency: str
    reason: str
    available_minor: int
    limit_minor: int


@dataclass(frozen=True, slots=True)
class NotificationRequested:
    """Tell a person; `text` is (zh-CN, en)."""

    type: ClassVar[str] = "notification.requested"

    notification_id: str
    recipient_kind: str
    recipient_id: str
    template: str
    params: dict[str, Param]
    text: tuple[str, str]


@dataclass(frozen=True, slots=True)
class PayoutRequested:
    """Pay out of the platform's account."""

    type: ClassVar[str] = "payout.requested"

    payout_id: str
    payee_kind: PartyKind
    payee_id: str
    amount_minor: int
    currency: str
    route: str
    reason: str


@dataclass(frozen=True, slots=True)
class MerchantActivityRecorded:
    """Internal: see `messages.MerchantActivity`."""

    type: ClassVar[str] = "merchant_activity.recorded"

    merchant_id: str
    currency: str
    payable_minor: int
    after_sales: int


OutputBody = (
    AutoDebitRequested
    | AutoDebitCancelled
    | LimitReleased
    | LimitReclaimed
    | LimitRestored
    | NotificationRequested
    | PayoutRequested
    | MerchantActivityRecorded
)


@dataclass(frozen=True, slots=True)
class Output:
    """One output message; `party` is its key, `causation_id` the input's event_id or the timer's id."""

    event_id: str
    occurred_at: datetime
    causation_id: str
    party: Party
    body: OutputBody
