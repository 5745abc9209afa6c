"""Lanes with an account that owes something, or is overdue."""

from settlement.messages import (
    PurchaseReceived,
)
from settlement.outputs import (
    NotificationRequested,
)
from tests.unit.settlement.builders import (
    RULES,
    Lane,
    deferred,
    lane_with_line,
    on_statement,
)


def lane_owing(*amounts_minor: int, programme: str = "kuaishou", rules=RULES) -> Lane:
    """A lane on which orders `a`, `b`, … of those amounts are due on 1, 2, … February 2026."""
    lane = lane_with_line(programme, rules=rules)
    for day, (order_id, amount_minor) in enumerate(zip("abcdef", amounts_minor, strict=False), start=2):
        lane.send(f"2026-01-{day:02}", deferred(order_id, amount_minor))
    for order_id, _ in zip("abcdef", amounts_minor, strict=False):
        lane.send("2026-01-09", PurchaseReceived(order_id))
    return lane


def lane_overdue(amount_minor: int = 10_000, until: str = "2026-02-02 00:00", **more) -> Lane:
    """A lane on which order `a`, due on 1 February, is overdue."""
    lane = lane_owing(amount_minor, **more)
    lane.tick(until)
    return lane


def lane_on_statement(programme: str, amount_minor: int = 10_000) -> Lane:
    """A lane on which one statement order is due on the 6th (douyin) or 10th (taobao) of February 2026."""
    lane = lane_with_line(programme)
    lane.send("2026-01-02", on_statement(amount_minor=amount_minor))
    lane.send("2026-01-05", PurchaseReceived("order"))
    return lane


def notice(lane: Lane, template: str) -> dict:
    (found,) = [body.params for body in lane.outputs(NotificationRequested) if body.template == template]
    return found
