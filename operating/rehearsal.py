"""What would become of messages if they came now: decided on the live state, in a transaction that only reads."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from operating.resending import Resending
from settlement.batch import Settled
from settlement.decision import InvariantBrokenError
from settlement.draft import Rules
from settlement.terms import TermsBook
from storage import lanes
from storage.database import Connection
from storage.lanes import LaneView
from workers.kafka.homes import home_of
from workers.lanes.deciding import Decided, Decider, Standing
from workers.lanes.taken import Taken
from workers.lanes.transaction import LiveTables
from workers.lanes.working_days import working_days
from workers.settings.model import Settings

ANY_TIME = datetime.min.replace(tzinfo=UTC)
"""Timers may be due: nobody here knows when the lane's next one is."""

STOPS_LANE = "stops_lane"
"""Instead of an outcome: postpay's own books would not balance, so the lane would stop. Report it, don't send it."""


@dataclass(frozen=True, slots=True)
class ForeseenPosting:
    """One movement that would be booked."""

    debit: str
    credit: str
    currency: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What would become of one message. `outputs` are types of messages; `wakes` event ids of what waits for it."""

    outcome: str
    reason: str | None = None
    reasons: tuple[str, ...] = ()
    detail: str | None = None
    waits_for: str | None = None
    postings: tuple[ForeseenPosting, ...] = ()
    outputs: tuple[str, ...] = ()
    wakes: tuple[str, ...] = ()


async def rehearse(connection: Connection, settings: Settings, resendings: Sequence[Resending]) -> list[Foreseen]:
    """Decide messages one after the other, each on what those before it would leave; nothing is written.

    Args:
        connection: outside a transaction; reading is enough.
        settings: lanes and clock.
        resendings: the messages, in their order.
    """
    foreseen: dict[int, Foreseen] = {}
    places: dict[int, list[int]] = defaultdict(list)
    for place, each in enumerate(resendings):
        places[each.lane].append(place)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        for lane, of_lane in places.items():
            stage = _Stage(connection, settings, lane)
            foreseen |= await stage.play({place: resendings[place] for place in of_lane})
    return [foreseen[place] for place in range(len(resendings))]


class _Stage:
    """One lane as it stands, to decide on."""

    def __init__(self, connection: Connection, settings: Settings, lane: int) -> None:
        self._connection = connection
        self._settings = settings
        self._lane = lane
        self._decider = Decider(lane, settings.lanes, event_clock=settings.clock == "event")

    async def play(self, resendings: dict[int, Resending]) -> dict[int, Foreseen]:
        """Decide messages given by their places; by these what would become of each."""
        view = await lanes.look(self._connection, self._lane)
        taken = {place: self._taken(place, each) for place, each in resendings.items()}
        try:
            decided = await self._decide(view, [*taken.values()])
        except InvariantBrokenError as broken:
            return dict.fromkeys(taken, Foreseen(STOPS_LANE, detail=str(broken)))
        away = {each.record.offset for each in decided.rerouted}
        foreseen = {
            place: self._foreseen(each, decided) for place, each in taken.items() if each.record.offset not in away
        }
        for place, each in resendings.items():
            if taken[place].record.offset in away and each.message.party is not None:
                home = home_of(each.message.party.id, self._settings.lanes)
                foreseen |= await _Stage(self._connection, self._settings, home).play({place: each})
        return foreseen

    def _taken(self, place: int, resending: Resending) -> Taken:
        """The record as if it stood in the topic, at an offset that no other has."""
        offset = -1 - place
        source = replace(resending.message.source, offset=offset)
        return Taken(resending.record._replace(offset=offset), replace(resending.message, source=source))

    async def _decide(self, view: LaneView, taken: Sequence[Taken]) -> Decided:
        claim = view.claim
        rules = Rules(TermsBook.parse(claim.terms_document), working_days())
        standing = Standing(claim.batch_seq, claim.chain_hash, claim.next_seq, claim.lane_time, rules, claim.totals)
        undecided = self._decider.sort_out(taken, standing, view.now)
        tables = LiveTables(self._connection, self._lane, ANY_TIME, self._settings.worker.timers_per_batch)
        return await self._decider.decide(undecided, (), tables.load)

    def _foreseen(self, taken: Taken, decided: Decided) -> Foreseen:
        results = list(decided.results)
        for number, settled in enumerate(results):
            if (
                settled.input is not None
                and settled.input.source.offset == taken.record.offset
                and not settled.was_parked
            ):
                return _told(settled, _woken(results[number + 1 :]))
        (letter,) = [each for each in decided.rejected if each.source and each.source.offset == taken.record.offset]
        return Foreseen("dead_lettered", letter.reason, (letter.reason,), letter.told)


def _told(settled: Settled, woken: Sequence[str]) -> Foreseen:
    decision, letter = settled.decision, settled.dead_letter
    return Foreseen(
        decision.outcome,
        decision.reason,
        tuple(decision.reasons),
        None if letter is None else letter.told,
        decision.waits_for,
        tuple(ForeseenPosting(each.debit, each.credit, each.currency, each.amount_minor) for each in decision.postings),
        tuple(output.body.type for output in decision.outputs),
        tuple(woken),
    )


def _woken(following: Sequence[Settled]) -> list[str]:
    """What had waited and is settled right after a message."""
    woken = []
    for settled in following:
        if settled.input is None or not settled.was_parked:
            break
        woken.append(settled.input.event_id)
    return woken
