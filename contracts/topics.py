"""Topic names without prefix, and who reads and writes them. Source: docs/messages.md, Topics."""

from enum import StrEnum

from settlement.party import PartyKind


class Topic(StrEnum):
    """Every topic of postpay; a prefix may be put before it (`POSTPAY_TOPICS__PREFIX`)."""

    PURCHASE = "purchase"
    RETURN_INSPECTION = "return-inspection"
    REPAYMENT = "repayment"
    DEPOSIT_REFUND_REQUEST = "deposit-refund-request"
    CREDIT_LINE = "credit-line"
    MERCHANT = "merchant"
    CLOCK = "clock"
    TERMS = "terms"
    REROUTED = "rerouted"
    MERCHANT_ACTIVITY = "merchant-activity"
    PAYOUT_RESULT = "payout-result"
    AUTO_DEBIT = "auto-debit"
    LIMIT_RELEASE = "limit-release"
    NOTIFICATION = "notification"
    PAYOUT = "payout"
    LANE_LOG = "lane-log"
    DEAD_LETTER = "dead-letter"


LANE_TOPICS = (
    Topic.TERMS,
    Topic.CLOCK,
    Topic.CREDIT_LINE,
    Topic.MERCHANT,
    Topic.PURCHASE,
    Topic.RETURN_INSPECTION,
    Topic.REPAYMENT,
    Topic.DEPOSIT_REFUND_REQUEST,
    Topic.REROUTED,
    Topic.MERCHANT_ACTIVITY,
    Topic.PAYOUT_RESULT,
)
"""Everything a lane consumes. The order decides between records of one instant, so it must never change: what others
depend on comes first (a line before its purchase, a purchase before its return), and what is new comes last."""

OUTPUT_TOPICS = (
    Topic.AUTO_DEBIT,
    Topic.LIMIT_RELEASE,
    Topic.NOTIFICATION,
    Topic.PAYOUT,
    Topic.LANE_LOG,
    Topic.DEAD_LETTER,
)
"""What postpay only writes; `rerouted` and `merchant-activity` it both writes and reads."""

BROADCAST_TOPICS = frozenset({Topic.CLOCK, Topic.TERMS})
"""Sent to every partition, with any key: they concern the lane, not a party."""

_PARTY_KINDS = {
    Topic.CREDIT_LINE: PartyKind.ACCOUNT,
    Topic.PURCHASE: PartyKind.ACCOUNT,
    Topic.RETURN_INSPECTION: PartyKind.ACCOUNT,
    Topic.REPAYMENT: PartyKind.ACCOUNT,
    Topic.MERCHANT: PartyKind.MERCHANT,
    Topic.DEPOSIT_REFUND_REQUEST: PartyKind.MERCHANT,
    Topic.MERCHANT_ACTIVITY: PartyKind.MERCHANT,
}


def party_kind(topic: str) -> PartyKind | None:
    """Whose id keys an input topic; None for topics of no party, or whose records tell it themselves.

    The latter are `rerouted` and `payout-result`.
    """
    try:
        return _PARTY_KINDS.get(Topic(topic))
    except ValueError:
        return None
