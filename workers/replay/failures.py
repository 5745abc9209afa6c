"""What of a lane failed by a defect when it was decided, as the database has it."""

from settlement.dead_letter import DeadLetterReason
from storage.database import Connection
from storage.recorded import SQL
from workers.lanes.taken import REFUSED
from workers.replay.lane import Failures


async def failures_of(connection: Connection, lane: int) -> dict[int, Failures]:
    """What failed by a defect, by batch. Such rows are few."""
    found: dict[int, Failures] = {}
    for row in await connection.fetch(SQL["failures"], lane, REFUSED):
        failures = found.setdefault(row["batch_seq"], Failures({}, {}, {}))
        name, detail = row["dead_letter_id"], row["detail"]
        if detail.startswith(REFUSED):
            failures.refused[name] = (DeadLetterReason(row["reason"]), detail)
        elif row["event_id"] is None and row["timer_id"] is None:
            failures.decoding[name] = detail
        else:
            failures.deciding[name] = detail
    return found
