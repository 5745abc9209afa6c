"""*Now*: whether all is settled, or what is wrong and where to look."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from console import alarms
from console.routes import Asked, Page
from console.watch import Watch
from storage.dead_letters import open_count

MOST_POINTS = 360
"""Of a chart: one a minute."""
OLD = timedelta(minutes=2)


async def read(asked: Asked) -> Mapping[str, Any]:
    """What an operator sees first: one verdict, the alarms that are on, and the last hours."""
    watch = asked.watch
    active = [*alarms.active(watch)]
    open_letters = await open_count(asked.connection)
    samples = list(watch.samples)
    every = max(1, len(samples) // MOST_POINTS)
    return {
        "verdict": _verdict(watch, active, open_letters),
        "alarms": active,
        "looked_at": watch.looked_at,
        "now_at": watch.now,
        "lag": {
            "records": samples[-1].records if samples else None,
            "age_s": round(samples[-1].seconds, 1) if samples else None,
            "batches": samples[-1].batches if samples else None,
            "settled_per_s": watch.settled_per_s,
        },
        "waiting": {
            "dead_letters": open_letters,
            "parked": sum(each.parked for each in watch.figures),
            "open_payouts": sum(each.open_payouts for each in watch.figures),
            "open_debits": sum(each.open_debits for each in watch.figures),
        },
        "samples": [*samples[::-1][::every]][::-1],
        "minutes": [
            {"minute_at": at, "records": minute.records, "outputs": minute.outputs}
            for at, minute in sorted(watch.minutes.items())
        ],
    }


def _verdict(watch: Watch, active: list[alarms.ActiveAlarm], open_letters: int) -> dict[str, Any]:
    """The one sentence, as a code with its figures; what is worse goes before what is not."""
    if watch.looked_at is None:
        return {"code": "looking", "level": "quiet"}
    if active:
        worst = "bad" if any(each.severity == "bad" for each in active) else "warn"
        return {"code": "alarms", "level": worst, "count": len(active)}
    if watch.database_detail or watch.broker_detail or watch.lag is None or _is_old(watch.looked_at):
        return {"code": "unseen", "level": "warn"}
    if not watch.lag.caught_up:
        records = sum(each.records for each in watch.lag.topics)
        return {"code": "settling", "level": "note", "count": records}
    if open_letters:
        return {"code": "waiting", "level": "warn", "count": open_letters}
    return {"code": "settled", "level": "good"}


def _is_old(looked_at: datetime) -> bool:
    """The watcher has not come round for long: what it saw is no news."""
    return datetime.now(UTC) - looked_at > OLD


PAGE = Page("now", "/", read, is_live=True)
