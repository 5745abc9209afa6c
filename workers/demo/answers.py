"""What other services and the buyers answer to what postpay says, kept until it is delivered."""

from datetime import datetime

from contracts.topics import Topic
from workers.demo.gateway import Gateway
from workers.demo.inbox import Inbox
from workers.demo.record import Record

HEARD_TOPICS = (Topic.AUTO_DEBIT, Topic.NOTIFICATION)


class Answers:
    """The gateway's and the buyers' records, from a seed."""

    def __init__(self, seed: int) -> None:
        self.gateway = Gateway(seed)
        self.inbox = Inbox(seed)
        self._waiting: list[Record] = []

    def hear(self, topic: str, value: bytes) -> None:
        """Take note of one message of HEARD_TOPICS."""
        if topic == Topic.AUTO_DEBIT:
            self._waiting += self.gateway.answer(value)
        elif topic == Topic.NOTIFICATION:
            self._waiting += self.inbox.answer(value)

    def due(self, until: datetime) -> list[Record]:
        """Hand over what is delivered before an instant, in order of delivery."""
        due = [each for each in self._waiting if each.delivered_at < until]
        self._waiting = [each for each in self._waiting if each.delivered_at >= until]
        return sorted(due, key=lambda each: each.delivered_at)
