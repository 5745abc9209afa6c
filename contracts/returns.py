"""Messages of topic `return-inspection`: goods that are sent back. Source: docs/messages.md."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.fields import AmountMinor, Currency, Id, LongText, OptionalText, Text, Uris
from contracts.message import AccountMessage
from contracts.records import RefusalError
from settlement import messages
from settlement.dead_letter import DeadLetterReason


class ReturnRequested(AccountMessage):
    """The buyer wants to send back an order, or a part of it."""

    type: Literal["return.requested"]
    return_id: Id
    """The return this message makes."""
    order_id: Id
    """What is sent back."""
    amount_minor: AmountMinor
    """How much of the order's amount."""
    currency: Currency
    """The order's."""
    reason: Literal["no_longer_wanted", "quality_issue", "other"]
    """Why."""
    evidence: Uris | None = ()
    """Where photos and the like can be found; a quality issue needs some. Kept, never shown in logs."""
    description: OptionalText | None = None
    """The buyer's words; kept, never shown in logs."""

    def body(self) -> messages.ReturnRequested:
        """Translate to the domain."""
        return messages.ReturnRequested(
            self.return_id,
            self.order_id,
            self.amount_minor,
            self.currency,
            self.reason,
            self.evidence or (),
            self.description,
        )


class ReturnReviewed(AccountMessage):
    """The platform looked into a quality issue."""

    type: Literal["return.reviewed"]
    return_id: Id
    """The return."""
    outcome: Literal["approved", "rejected"]
    """Approved: the parcel may be sent, or it is refunded at once where the programme needs no inspection."""
    opinion: LongText
    """Handling opinion; sent to the buyer when rejected, never shown in logs."""

    def body(self) -> messages.ReturnReviewed:
        """Translate to the domain."""
        return messages.ReturnReviewed(self.return_id, self.outcome, self.opinion)


class ReturnWithdrawn(AccountMessage):
    """The buyer keeps the goods after all."""

    type: Literal["return.withdrawn"]
    return_id: Id
    """The return."""

    def body(self) -> messages.ReturnWithdrawn:
        """Translate to the domain."""
        return messages.ReturnWithdrawn(self.return_id)


class ParcelInspected(AccountMessage):
    """The returned parcel was opened in front of the courier."""

    type: Literal["return.parcel_inspected"]
    return_id: Id
    """The return the parcel belongs to."""
    condition: Literal["intact", "damaged"]
    """Intact: signed for. Damaged: refused."""
    damage: Annotated[tuple[Literal["water", "outer_box", "other"], ...], Field(max_length=10)] | None = ()
    """What is damaged; only of a damaged parcel."""
    photos: Uris | None = ()
    """Where the photos can be found; at least one of a damaged parcel. Never shown in logs."""
    inspected_by: Text
    """Who inspected it; never shown in logs."""

    def body(self) -> messages.ParcelInspected:
        """Translate to the domain.

        Raises:
            RefusalError: damaged without photos, or intact with damage.
        """
        if self.condition == "damaged" and not self.photos:
            raise RefusalError(
                DeadLetterReason.MISSING_FIELD, "photos: expected at least one URI of a damaged parcel, got none"
            )
        if self.condition == "intact" and self.damage:
            raise RefusalError(
                DeadLetterReason.WRONG_FIELD, f"damage: expected none of an intact parcel, got {', '.join(self.damage)}"
            )
        return messages.ParcelInspected(
            self.return_id, self.condition, self.damage or (), self.photos or (), self.inspected_by
        )
