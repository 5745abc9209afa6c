"""Whom money concerns: a buyer's pay-later account or a merchant. Every party lives on exactly one lane."""

from enum import StrEnum

from settlement.values import dataclass


class PartyKind(StrEnum):
    """The two kinds of party; the key of a message is the id of one of them."""

    ACCOUNT = "account"
    MERCHANT = "merchant"


@dataclass(frozen=True, slots=True, order=True)
class Party:
    """A buyer's account or a merchant, by the id its messages are keyed with."""

    kind: PartyKind
    id: str

    def __hash__(self) -> int:
        """By the id alone: a message's party is looked up a dozen times, and few share an id."""
        return hash(self.id)
