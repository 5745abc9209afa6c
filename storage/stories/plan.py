"""How orders are paid later, as it is told of orders and of shops."""

from dataclasses import dataclass

from settlement.entities import PlanKind
from storage.stories.story import Story


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStory(Story):
    """How an order is paid later; days or periods where its kind has any."""

    kind: PlanKind
    days: int | None = None
    periods: int | None = None
