"""One buyer's account: the chance that makes its life, and how the services write of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.topics import Topic
from demo.dice import Dice
from demo.quarter import Quarter
from demo.record import Record, record


@dataclass(frozen=True, slots=True)
class BuyerAccount:
    """An account of a programme; `merchants` is how many shops it can buy from."""

    account_id: str
    programme: str
    opened_at: datetime
    merchants: int
    quarter: Quarter
    dice: Dice

    def id_of(self, kind: str, no: int) -> str:
        """Id of the account's n-th order, cash-out, …."""
        return f"{self.account_id.replace('acc', kind)}-{no}"

    def line(self, kind: str, occurred_at: datetime, no: int = 1, /, **fields: Any) -> Record:
        """Write what becomes of the credit line; `no` tells messages of one kind apart."""
        event_id = f"{self.account_id}-{kind}" if no == 1 else f"{self.account_id}-{kind}-{no}"
        return record(Topic.CREDIT_LINE, self.account_id, event_id, f"credit_line.{kind}", occurred_at, **fields)

    def purchase(self, kind: str, occurred_at: datetime, order_id: str, /, **fields: Any) -> Record:
        """Write a step of an order."""
        event_id = f"{order_id}-{kind}"
        fields["order_id"] = order_id
        return record(Topic.PURCHASE, self.account_id, event_id, f"purchase.{kind}", occurred_at, **fields)

    def sent_back(self, kind: str, occurred_at: datetime, return_id: str, /, **fields: Any) -> Record:
        """Write a step of a return."""
        event_id = f"{return_id}-{kind}"
        fields["return_id"] = return_id
        return record(Topic.RETURN_INSPECTION, self.account_id, event_id, f"return.{kind}", occurred_at, **fields)

    def repayment(self, repayment_id: str, paid_at: datetime, amount_minor: int, /, **fields: Any) -> Record:
        """Write that money of the buyer arrived, by hand unless told otherwise."""
        given = {"purpose": "account", "channel": "manual"} | fields
        return record(
            Topic.REPAYMENT,
            self.account_id,
            f"{repayment_id}-received",
            "repayment.received",
            paid_at,
            repayment_id=repayment_id,
            amount_minor=amount_minor,
            currency="CNY",
            **given,
        )


def rounded_up(amount_minor: int, to_minor: int) -> int:
    """The next round sum, as people pay it."""
    return -(-amount_minor // to_minor) * to_minor
