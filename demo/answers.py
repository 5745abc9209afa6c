"""What other services, the buyers and the shops answer to what postpay says, kept until it is delivered."""

from datetime import datetime

from contracts.topics import Topic
from demo.bank import Bank
from demo.gateway import Gateway
from demo.recipients import Recipients
from demo.record import Record
from demo.shopkeepers import Shopkeepers

HEARD_TOPICS = (Topic.AUTO_DEBIT, Topic.NOTIFICATION, Topic.PAYOUT)


class Answers:
    """The records of the gateway, the bank, the buyers and the shops, from a seed."""

    def __init__(self, seed: int) -> None:
        self.gateway = Gateway(seed)
        self.recipients = Recipients(seed)
        self.bank = Bank(seed)
        self.shopkeepers = Shopkeepers(seed)
        self._waiting: list[Record] = []

    def hear(self, topic: str, value: bytes) -> None:
        """Take note of one message of HEARD_TOPICS."""
        if topic == Topic.AUTO_DEBIT:
            self._waiting += self.gateway.answer(value)
        elif topic == Topic.NOTIFICATION:
            self._waiting += self.recipients.answer(value)
            self._waiting += self.shopkeepers.answer(value)
        elif topic == Topic.PAYOUT:
            self._waiting += self.bank.answer(value)

    def due(self, until: datetime) -> list[Record]:
        """Hand over what is delivered before an instant, in order of delivery."""
        due = [each for each in self._waiting if each.delivered_at < until]
        self._waiting = [each for each in self._waiting if each.delivered_at >= until]
        return sorted(due, key=lambda each: each.delivered_at)
