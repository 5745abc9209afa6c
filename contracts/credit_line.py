"""Messages of topic `credit-line`: a buyer's line of credit. Source: docs/messages.md."""

from typing import Literal

from contracts import instants
from contracts.fields import (
    AmountMinor,
    ApprovedBy,
    Currency,
    Day,
    Id,
    LimitMinor,
    LongText,
    Periods,
    ProgrammeName,
    ReschedulingPeriods,
    Score,
    Text,
)
from contracts.message import AccountMessage
from contracts.records import RefusalError
from settlement import messages
from settlement.dead_letter import DeadLetterReason

FreezeReason = Literal["risk_login", "security", "binding_changes", "credit_review", "manual"]


class CreditLineOpened(AccountMessage):
    """A buyer was granted a line of credit."""

    type: Literal["credit_line.opened"]
    programme: ProgrammeName
    """Whose terms the line has: a name that the terms know, of small letters, digits and `_`."""
    limit_minor: LimitMinor
    """What is granted."""
    currency: Currency
    """Of the account, for ever."""
    score: Score | None = None
    """Credit score; a programme that asks for one takes none as too low."""
    card_linked: bool | None = False
    """A card that can be debited is linked already."""
    identity_verified: bool | None = False
    """The buyer's identity is verified already."""

    def body(self) -> messages.CreditLineOpened:
        """Translate to the domain."""
        return messages.CreditLineOpened(
            self.programme,
            self.limit_minor,
            self.currency,
            self.score,
            card_linked=bool(self.card_linked),
            identity_verified=bool(self.identity_verified),
        )


class LimitChanged(AccountMessage):
    """The credit evaluation changed what is granted."""

    type: Literal["credit_line.limit_changed"]
    limit_minor: LimitMinor
    """What is granted from now on."""
    currency: Currency
    """The account's."""
    reason: Text
    """Free text for operators."""

    def body(self) -> messages.LimitChanged:
        """Translate to the domain."""
        return messages.LimitChanged(self.limit_minor, self.currency, self.reason)


class ScoreChanged(AccountMessage):
    """The credit score changed."""

    type: Literal["credit_line.score_changed"]
    score: Score
    """The new score."""

    def body(self) -> messages.ScoreChanged:
        """Translate to the domain."""
        return messages.ScoreChanged(self.score)


class CardLinked(AccountMessage):
    """The buyer linked a card that can be debited."""

    type: Literal["credit_line.card_linked"]

    def body(self) -> messages.CardLinked:
        """Translate to the domain."""
        return messages.CardLinked()


class CardUnlinked(AccountMessage):
    """No card is linked any more that can be debited."""

    type: Literal["credit_line.card_unlinked"]

    def body(self) -> messages.CardUnlinked:
        """Translate to the domain."""
        return messages.CardUnlinked()


class IdentityVerified(AccountMessage):
    """The buyer's identity was verified."""

    type: Literal["credit_line.identity_verified"]

    def body(self) -> messages.IdentityVerified:
        """Translate to the domain."""
        return messages.IdentityVerified()


class LineFrozen(AccountMessage):
    """The line may not be used for now."""

    type: Literal["credit_line.frozen"]
    reason: FreezeReason
    """Freezes of several reasons add up."""

    def body(self) -> messages.LineFrozen:
        """Translate to the domain."""
        return messages.LineFrozen(self.reason)


class LineUnfrozen(AccountMessage):
    """One reason to freeze the line is gone."""

    type: Literal["credit_line.unfrozen"]
    reason: FreezeReason
    """The reason that is gone."""

    def body(self) -> messages.LineUnfrozen:
        """Translate to the domain."""
        return messages.LineUnfrozen(self.reason)


class UnfreezeRequested(AccountMessage):
    """The buyer asks for the line to work again after something was overdue."""

    type: Literal["credit_line.unfreeze_requested"]

    def body(self) -> messages.UnfreezeRequested:
        """Translate to the domain."""
        return messages.UnfreezeRequested()


class AppealDecided(AccountMessage):
    """The platform decided an appeal of the buyer against a freeze."""

    type: Literal["credit_line.appeal_decided"]
    appeal_id: Id
    """The appeal."""
    outcome: Literal["upheld", "rejected"]
    """Upheld: `security`, `binding_changes` and `credit_review` end at once, a freeze for what was overdue with it."""
    opinion: LongText
    """Handling opinion; sent to the buyer, never shown in logs."""

    def body(self) -> messages.AppealDecided:
        """Translate to the domain."""
        return messages.AppealDecided(self.appeal_id, self.outcome, self.opinion)


class CashOutRequested(AccountMessage):
    """The buyer wants limit paid out to the card."""

    type: Literal["credit_line.cash_out_requested"]
    cash_out_id: Id
    """The cash-out this message makes."""
    amount_minor: AmountMinor
    """How much."""
    currency: Currency
    """The account's."""

    def body(self) -> messages.CashOutRequested:
        """Translate to the domain."""
        return messages.CashOutRequested(self.cash_out_id, self.amount_minor, self.currency)


class BillInstalmentRequested(AccountMessage):
    """The buyer wants to pay a bill in parts."""

    type: Literal["credit_line.bill_instalment_requested"]
    due_on: Day
    """Due date of the bill."""
    periods: Periods
    """Number of parts, the first with the next statement."""

    def body(self) -> messages.BillInstalmentRequested:
        """Translate to the domain.

        Raises:
            RefusalError: there is no such day.
        """
        try:
            due_on = instants.parse_date(self.due_on)
        except ValueError as error:
            raise RefusalError(
                DeadLetterReason.WRONG_FIELD,
                f'due_on: expected {instants.EXPECTED_DATE}, got "{self.due_on}" ({error})',
            ) from None
        return messages.BillInstalmentRequested(due_on, self.periods)


class CloseRequested(AccountMessage):
    """The buyer wants to give the line up."""

    type: Literal["credit_line.close_requested"]

    def body(self) -> messages.CloseRequested:
        """Translate to the domain."""
        return messages.CloseRequested()


class DebitRequested(AccountMessage):
    """The buyer, or an operator, wants what is due to be debited again."""

    type: Literal["credit_line.debit_requested"]

    def body(self) -> messages.DebitRequested:
        """Translate to the domain."""
        return messages.DebitRequested()


class PenaltyWaived(AccountMessage):
    """An operator waives penalties that are not paid yet, the oldest first."""

    type: Literal["penalty.waived"]
    waiver_id: Id
    """The waiver this message makes."""
    amount_minor: AmountMinor | None = None
    """How much; not given: all that is open."""
    currency: Currency
    """The account's."""
    reason: Text
    """Free text for operators."""
    approved_by: ApprovedBy
    """Who approved it; never shown in logs."""

    def body(self) -> messages.PenaltyWaived:
        """Translate to the domain."""
        return messages.PenaltyWaived(self.waiver_id, self.amount_minor, self.currency, self.reason, self.approved_by)


class DebtRescheduled(AccountMessage):
    """An operator lets the buyer pay all that is overdue in parts, without fee or further penalty."""

    type: Literal["debt.rescheduled"]
    plan_id: Id
    """The repayment plan this message makes."""
    periods: ReschedulingPeriods
    """Number of parts, the first with the next statement or, without statements, after 30 days."""
    reason: Text
    """Free text for operators."""
    approved_by: ApprovedBy
    """Who approved it; never shown in logs."""

    def body(self) -> messages.DebtRescheduled:
        """Translate to the domain."""
        return messages.DebtRescheduled(self.plan_id, self.periods, self.reason, self.approved_by)


class DebtChargedOff(AccountMessage):
    """An operator gives up all that is owed as a loss; the line is closed, money that comes later is counted."""

    type: Literal["debt.charged_off"]
    charge_off_id: Id
    """The charge-off this message makes."""
    reason: Text
    """Free text for operators."""
    approved_by: ApprovedBy
    """Who approved it; never shown in logs."""

    def body(self) -> messages.DebtChargedOff:
        """Translate to the domain."""
        return messages.DebtChargedOff(self.charge_off_id, self.reason, self.approved_by)
