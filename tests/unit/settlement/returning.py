"""Lanes with an order that may be returned."""

from settlement.messages import PurchaseReceived
from tests.unit.settlement.builders import (
    Lane,
    careful_rules,
    deferred,
    lane_with_line,
    opened,
    placed,
)


def lane_on_trial(amount_minor: int = 10_000) -> Lane:
    """A lane on which an order's trial runs from 5 to 12 January 2026."""
    lane = lane_with_line()
    lane.send("2026-01-02", placed(amount_minor=amount_minor, days=7))
    lane.send("2026-01-05", PurchaseReceived("order"))
    return lane


def lane_deferred_with_inspection() -> Lane:
    """A lane on which an inspected programme's order is owed, due on 1 February 2026."""
    lane = Lane(careful_rules())
    lane.send("2026-01-01", opened("careful"))
    lane.send("2026-01-02", deferred("order", 10_000))
    lane.send("2026-01-05", PurchaseReceived("order"))
    return lane
