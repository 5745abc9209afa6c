"""What debits ask for of an obligation, part by part. Source: docs/rules.md, Debits.

An obligation names the debits that ask for it, so that nothing is asked for twice and nothing is forgotten.
"""

from enum import StrEnum

from settlement.entities import Obligation
from settlement.parts import Parts
from settlement.values import dataclass


class AskState(StrEnum):
    """How a debit stands to an obligation it names."""

    STANDING = "standing"
    """Requested: what it asks for is asked for."""
    RETRY = "retry"
    """Failed, to be tried again: it stands for all that will be open then."""
    UNANSWERED = "unanswered"
    """Requested so long ago that others may ask for the same."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What one debit asks for of one obligation."""

    debit_id: str
    state: AskState
    parts: Parts

    @classmethod
    def parse(cls, text: str) -> "Ask":
        """Read what `str` wrote."""
        debit_id, state, *amounts = text.split()
        return cls(debit_id, AskState(state), Parts(*map(int, amounts)))

    def __str__(self) -> str:
        parts = self.parts
        return f"{self.debit_id} {self.state} {parts.penalty_minor} {parts.fee_minor} {parts.principal_minor}"


def asks_of(obligation: Obligation) -> list[Ask]:
    """The debits that ask for an obligation, in the order they were requested."""
    return [Ask.parse(text) for text in obligation.asks]


def open_parts(obligation: Obligation) -> Parts:
    """What is open of an obligation."""
    return Parts(obligation.open_penalty_minor, obligation.open_fee_minor, obligation.open_principal_minor)


def not_asked(obligation: Obligation, *, but_by: str = "") -> Parts:
    """What is open of an obligation less what standing debits ask for, but for one of them."""
    left = open_parts(obligation)
    for ask in asks_of(obligation):
        if ask.state is AskState.STANDING and ask.debit_id != but_by:
            left = left.less(ask.parts)
    return left


def uncovered(obligation: Obligation) -> Parts:
    """What a new debit would ask for of an obligation that is due.

    Nothing while a retry is pending, which will ask for all. Penalties wait while the principal is being asked for:
    they go into a debit only with principal or fee, or once no principal is open.
    """
    if not obligation.asks:
        return open_parts(obligation)
    if any(ask.state is AskState.RETRY for ask in asks_of(obligation)):
        return Parts()
    left = not_asked(obligation)
    if left.fee_minor or left.principal_minor or not obligation.open_principal_minor:
        return left
    return Parts()
