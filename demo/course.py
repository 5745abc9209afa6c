"""The course of a party's quarter, line by line: what it was told, and what came by itself when its time came."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cli.output import BUSINESS_ZONE, counted, money
from demo.words import HAPPENED, movements
from storage import views
from storage.database import Connection

Story = Mapping[str, Any]
Message = Mapping[str, Any]

LINES_AT_MOST = 60
LATE = timedelta(days=1)

ASKED = {"auto_debit.requested", "auto_debit.cancelled"}
PENALTY_ONLY = {"penalty_charged"}

QUOTED = frozenset(
    {
        "appeal_rejected",
        "appeal_upheld",
        "bill_instalment_granted",
        "closing_granted",
        "extension_granted",
        "limit_reclaimed",
        "limit_restored",
        "parcel_refused",
        "payment_overdue",
        "payoff_insufficient",
        "payoff_received",
        "return_rejected",
    }
)
"""Notices that say more of an input than what moved."""


@dataclass(frozen=True, slots=True)
class Happening:
    """What came by itself at one instant: debits, notices, money paid out."""

    at: datetime
    messages: Sequence[Message]

    @property
    def is_a_penalty(self) -> bool:
        """Whether it is nothing else: such instants follow each other day by day."""
        return {each.get("template", "") for each in self.messages} == PENALTY_ONLY


async def course(
    connection: Connection, party_id: str, story: Story, messages: Iterable[Message]
) -> AsyncIterator[str]:
    """Tell inputs by the database and what came between them by the output topics.

    Args:
        connection: to the database.
        party_id: an account's or merchant's id.
        story: its own, of `storage.views`.
        messages: all that was sent about it.
    """
    of_inputs: dict[str, list[Message]] = {each["event_id"]: [] for each in story["history"]}
    by_themselves: list[Message] = []
    for each in messages:
        of_inputs.get(each["causation_id"], by_themselves).append(each)
    timed = [(each.at, each) for each in happenings(by_themselves)]
    told = [(each["decided_at"], each) for each in story["history"]]
    steps: list[tuple[datetime, Happening | Story]] = sorted([*timed, *told], key=lambda step: step[0])
    for _, step in steps[:LINES_AT_MOST]:
        if isinstance(step, Happening):
            yield f"  {instant(step.at)}  · {'; '.join(said(step.messages))}"
        else:
            decision = await views.decision_story(connection, step["topic"], step["event_id"], party_id)
            yield sentence(step, decision or {}, of_inputs[step["event_id"]], story["currency"])
    if len(steps) > LINES_AT_MOST:
        yield f"… and {counted(len(steps) - LINES_AT_MOST, 'step')} more."


def happenings(messages: Iterable[Message]) -> Iterator[Happening]:
    """Group what came by itself by instant; penalties that follow each other make one happening."""
    at_once: dict[datetime, list[Message]] = {}
    for each in messages:
        if any(said([each])):
            at_once.setdefault(datetime.fromisoformat(each["occurred_at"]), []).append(each)
    row: list[Happening] = []
    for happening in (Happening(at, at_once[at]) for at in sorted(at_once)):
        if row and not (happening.is_a_penalty and happening.at - row[-1].at <= timedelta(days=1)):
            yield _joined(row)
            row = []
        if happening.is_a_penalty:
            row.append(happening)
        else:
            yield happening
    if row:
        yield _joined(row)


def sentence(each: Story, decision: Story, messages: Iterable[Message], currency: str | None) -> str:
    """One input in words: when it happened, what, and what followed or why not."""
    what = HAPPENED.get(each["type"]) or str(each["type"])
    happened_at = decision.get("occurred_at") or each["decided_at"]
    words = [f"  {instant(happened_at)}  {what[0].upper()}{what[1:]}"]
    if each["decided_at"] - happened_at > LATE:
        words.append(f" (told on {instant(each['decided_at'])})")
    if each["outcome"] == "declined":
        reasons = decision.get("reasons") or [each["reason"]]
        words.append(f": declined, {', '.join(reason.replace('_', ' ') for reason in reasons)}")
    else:
        told = [each for each in messages if each["type"] in ASKED or each.get("template") in QUOTED]
        if followed := [*movements(decision.get("postings", ()), currency), *said(told)]:
            words.append(f": {', '.join(followed)}")
    repeats = decision.get("repeats", ())
    if repeats:
        outcomes = ", ".join(sorted({repeat["outcome"] for repeat in repeats}))
        words.append(f" (came {counted(len(repeats), 'more time')}: {outcomes})")
    text = "".join(words)
    return text if text.endswith('."') else f"{text}."


def said(messages: Iterable[Message]) -> Iterator[str]:
    """Outputs in words; what became of the limit is told by notices and movements."""
    for each in messages:
        match each["type"]:
            case "auto_debit.requested":
                yield f"the card is to be debited {_amount(each)}, attempt {each['attempt']}"
            case "auto_debit.cancelled":
                yield "the debit is called off"
            case "notification.requested":
                yield f'"{each["text"]["en"]}"'
            case "payout.requested":
                yield f"{_amount(each)} is paid out"
            case "limit.released":
                yield f"{_amount(each)} of the limit is free again"


def instant(at: datetime) -> str:
    """A moment in Shanghai."""
    return at.astimezone(BUSINESS_ZONE).strftime("%d %b %H:%M")


def _joined(row: Sequence[Happening]) -> Happening:
    if len(row) == 1:
        return row[0]
    total = sum(each.messages[0]["params"]["amount_minor"] for each in row)
    currency = row[0].messages[0]["params"]["currency"]
    text = f"A penalty at each 00:00 until {instant(row[-1].at)[:6]}, {money(total, currency)} in all."
    return Happening(row[0].at, [{"type": "notification.requested", "template": "", "text": {"en": text}}])


def _amount(message: Message) -> str:
    return money(message["amount_minor"], message["currency"])
