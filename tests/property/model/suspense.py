"""Money of accounts that nobody knows."""

from datetime import datetime

from settlement.messages import RepaymentReceived, RepaymentReversed
from settlement.party import Party
from tests.property.model.facts import APPLIED, CONFLICT, DUPLICATE, Facts, Verdict
from tests.property.model.repayments import REFERENCE_UNKNOWN, RepaymentRules


class SuspenseRules(RepaymentRules):
    """What waits in the suspense account of the lane, by the account it was meant for."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.suspense: dict[Party, Facts] = {}

    def suspense_of(self, party: Party) -> Facts:
        return self.suspense.setdefault(party, {})

    def put_in_suspense(self, party: Party, body, now: datetime) -> Verdict:
        known = self.told_in_suspense(party, body, now)
        if known:
            return known
        self.fired["money of an unknown account"] += 1
        self.suspense_of(party)[body.repayment_id] = {"body": body, "status": "held", "since": now}
        told = (body.repayment_id, body.amount_minor)
        self.notify({"party": party}, now, "suspense_received", *told, "to operators")
        return REFERENCE_UNKNOWN

    def told_in_suspense(self, party: Party, body, now: datetime) -> Verdict | None:
        """What becomes of a message about an unknown account whose money is here already."""
        held = self.suspense_of(party).get(getattr(body, "repayment_id", ""))
        if held is None:
            return None
        match body:
            case RepaymentReceived():
                return DUPLICATE if held["body"] == body else CONFLICT
            case RepaymentReversed():
                return self.take_out_of_suspense(party, body.repayment_id, "reversed", now)
        return None

    def on_suspense_released(self, party, body, now, at) -> Verdict:
        if body.suspense_id not in self.suspense_of(party):
            return self.unknown(party, "suspense", body.suspense_id)
        return self.take_out_of_suspense(party, body.suspense_id, "released", now)

    def take_out_of_suspense(self, party: Party, name: str, how: str, now: datetime) -> Verdict:
        """Once: released by an operator, or reversed by the bank."""
        held = self.suspense_of(party)[name]
        if held["status"] != "held":
            return DUPLICATE
        held["status"] = how
        told = (name, held["body"].amount_minor)
        self.notify({"party": party}, now, "suspense_released", *told, "to operators")
        self.fired[f"suspense {how}"] += 1
        return APPLIED
