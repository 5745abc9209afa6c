"""The history of a party as people read it."""

from datetime import UTC, datetime, timedelta

from cli.output import people
from storage.stories.party import HistoryStory
from words.party import told_history

AT = datetime(2026, 1, 1, 4, tzinfo=UTC)


def entry(event_id: str | None, outcome: str, reason: str | None = None, **more) -> HistoryStory:
    return HistoryStory(
        decided_at=AT,
        topic="purchase",
        event_id=event_id,
        type="purchase.placed",
        outcome=outcome,
        reason=reason,
        **more,
    )


def lines(capsys, *history: HistoryStory) -> list[str]:
    people().print(*told_history(history), sep="\n")
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()][2:]


def test_duplicates_are_counted_with_what_they_repeat(capsys):
    told = lines(
        capsys,
        entry("a", "applied"),
        entry("b", "declined", "overdue"),
        entry("a", "duplicate"),
        entry("a", "duplicate"),
        entry("of another event id", "duplicate"),
        entry("a", "conflict"),
    )
    assert told == [
        "2026-01-01 12:00:00 purchase.placed a applied 2 times",
        "2026-01-01 12:00:00 purchase.placed b declined overdue 1 time",
        "2026-01-01 12:00:00 purchase.placed a conflict",
    ]


def test_a_duplicate_that_is_told_first_stands_for_itself(capsys):
    assert lines(capsys, entry("a", "duplicate")) == ["2026-01-01 12:00:00 purchase.placed a duplicate"]


def test_what_waits_says_for_what_and_until_when(capsys):
    told = " ".join(lines(capsys, entry("a", "parked", waits_for="order:o", until=AT + timedelta(hours=72))))
    assert "a parked waits for order:o until 2026-01-04" in told


def test_a_dead_letter_without_an_event_id_is_told_as_well(capsys):
    assert lines(capsys, entry(None, "dead_lettered", "nul")) == [
        "2026-01-01 12:00:00 purchase.placed dead_lettered nul"
    ]
