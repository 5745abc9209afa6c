"""What is told of accounts and merchants alike."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import RenderableType

from storage.stories.party import HistoryStory, PayoutStory
from words.phrases import counted, moment, money
from words.tables import table


def told_payouts(payouts: Sequence[PayoutStory]) -> Iterator[RenderableType]:
    """What was paid out to a party, or was to be."""
    if payouts:
        yield table(
            counted(len(payouts), "payout"),
            ("payout", "for", "#amount", "route", "status", "requested", "answered"),
            [
                (
                    each.payout_id,
                    f"{each.reason} {each.source_id or ''}".strip(),
                    money(each.amount_minor, each.currency),
                    each.route,
                    each.status,
                    moment(each.requested_at),
                    moment(each.answered_at),
                )
                for each in payouts
            ],
        )


def told_history(history: Sequence[HistoryStory], archived_until: datetime | None = None) -> Iterator[RenderableType]:
    """Every message about a party, in the order of what became of them; duplicates are counted with what they repeat.

    Those of one event are told with its first outcome, others with the message before them. What was decided up to
    `archived_until` is not among them.
    """
    told: list[HistoryStory] = []
    repeats: Counter[int] = Counter()
    known: dict[tuple[str, str | None], int] = {}
    for each in history:
        if each.outcome == "duplicate" and told:
            repeats[known.get((each.topic, each.event_id), len(told) - 1)] += 1
            continue
        known.setdefault((each.topic, each.event_id), len(told))
        told.append(each)
    columns = ("decided", "message", "event", "outcome", "reason", *(["repeated"] if repeats else []))
    rows = [
        (moment(each.decided_at), each.type, each.event_id, each.outcome, _why(each), _repeated(repeats[place]))
        for place, each in enumerate(told)
    ]
    yield table(
        f"What happened ({counted(len(history), 'message')}, times of Asia/Shanghai)",
        columns,
        [row[: len(columns)] for row in rows],
    )
    if archived_until is not None:
        yield f"What was decided up to {moment(archived_until)} is archived: postpay archive list"


def _why(each: HistoryStory) -> str | None:
    if each.waits_for is None:
        return each.reason
    return f"waits for {each.waits_for} until {moment(each.until)}"


def _repeated(times: int) -> str:
    return counted(times, "time") if times else ""
