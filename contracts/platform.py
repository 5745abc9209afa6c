"""Messages of topics `clock`, `terms` (the terms themselves) and `merchant-activity`. Source: docs/messages.md."""

import json
from typing import Annotated, Any, Literal

from pydantic import Field

from contracts.fields import Currency, Id
from contracts.message import MerchantMessage, Message
from settlement import messages
from settlement.totals import LARGEST_ACTIVITY_MINOR


class ClockTicked(Message):
    """Moves a lane's time on to `occurred_at` (event clock only)."""

    type: Literal["clock.ticked"]

    def body(self) -> messages.ClockTicked:
        """Translate to the domain."""
        return messages.ClockTicked()


class TermsPublished(Message):
    """New terms; a lane switches when it comes to this record."""

    type: Literal["terms.published"]
    terms: dict[str, Any]
    """The whole terms file as one object."""

    def content(self) -> dict[str, Any]:
        """The document in one spelling, whatever the order of its keys."""
        return {"terms": json.dumps(self.terms, sort_keys=True, separators=(",", ":")), "type": self.type}

    def body(self) -> messages.TermsPublished:
        """Translate to the domain."""
        return messages.TermsPublished(self.terms)


class MerchantActivityRecorded(MerchantMessage):
    """What one batch of an account lane means for one merchant. Internal: only postpay sends it."""

    type: Literal["merchant_activity.recorded"]
    causation_id: Id
    """The batch it sums up."""
    currency: Currency
    """Of the amount."""
    payable_minor: Annotated[int, Field(ge=-LARGEST_ACTIVITY_MINOR, le=LARGEST_ACTIVITY_MINOR)]
    """Captures less refunds; may be negative or 0."""
    after_sales: Annotated[int, Field(ge=-(10**6), le=10**6)]
    """Change of the number of open returns."""

    def body(self) -> messages.MerchantActivity:
        """Translate to the domain."""
        return messages.MerchantActivity(self.currency, self.payable_minor, self.after_sales)
