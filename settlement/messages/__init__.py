"""Input messages as the core sees them: validated, translated, with their provenance.

Field meanings are those of docs/messages.md. One body class per message type.
"""

from datetime import datetime

from settlement.messages.account import (
    AccountBody,
    AmountLowered,
    AppealDecided,
    BillInstalmentRequested,
    CardLinked,
    CardUnlinked,
    CashOutRequested,
    CloseRequested,
    CreditLineOpened,
    DebitRequested,
    DebtChargedOff,
    DebtRescheduled,
    ExtensionRequested,
    IdentityVerified,
    LimitChanged,
    LineFrozen,
    LineUnfrozen,
    ParcelInspected,
    PenaltyWaived,
    Plan,
    PurchaseCancelled,
    PurchaseCredited,
    PurchaseKept,
    PurchasePlaced,
    PurchaseReceived,
    RepaymentFailed,
    RepaymentReceived,
    RepaymentReinstated,
    RepaymentReversed,
    ReturnRequested,
    ReturnReviewed,
    ReturnWithdrawn,
    ScoreChanged,
    SuspenseReleased,
    UnfreezeRequested,
)
from settlement.messages.lane import (
    ClockTicked,
    LaneBody,
    PayoutBody,
    PayoutFailed,
    PayoutSucceeded,
    ShopSettingsChanged,
    TermsPublished,
)
from settlement.messages.merchant import (
    CaseClosed,
    CaseOpened,
    DepositPaid,
    DepositRefundRequested,
    DepositRefundReviewed,
    DepositRefundWithdrawn,
    MerchantActivity,
    MerchantBody,
    MerchantRegistered,
    SettlementCycleChanged,
    ShopWithdrawalRequested,
)
from settlement.party import Party
from settlement.values import dataclass

__all__ = [
    "AccountBody",
    "AmountLowered",
    "AppealDecided",
    "BillInstalmentRequested",
    "Body",
    "CardLinked",
    "CardUnlinked",
    "CaseClosed",
    "CaseOpened",
    "CashOutRequested",
    "ClockTicked",
    "CloseRequested",
    "CreditLineOpened",
    "DebitRequested",
    "DebtChargedOff",
    "DebtRescheduled",
    "DepositPaid",
    "DepositRefundRequested",
    "DepositRefundReviewed",
    "DepositRefundWithdrawn",
    "ExtensionRequested",
    "IdentityVerified",
    "Input",
    "LaneBody",
    "LimitChanged",
    "LineFrozen",
    "LineUnfrozen",
    "MerchantActivity",
    "MerchantBody",
    "MerchantRegistered",
    "ParcelInspected",
    "PayoutBody",
    "PayoutFailed",
    "PayoutSucceeded",
    "PenaltyWaived",
    "Plan",
    "PurchaseCancelled",
    "PurchaseCredited",
    "PurchaseKept",
    "PurchasePlaced",
    "PurchaseReceived",
    "RepaymentFailed",
    "RepaymentReceived",
    "RepaymentReinstated",
    "RepaymentReversed",
    "ReturnRequested",
    "ReturnReviewed",
    "ReturnWithdrawn",
    "ScoreChanged",
    "SettlementCycleChanged",
    "ShopSettingsChanged",
    "ShopWithdrawalRequested",
    "Source",
    "SuspenseReleased",
    "TermsPublished",
    "UnfreezeRequested",
]

Body = AccountBody | MerchantBody | PayoutBody | LaneBody


@dataclass(frozen=True, slots=True)
class Source:
    """The Kafka record an input came in: the topic it was produced to (without prefix), partition and offset there."""

    topic: str
    partition: int
    offset: int

    @property
    def name(self) -> str:
        """The position in one text."""
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Input:
    """One understood input record.

    `party` is None for `clock` and `terms`. `event_hash` is 16 bytes of (topic, key, event_id), `fingerprint` 16 bytes
    of the business content without event_id, occurred_at, version and source. `raw` is the record's value as it came.
    """

    source: Source
    party: Party | None
    event_id: str
    type: str
    occurred_at: datetime
    event_hash: bytes
    fingerprint: bytes
    body: Body
    raw: bytes
    traceparent: str | None = None
