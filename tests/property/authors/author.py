"""How a story is told: in phases that are shuffled, each apart, with ticks between them."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from random import Random

from settlement.entities import Payout
from settlement.messages import (
    Body,
    ClockTicked,
    Input,
    PayoutFailed,
    PayoutSucceeded,
)
from settlement.party import Party
from settlement.statuses import PayoutStatus
from settlement.timers import TimerKind
from tests.property.lane import Lane
from tests.property.standing import payout_facts, payout_kind
from tests.property.tellers.teller import START, message_of


class Author(ABC):
    """Tells one story of one party, knowing what becomes of it as told and as it arrives otherwise."""

    def __init__(self, dice: Random, party: Party) -> None:
        self.dice = dice
        self.party = party
        self.lane, self.other_lane = Lane(), Lane()
        self.now = START
        self.told: list[Input] = []
        self.otherwise: list[Input] = []
        self.phase: list[Input] = []
        self.made = 0

    def tell(self) -> None:
        """Tell it all."""
        self.begin()
        for _ in range(self.dice.randint(1, 3)):
            self.tick_to_due()
            self.go_on()
        self.tick(timedelta(days=60))

    @abstractmethod
    def begin(self) -> None:
        """Tell the first phase."""

    @abstractmethod
    def go_on(self) -> None:
        """Tell a later one."""

    def say(self, body: Body) -> None:
        self.now += timedelta(minutes=self.dice.randint(0, 20))
        party = None if isinstance(body, ClockTicked) else self.party
        message = message_of(body, party, self.now, f"e{self.made}", self.made)
        self.made += 1
        self.phase.append(message)
        self.lane.settle([message])

    def end_phase(self) -> None:
        """Have what was told since the last one told otherwise as well."""
        arrived = shuffled(self.dice, self.phase)
        self.told += self.phase
        self.otherwise += arrived
        self.phase = []
        for message in arrived:
            self.other_lane.settle([message])

    def tick(self, ahead: timedelta) -> None:
        """Move time on; nothing is shuffled across it."""
        self.end_phase()
        self.now += ahead
        self.say(ClockTicked())
        self.end_phase()

    def tick_to_due(self) -> None:
        """To an hour after the next due day, trial's end, retry or deposit payment, if there is one."""
        due = [
            timer.due_at
            for tables in self.lane.tables.values()
            for timer in tables.timers.values()
            if timer.kind is not TimerKind.PARKING_EXPIRY
        ]
        ahead = min(due) - self.now if due else timedelta(days=1)
        self.tick(ahead + timedelta(hours=1))

    # Payouts.

    def answerable(self) -> list[Payout]:
        """Payouts of earlier phases that are asked for however it was told."""
        kind = payout_kind(self.party)
        otherwise = {each.payout_id: payout_facts(each) for each in self.other_lane.rows(self.party, kind)}
        return [
            each
            for each in self.lane.rows(self.party, kind)
            if each.status is PayoutStatus.REQUESTED and otherwise.get(each.payout_id) == payout_facts(each)
        ]

    def hear_of_payouts(self, *, may_fail: bool) -> None:
        for payout in self.answerable():
            if self.dice.random() < 0.7:
                self.hear_of(payout, may_fail=may_fail)

    def hear_of(self, payout: Payout, *, may_fail: bool) -> None:
        if may_fail and self.dice.random() < 0.6:
            self.say(PayoutFailed(payout.payout_id, "closed"))
        else:
            self.say(PayoutSucceeded(payout.payout_id))


def shuffled(dice: Random, phase: Sequence[Input]) -> list[Input]:
    """Another order of arrival in which each topic keeps its own for every key."""
    queues: dict[tuple[str, Party | None], list[Input]] = defaultdict(list)
    for message in phase:
        queues[message.source.topic, message.party].append(message)
    arrived = []
    while queues:
        key = dice.choice(list(queues))
        arrived.append(queues[key].pop(0))
        if not queues[key]:
            del queues[key]
    return arrived
