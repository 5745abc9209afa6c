"""What a lane came to, as rows: the tables of the database that say what is there now."""

from collections.abc import Iterable

from settlement.party import Party
from storage.bulk import LaneCopy
from workers.replay.lane_replay import LaneReplay
from workers.replay.packing import PartyTables


async def copy_end(
    copy: LaneCopy, replay: LaneReplay, parties: Iterable[tuple[Party, PartyTables]] | None = None
) -> None:
    """Copy the rows of a lane as they are after the last batch that was kept, all but those of the lane's own table.

    Args:
        copy: of the lane, whose tables hold nothing of it yet.
        replay: nothing else may be asked of it meanwhile.
        parties: whose rows; None: everybody's.
    """
    tables, totals = replay.tables, replay.tables.totals
    await _entities(copy, tables.own)
    for party, of_party in tables.parties() if parties is None else parties:
        await _entities(copy, of_party)
        parked = [(*replay.arrived[event_hash], each) for event_hash, each in of_party.parked.items()]
        await copy.waiting(party, parked, of_party.timers.values(), of_party.declined)
    await copy.totals(totals.platform, totals.activity, replay.positions, totals.settled)
    await copy.flush()


async def _entities(copy: LaneCopy, tables: PartyTables) -> None:
    for kind, rows in tables.entities.items():
        await copy.entities(kind, rows.values())
