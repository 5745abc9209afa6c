"""What is told of accounts and merchants alike."""

from collections.abc import Iterator, Sequence

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


def told_history(history: Sequence[HistoryStory]) -> Iterator[RenderableType]:
    """Every message about a party, in the order of the decisions."""
    yield table(
        f"What happened ({counted(len(history), 'message')}, times of Asia/Shanghai)",
        ("decided", "message", "event", "outcome", "reason"),
        [(moment(each.decided_at), each.type, each.event_id, each.outcome, each.reason) for each in history],
    )
