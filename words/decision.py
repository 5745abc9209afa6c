"""The story of what became of a message in sentences and tables."""

from collections.abc import Iterator

from rich.console import RenderableType

from storage.stories.decision import DecisionStory
from words.phrases import counted, moment, money
from words.tables import table


def tell(story: DecisionStory) -> Iterator[RenderableType]:
    """The story in words and tables."""
    yield _sentence(story)
    yield (
        f"It is record {story.offset} of partition {story.partition} of {story.topic}, and happened"
        f" {moment(story.occurred_at) or 'at a time that could not be read'} (Asia/Shanghai)."
    )
    if story.detail:
        yield f"Detail: {story.detail}"
    if len(story.keys) > 1:
        others = ", ".join(str(key) for key in story.keys if key != story.party_id)
        yield f"The same event_id also came for {others}: see --key."
    yield ""
    if story.postings:
        yield table(
            counted(len(story.postings), "posting"),
            ("debit", "credit", "#amount"),
            [(each.debit, each.credit, money(each.amount_minor, each.currency)) for each in story.postings],
        )
    if story.outputs:
        yield table(
            counted(len(story.outputs), "output"),
            ("type", "event"),
            [(each.type, each.event_id) for each in story.outputs],
        )
    if story.repeats:
        yield table(
            f"It came again {counted(len(story.repeats), 'time')}",
            ("outcome", "decided", "#partition", "#offset"),
            [(each.outcome, moment(each.decided_at), each.partition, each.offset) for each in story.repeats],
        )


def _sentence(story: DecisionStory) -> str:
    what = f"{story.type or 'Message'} {story.event_id} of {story.party_id or 'nobody'}"
    when = moment(story.decided_at)
    match story.outcome:
        case "parked":
            return f"{what} was parked at {when}: it waits for {story.waits_for}."
        case "applied":
            return f"{what} was applied at {when}."
        case "duplicate":
            return f"{what} was a duplicate at {when}: its content was settled before, by another event."
        case "conflict":
            return f"{what} was a conflict at {when}: the id it takes is taken by other content."
        case outcome:
            reasons = ", ".join(story.reasons) or story.reason
            return f"{what} was {outcome.replace('_', '-')} at {when}: {reasons}."
