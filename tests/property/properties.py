"""Properties of the core, as functions that raise when a history breaks them."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from random import Random

from settlement.decision import Outcome
from settlement.messages import Input
from settlement.party import Party, PartyKind
from tests.property.agreement import Duel, agree
from tests.property.lane import WORKING_DAYS, Lane, Tables, balances_of
from tests.property.standing import core_state

DAYS: frozenset[date] = frozenset().union(*WORKING_DAYS.values())

Outcomes = dict[Party | None, list[tuple]]


class CoreAndModelAgree:
    """Outcomes, reasons, times, outputs, balances and every entity are what the model says, after every input."""

    def __call__(self, history: Sequence[Input]) -> None:
        duel = Duel(DAYS, Lane())
        self.model = duel.model
        for message in history:
            duel.receive(message)
        duel.compare_what_is_shown()


class AnySplit:
    """However a history is cut into batches, and however little of a party is loaded, all comes out the same."""

    def __init__(self, dice_seed: int, *, whole: bool) -> None:
        self.dice_seed = dice_seed
        self.whole = whole

    def __call__(self, history: Sequence[Input]) -> None:
        one_by_one, otherwise = Lane(), Lane(whole=self.whole)
        for message in history:
            one_by_one.settle([message])
        for start, end in pairwise(self._cuts(len(history))):
            otherwise.settle(history[start:end])
        same(one_by_one, otherwise)

    def _cuts(self, length: int) -> list[int]:
        dice = Random(self.dice_seed)
        inner = sorted(dice.randint(0, length) for _ in range(dice.choice((0, 1, 3, length // 2))))
        return [0, *inner, length]


def same(lane: Lane, other: Lane) -> None:
    """Both lanes decided and remember the same, to the last id."""
    assert lane.time == other.time, "lane time"
    assert lane.told_merchants == other.told_merchants, "what merchants are told"
    decided, otherwise = everything_decided(lane), everything_decided(other)
    for party, tables in lane.tables.items():
        for one, two in zip(decided[party], otherwise[party], strict=False):
            assert one == two, f"decisions on {party}:\n  {one}\n  {two}"
        assert len(decided[party]) == len(otherwise[party]), f"number of decisions on {party}"
        for name in Tables.__dataclass_fields__:
            agree(f"{name} of {party}", dict_of(getattr(tables, name)), dict_of(getattr(other.tables[party], name)))


def dict_of(value: object) -> object:
    """Tables with rows are those that have any."""
    return {key: rows for key, rows in value.items() if rows} if isinstance(value, defaultdict) else value


def everything_decided(lane: Lane) -> Outcomes:
    """All decisions by party, in order."""
    decided: Outcomes = defaultdict(list)
    for each in lane.results:
        source = each.input or each.timer
        jumped = each.decision.reason == "time_jump"  # concerns no party: none of its timers fire before it
        party = source.party if source is not None and not jumped else None
        decided[party].append((source, each.decision, each.decided_at, each.was_parked))
    return decided


def sent_twice_changes_nothing(history: Sequence[Input]) -> None:
    """The whole history once more: every input a duplicate, or the conflict it was.

    Left out are event ids of which a record ended as dead letter: it leaves them free; and conflicts about a line that
    was closed later, which declines them.
    """
    lane = Lane()
    for message in history:
        lane.settle([message])
    before = {party: core_state(lane, party) for party in lane.tables if party is not None}
    postings = {party: list(tables.postings) for party, tables in lane.tables.items()}
    count = len(lane.results)
    closed = {party for party, state in before.items() if state.get("closed")}
    free = {
        each.input.event_hash
        for each in lane.results
        if each.input is not None
        and (
            each.decision.outcome is Outcome.DEAD_LETTERED
            or (each.decision.outcome is Outcome.CONFLICT and each.input.party in closed)
        )
    }
    for message in history:
        if message.event_hash not in free:
            lane.settle([message])
    for each in lane.results[count:]:
        what = each.input.event_id if each.input is not None else each.timer
        known = each.decision.outcome in (Outcome.DUPLICATE, Outcome.CONFLICT)
        assert known, f"sent again, it is settled: {what} {each.decision.outcome} {each.decision.reason}"
        assert not each.decision.outputs, f"sent again, it brings outputs: {what}"
    for party, state in before.items():
        agree(f"sent again: the state of {party.id}", core_state(lane, party), state)
        assert lane.tables[party].postings == postings[party], "sent again: postings"


class Converges:
    """Another order of arrival across topics comes to the same balances and the same orders."""

    def __init__(self, otherwise: Sequence[Input]) -> None:
        self.otherwise = otherwise

    def __call__(self, told: Sequence[Input]) -> None:
        left = {message.event_hash for message in told}
        first, second = Lane(), Lane()
        for message in told:
            first.settle([message])
        for message in self.otherwise:
            if message.event_hash in left:
                second.settle([message])
        for party, tables in first.tables.items():
            if party is not None:
                agree(
                    f"balances of {party.id}", balances_of(tables.postings), balances_of(second.tables[party].postings)
                )
                agree(f"what is left of {party.id}", lasting(first, party), lasting(second, party))
                agree(f"parked for {party.id}", sorted(tables.parked), sorted(second.tables[party].parked))
        assert first.told_merchants == second.told_merchants, "what merchants are told"


def lasting(lane: Lane, party: Party) -> dict:
    """What the order of arrival has no part in: not which debits were asked for on the way, nor when money went out."""
    state = core_state(lane, party)
    passing = {"debits", "obligations", "returns", "orders", "payouts"}
    left = {name: what for name, what in state.items() if name not in passing}
    left["returned"] = {order[0]: order[3] for order in state.get("orders", [])}
    if party.kind is PartyKind.MERCHANT:
        left["payouts"] = {name: payout[:2] for name, payout in state.get("payouts", {}).items()}
    return left
