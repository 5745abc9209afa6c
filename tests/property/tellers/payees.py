"""What there is to say of payouts, whoever is paid."""

from settlement.entities import AccountPayout, MerchantPayout, Payout
from settlement.messages import Body
from settlement.party import Party
from settlement.statuses import PayoutStatus
from tests.property.tellers.teller import Teller


class PayeeTeller(Teller):
    """Makes up results of payouts."""

    def payouts(self, party: Party) -> list[Payout]:
        return [*self.lane.rows(party, AccountPayout), *self.lane.rows(party, MerchantPayout)]

    def ripe(self, party: Party) -> list[str]:
        """Payouts to hear of: not the very moment they are asked for, where more comes of it later."""
        return [
            payout.payout_id
            for payout in self.payouts(party)
            if payout.status is PayoutStatus.REQUESTED and self.may_be_answered(party, payout)
        ]

    def may_be_answered(self, party: Party, payout: Payout) -> bool:
        return True

    def answering_payout(self, party: Party) -> Body:
        ripe, any_of_them = self.ripe(party), [payout.payout_id for payout in self.payouts(party)]
        if ripe and self.chance(8):
            return self.result(self.one(*ripe))
        return self.result(self.one(*any_of_them) if any_of_them and self.chance(9) else "no-such-payout")
