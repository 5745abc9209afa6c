"""What postpay tells the rest of the platform. Field meanings are those of docs/messages.md."""

from datetime import date, datetime

from settlement.notices import Param
from settlement.party import Party, PartyKind
from settlement.values import dataclass


@dataclass(frozen=True, slots=True)
class AutoDebitRequested:
    """`auto_debit.requested`: debit the buyer's card."""

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
    """`auto_debit.cancelled`: the debit is not wanted any more."""

    account_id: str
    debit_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class LimitReleased:
    """`limit.released`: held or used limit became available again."""

    account_id: str
    order_id: str | None
    amount_minor: int
    currency: str
    reason: str
    available_minor: int
    limit_minor: int


@dataclass(frozen=True, slots=True)
class LimitReclaimed:
    """`limit.reclaimed`: the platform took limit back."""

    account_id: str
    amount_minor: int
    currency: str
    reason: str
    available_minor: int
    limit_minor: int


@dataclass(frozen=True, slots=True)
class LimitRestored:
    """`limit.restored`: limit was given (back), or can be used again."""

    account_id: str
    amount_minor: int
    currency: str
    reason: str
    available_minor: int
    limit_minor: int


@dataclass(frozen=True, slots=True)
class NotificationRequested:
    """`notification.requested`: tell a person; `text` is (zh-CN, en)."""

    notification_id: str
    recipient_kind: str
    recipient_id: str
    template: str
    params: dict[str, Param]
    text: tuple[str, str]


@dataclass(frozen=True, slots=True)
class PayoutRequested:
    """`payout.requested`: pay out of the platform's account."""

    payout_id: str
    payee_kind: PartyKind
    payee_id: str
    amount_minor: int
    currency: str
    route: str
    reason: str


@dataclass(frozen=True, slots=True)
class MerchantActivityRecorded:
    """`merchant_activity.recorded` (internal): see `messages.MerchantActivity`."""

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
