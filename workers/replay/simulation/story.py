"""One of the two stories of a lane: decided batch after batch, beside the other, each with tables of its own."""

import sys
from collections.abc import Sequence
from datetime import datetime

from settlement.messages import ClockTicked, Input
from settlement.party import PartyKind
from settlement.values import revised
from workers.lanes.deciding import Decided, Decider, Standing
from workers.lanes.taken import Taken
from workers.replay.failures import NO_FAILURES, Failures
from workers.replay.tables import LaneTables


class LaneStory:
    """A lane under some terms.

    Args:
        decider: of the lane.
        standing: before its first batch.
        tables: empty.
    """

    def __init__(self, decider: Decider, standing: Standing, tables: LaneTables) -> None:
        self.decider = decider
        self.standing = standing
        self.tables = tables
        self.due_bound = b""
        """Up to where, in the index of timers, the last batch fired what was due."""

    async def decide(
        self,
        taken: Sequence[Taken],
        now: datetime,
        *,
        parties: int | None = None,
        bound: bytes | None = None,
        failures: Failures = NO_FAILURES,
    ) -> Decided:
        """Decide a batch, and change nothing but which timers count as fired. `keep` it, or decide with `again`.

        Args:
            taken: its records.
            now: its time.
            parties: fire the due timers of so many parties.
            bound: or of all before this place in the index of timers. None of both: all that are due.
            failures: what fails by a defect that was there.
        """
        if failures.decoding or failures.refused:
            taken = [failures.again(each) for each in taken]
        undecided = self.decider.sort_out(taken, self.standing, now)
        until = undecided.until or now
        if parties is not None:
            due = self.tables.due_parties(until, parties) if parties else []
        elif bound is not None:
            due = self.tables.due_before(bound)
        else:
            due = self.tables.due_parties(until, sys.maxsize)
        self.due_bound = self.tables.due_bound(until)
        return await self.decider.decide(undecided, due, self.tables.load, failures.deciding)

    async def again(self, decided: Decided, taken: Sequence[Taken], now: datetime, failures: Failures) -> Decided:
        """Decide the batch anew with other records."""
        undecided = self.decider.sort_out(taken, self.standing, now)
        return await self.decider.decide(undecided, decided.due, self.tables.load, failures.deciding)

    def keep(self, decided: Decided) -> None:
        """Take over what a batch has changed; the next one is decided on it."""
        self.tables.keep(decided)
        self.standing = decided.after


def only(kind: PartyKind, taken: Sequence[Taken], *, event_clock: bool) -> list[Taken]:
    """The records of a batch that concern parties of one kind, and the lane itself.

    Under the event clock inputs of the others still move time on, as ticks.
    """
    found: list[Taken] = []
    latest: datetime | None = None
    for each in taken:
        message = each.decoded
        if not isinstance(message, Input):
            continue
        if message.party is not None and message.party.kind is not kind:
            if not event_clock or (latest is not None and message.occurred_at <= latest):
                continue
            message = revised(message, party=None, type=ClockTicked.__name__, body=ClockTicked())
        found.append(Taken(each.record, message))
        latest = message.occurred_at if latest is None else max(latest, message.occurred_at)
    return found
