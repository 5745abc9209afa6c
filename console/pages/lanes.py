"""*Lanes*: who has each, what it does and why, how far it is behind, and asking to accept that its input is lost."""

from collections.abc import Iterable, Mapping
from typing import Any

from console.access import Permission
from console.routes import Asked, AskedWronglyError, Done, Form, Page
from console.watch import Watch
from contracts.topics import LANE_TOPICS
from operating import approvals, gaps
from storage.approvals import ApprovalRequest
from storage.database import Connection
from storage.figures import LaneFigures
from storage.operator_log import Because
from workers.ops.lag import LaneLag, TopicLag
from workers.settings.model import Settings

LATE_S = 60.0
"""From then on settling is behind: docs/operations.md, What to alarm on."""


async def read(asked: Asked) -> Mapping[str, Any]:
    """Every lane."""
    watch = asked.watch
    return {
        "looked_at": watch.looked_at,
        "database_detail": watch.database_detail,
        "broker_detail": watch.broker_detail,
        "settled_per_s": watch.settled_per_s,
        "asks_workers": asked.settings.console.workers is not None,
        "lanes": [_lane(watch, figures) for figures in watch.figures],
        "workers": watch.workers,
        "topics": list(LANE_TOPICS),
    }


def _lane(watch: Watch, figures: LaneFigures) -> dict[str, Any]:
    lag = watch.lag
    topics = [] if lag is None else [each for each in lag.topics if each.lane == figures.lane]
    sending = None if lag is None else next((each for each in lag.lanes if each.lane == figures.lane), None)
    records = sum(each.records for each in topics)
    code, level, why = _state(watch, figures, topics, sending)
    return {
        "lane": figures.lane,
        "state": code,
        "level": level,
        "why": why,
        "owner": figures.owner,
        "epoch_number": figures.epoch,
        "behind_records": None if lag is None else records,
        "behind_s": max((each.seconds for each in topics), default=0.0),
        "clears_in_s": _clears_in_s(watch, records),
        "unsent_batches_count": 0 if sending is None else sending.batches,
        "unsent_s": 0.0 if sending is None else sending.seconds,
        "timers_due_count": figures.timers_due,
        "parked_count": figures.parked,
        "dead_letters_count": figures.dead_letters,
        "lane_time": figures.lane_time,
        "batch_seq": figures.batch_seq,
        "behind_topics": [each for each in topics if each.records or each.open_transaction_records],
        "positions": [{"topic": topic, "offset": offset} for topic, offset in figures.positions.items()],
    }


def _state(
    watch: Watch, figures: LaneFigures, topics: Iterable[TopicLag], sending: LaneLag | None
) -> tuple[str, str, tuple[str, ...]]:
    """What a lane does: as its worker says, or else as far as database and broker show it; and why."""
    for worker in watch.workers:
        said = worker.lanes.get(str(figures.lane))
        if said is not None and said != "running":
            why = tuple(each for each in worker.reasons if each.startswith(f"lane {figures.lane} "))
            return said, "bad" if said == "stopped" else "warn", why
    if figures.owner is None:
        return "no_owner", "bad", ()
    if watch.lag is None:
        return "unseen", "quiet", ()
    if any(each.open_transaction_records for each in topics):
        return "held_back", "warn", ()
    if any(each.seconds > LATE_S for each in topics):
        return "behind", "warn", ()
    if sending is not None and sending.seconds > LATE_S:
        return "unsent", "bad", ()
    if any(each.records for each in topics) or (sending is not None and (sending.batches or sending.timers_due)):
        return "settling", "note", ()
    return "settled", "good", ()


def _clears_in_s(watch: Watch, records: int) -> float | None:
    """At the pace of late, shared by all lanes in proportion to what they have to do."""
    if records == 0:
        return 0.0
    pace = watch.settled_per_s
    if not pace or watch.lag is None:
        return None
    return sum(each.records for each in watch.lag.topics) / pace


async def ask_to_accept_gap(asked: Asked) -> Done:
    """Ask a second person to let a lane go on at an offset.

    Raises:
        ActionRefusedError: it could not be done anyhow, or there is no reason.
    """
    query = asked.query
    try:
        lane, offset = int(query.get("lane", "")), int(query.get("offset", ""))
    except ValueError as error:
        raise AskedWronglyError("expected a lane and an offset, each a whole number") from error
    topic = query.get("topic", "")
    because = asked.because()
    gap = await gaps.accept_gap(asked.connection, lane, topic, offset, because, dry_run=True)
    document = {"lane": lane, "topic": topic, "next_offset": offset, "offset_before": gap.offset_before}
    request = await approvals.ask(asked.connection, "accept_gap", f"{topic}/{lane}", document, because)
    return Done({"request": request}, to="/approvals", notice="asked_for_approval")


async def accept_gap(
    connection: Connection, _settings: Settings, request: ApprovalRequest, because: Because
) -> Mapping[str, Any]:
    """What was asked for, approved."""
    document = request.document
    gap = await gaps.accept_gap(
        connection,
        document["lane"],
        document["topic"],
        document["next_offset"],
        because,
        seen_at=document["offset_before"],
    )
    return {"offset_before": gap.offset_before, "next_offset": gap.next_offset}


PAGE = Page("lanes", "/lanes", read, is_live=True)
FORM = Form("accept_gap", "/lanes/accept-gap", ask_to_accept_gap, Permission.REQUEST)
