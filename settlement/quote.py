"""What it takes to be rid of all that is owed at once. Source: docs/rules.md, Repayment."""

from collections.abc import Iterable
from datetime import date

from settlement.entities import Obligation


def unbilled_fee_minor(obligation: Obligation, today: date) -> int:
    """What is unpaid of a fee whose statement has not come: a payoff waives it."""
    if obligation.billed_on is None or obligation.billed_on <= today:
        return 0
    return obligation.open_fee_minor


def payoff_minor(obligations: Iterable[Obligation], today: date) -> int:
    """What a payoff of a date takes, of what is open now."""
    return sum(each.open_minor - unbilled_fee_minor(each, today) for each in obligations)
