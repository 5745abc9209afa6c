"""Messages of topic `payout-result`: what became of payouts. Source: docs/messages.md."""

from typing import Literal

from contracts.fields import Id, Text
from contracts.message import Message
from settlement import messages
from settlement.party import Party, PartyKind


class PayoutMessage(Message):
    """A message about a payout, keyed like it."""

    payout_id: Id
    """The payout, of `payout.requested`."""
    payee_kind: Literal["account", "merchant"]
    """As in `payout.requested`."""
    payee_id: Id
    """As in `payout.requested`; also the record's key."""

    def party(self) -> Party:
        """Who was to be paid."""
        return Party(PartyKind(self.payee_kind), self.payee_id)


class PayoutSucceeded(PayoutMessage):
    """The money has left."""

    type: Literal["payout.succeeded"]

    def body(self) -> messages.PayoutSucceeded:
        """Translate to the domain."""
        return messages.PayoutSucceeded(self.payout_id)


class PayoutFailed(PayoutMessage):
    """The money could not be paid, and never will be under this payout."""

    type: Literal["payout.failed"]
    reason: Text
    """Free text for operators."""

    def body(self) -> messages.PayoutFailed:
        """Translate to the domain."""
        return messages.PayoutFailed(self.payout_id, self.reason)
