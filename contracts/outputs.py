"""Output messages as they go over the wire, one `TypedDict` per type. Fields without a value are left out.

Source: docs/messages.md, Output messages.
"""

from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from contracts.fields import Currency
from settlement import outputs

VERSION = 1
SOURCE = "postpay"
"""`ce_source` of every output."""

_documented = with_config(ConfigDict(use_attribute_docstrings=True))

_Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
_Date = Annotated[str, Field(json_schema_extra={"format": "date"})]
_Positive = Annotated[int, Field(ge=1)]


@_documented
class OutputMessage(TypedDict):
    """What every output message has."""

    event_id: str
    """Deterministic: the same input gives the same id; unique over all output topics."""
    type: str
    """The message's type."""
    occurred_at: _Instant
    """Time of the decision, in UTC."""
    causation_id: str
    """The input's event_id, or the id of the timer or batch that caused it."""
    version: Annotated[int, Field(ge=VERSION, le=VERSION)]
    """Version of the message's shape."""


@_documented
class AutoDebitRequested(OutputMessage):
    """Debit the buyer's card; answer with `repayment.received` or `repayment.failed`."""

    account_id: str
    """The buyer's account; also the record's key."""
    debit_id: str
    """Names the debit in the answer."""
    amount_minor: _Positive
    """How much to debit."""
    currency: Currency
    """Of the amount."""
    order_ids: list[str]
    """The orders it is for."""
    due_on: _Date
    """Due date of what is debited."""
    attempt: _Positive
    """1 for the first attempt."""
    reason: Literal["trial_ended", "due", "kept", "retry"]
    """Why now."""


@_documented
class AutoDebitCancelled(OutputMessage):
    """A requested debit is not wanted any more; if it succeeds all the same, its money is an over-payment."""

    account_id: str
    """The buyer's account; also the record's key."""
    debit_id: str
    """Of `auto_debit.requested`."""
    reason: Annotated[
        str,
        Field(
            description="Why: `repaid`, `customer_credit`, `return_requested`, `returned`, `amount_lowered`, "
            "`cancelled`, `credited`, `extended`, `bill_instalment`, `cash_out_failed`, `penalty_waived`, "
            "`rescheduled`, `charged_off`, `repayment_reversed`."
        ),
    ]


@_documented
class LimitReleased(OutputMessage):
    """Limit that was promised or used is available again."""

    account_id: str
    """The buyer's account; also the record's key."""
    order_id: NotRequired[str]
    """The order it was used for; left out where there is none."""
    amount_minor: _Positive
    """How much."""
    currency: Currency
    """Of the amounts."""
    reason: Literal["cancelled", "amount_lowered", "returned", "repaid", "credited"]
    """Why."""
    available_minor: int
    """Available after it; negative when the limit was lowered below what is used."""
    limit_minor: int
    """The limit after it."""


@_documented
class LimitReclaimed(OutputMessage):
    """The platform took limit back."""

    account_id: str
    """The buyer's account; also the record's key."""
    amount_minor: _Positive
    """How much."""
    currency: Currency
    """Of the amounts."""
    reason: Literal["overdue", "limit_lowered", "closed"]
    """Why."""
    available_minor: int
    """Available after it; negative when the limit was lowered below what is used."""
    limit_minor: int
    """The limit after it."""


@_documented
class LimitRestored(OutputMessage):
    """Limit was given, given back, or can be used again."""

    account_id: str
    """The buyer's account; also the record's key."""
    amount_minor: _Positive
    """Rise of the limit or, when only a freeze ends, what is available."""
    currency: Currency
    """Of the amounts."""
    reason: Literal["cleared", "unfrozen", "appeal", "limit_raised"]
    """Why."""
    available_minor: int
    """Available after it."""
    limit_minor: int
    """The limit after it."""


@_documented
class NoticeText(TypedDict("NoticeText", {"zh-CN": str, "en": str})):
    """The text to send, ready to show, in both languages."""


@_documented
class NotificationRequested(OutputMessage):
    """Tell a person something."""

    notification_id: str
    """Names the notice; equal to `event_id`."""
    recipient_kind: Literal["account", "merchant", "operator"]
    """Who is told."""
    recipient_id: str
    """The account's or merchant's id, or the operators' mailbox."""
    template: str
    """Name of the text, `subject_event`."""
    params: dict[str, str | int | bool | list[str] | None]
    """What the text was filled with."""
    text: NoticeText
    """The text itself."""


@_documented
class PayoutRequested(OutputMessage):
    """Pay somebody out of the platform's account."""

    payout_id: str
    """Names the payout; pay each only once."""
    payee_kind: Literal["account", "merchant"]
    """Who is paid."""
    payee_id: str
    """The account's or merchant's id; also the record's key."""
    amount_minor: _Positive
    """How much."""
    currency: Currency
    """Of the amount."""
    route: Literal["card", "bank", "alipay", "wechat"]
    """How it is paid."""
    reason: Literal[
        "order_refund", "overpayment", "cash_out", "merchant_settlement", "deposit_refund", "shop_withdrawal"
    ]
    """What for."""


@_documented
class MerchantActivityRecorded(OutputMessage):
    """What one batch of an account lane means for one merchant. Internal: read by postpay's merchant lanes."""

    merchant_id: str
    """The merchant; also the record's key."""
    currency: Currency
    """Of the amount."""
    payable_minor: int
    """Captures less refunds; may be negative or 0."""
    after_sales: int
    """Change of the number of open returns."""


@_documented
class DeadLetterRecorded(OutputMessage):
    """An input record that can't be understood or settled."""

    topic: str
    """Where it was produced to, without prefix."""
    partition: int
    """Partition there."""
    offset: int
    """Offset there; with topic and partition it names the record."""
    reason: str
    """Reason code."""
    detail: str
    """What was expected, what came and where; no private data."""
    input_event_id: NotRequired[str]
    """Its event_id, where that could be read."""
    key_base64: NotRequired[str]
    """The record's key; left out when it has none, cut after 4096 bytes (as is this record's own key)."""
    value_bytes: int
    """Size of the record's value; 0 when it has none."""
    value_sha256: NotRequired[str]
    """SHA-256 of the record's value in hex; left out when it has none."""
    value_base64: NotRequired[str]
    """The record's value as it came, up to 64 KiB; larger ones are kept in Postgres only."""


OUTPUTS: dict[str, type] = {
    outputs.AutoDebitRequested.type: AutoDebitRequested,
    outputs.AutoDebitCancelled.type: AutoDebitCancelled,
    outputs.LimitReleased.type: LimitReleased,
    outputs.LimitReclaimed.type: LimitReclaimed,
    outputs.LimitRestored.type: LimitRestored,
    outputs.NotificationRequested.type: NotificationRequested,
    outputs.PayoutRequested.type: PayoutRequested,
    outputs.MerchantActivityRecorded.type: MerchantActivityRecorded,
    "dead_letter.recorded": DeadLetterRecorded,
}
