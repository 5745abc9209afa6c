"""The course of a party's life, line by line: what it was told, and what came by itself when its time came."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from storage.stories.decision import DecisionStory
from storage.stories.party import HistoryStory
from words.phrases import counted, minute, money
from words.vocabulary import HAPPENED, movements

Message = Mapping[str, Any]
"""A message that postpay sent, shaped as docs/messages.md says."""

LATE = timedelta(days=1)

ASKED = {"auto_debit.requested", "auto_debit.cancelled"}
DECIDED = {"applied", "declined"}
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


@dataclass(frozen=True, slots=True)
class Heard:
    """A decided input of the party's history, and the messages that it caused."""

    entry: HistoryStory
    messages: Sequence[Message]

    @property
    def at(self) -> datetime:
        """When it was decided."""
        return self.entry.decided_at

    @property
    def event_id(self) -> str:
        """Of its message; only what was not understood may have none."""
        return self.entry.event_id or ""


def steps(history: Iterable[HistoryStory], messages: Iterable[Message]) -> list[Happening | Heard]:
    """Put a party's decided inputs, and what came between them, in the order of their instants.

    Args:
        history: its own, of its story; repetitions are told with what they repeat.
        messages: all that was sent about it, as in the output topics.
    """
    entries = [each for each in history if each.outcome in DECIDED]
    of_inputs: dict[str | None, list[Message]] = {each.event_id: [] for each in entries}
    by_themselves: list[Message] = []
    for each in messages:
        of_inputs.get(each["causation_id"], by_themselves).append(each)
    heard = [Heard(each, of_inputs[each.event_id]) for each in entries]
    return sorted([*happenings(by_themselves), *heard], key=lambda step: step.at)


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


def sentence(heard: Heard, decision: DecisionStory) -> str:
    """One input in words: when it happened, what, and what followed or why not."""
    entry = heard.entry
    what = HAPPENED.get(entry.type or "", entry.type or "")
    happened_at = decision.occurred_at or entry.decided_at
    words = [f"  {minute(happened_at)}  {what[0].upper()}{what[1:]}"]
    if entry.decided_at - happened_at > LATE:
        words.append(f" (told on {minute(entry.decided_at)})")
    if entry.outcome == "declined":
        reasons = ", ".join(reason.replace("_", " ") for reason in decision.reasons)
        words.append(f": declined, {reasons}")
    else:
        told = [each for each in heard.messages if each["type"] in ASKED or each.get("template") in QUOTED]
        if followed := [*movements(decision.postings), *said(told)]:
            words.append(f": {', '.join(followed)}")
    if decision.repeats:
        outcomes = ", ".join(sorted({repeat.outcome for repeat in decision.repeats}))
        words.append(f" (came {counted(len(decision.repeats), 'more time')}: {outcomes})")
    text = "".join(words)
    return text if text.endswith('."') else f"{text}."


def line(happening: Happening) -> str:
    """What came by itself at one instant."""
    return f"  {minute(happening.at)}  · {'; '.join(said(happening.messages))}"


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


def _joined(row: Sequence[Happening]) -> Happening:
    if len(row) == 1:
        return row[0]
    total = sum(each.messages[0]["params"]["amount_minor"] for each in row)
    currency = row[0].messages[0]["params"]["currency"]
    text = f"A penalty at each 00:00 until {minute(row[-1].at)[:6]}, {money(total, currency)} in all."
    return Happening(row[0].at, [{"type": "notification.requested", "template": "", "text": {"en": text}}])


def _amount(message: Message) -> str:
    return money(message["amount_minor"], message["currency"])
