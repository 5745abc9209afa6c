"""What shops set for themselves, as the lane was told last."""

from tests.property.model.facts import Facts
from tests.property.model.obligations import ObligationRules


class ShopRules(ObligationRules):
    """Everything that comes by `terms` of shops, and what purchases ask of it."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.shops: dict[str, Facts] = {}

    def on_shop_settings_changed(self, body) -> None:
        self.shops[body.merchant_id] = body

    def shop_takes_part(self, placing) -> bool:
        shop = self.shops.get(placing.merchant_id)
        return shop is None or shop.enabled

    def shop_offers(self, merchant_id: str, plan) -> bool:
        shop = self.shops.get(merchant_id)
        return (
            shop is None
            or shop.plans is None
            or any(
                each.kind == plan.kind and each.days in (None, plan.days) and each.periods in (None, plan.periods)
                for each in shop.plans
            )
        )

    def above_shop_maximum(self, placing) -> bool:
        shop = self.shops.get(placing.merchant_id)
        return (
            shop is not None
            and shop.max_order_minor is not None
            and shop.currency == placing.currency
            and placing.amount_minor > shop.max_order_minor
        )
