"""One account's and one merchant's quarter in words, from nothing but what the database and the output topics tell."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from storage.database import Connection
from storage.stories.account import AccountStory, account_story
from storage.stories.decision import decision_story
from storage.stories.merchant import MerchantStory, merchant_story
from storage.stories.party import HistoryStory
from words.course import DECIDED, Happening, Message, line, sentence, steps
from words.phrases import counted
from words.prose import account_standing, debits, deposits, merchant_standing, order_in_words, other_debts

LOOKED_AT_MOST = 120
LINES_AT_MOST = 60
A_WAY_BACK = 8
"""How much more a story tells in which something was overdue and the line works again."""

PartyStory = TypeVar("PartyStory", AccountStory, MerchantStory)


@dataclass(frozen=True, slots=True)
class Told:
    """A party's story, line by line."""

    party_id: str
    lines: Sequence[str]


async def eventful_account(connection: Connection, candidates: Iterable[str]) -> AccountStory | None:
    """The most eventful of some accounts; None when none is known."""
    return await _most_eventful(connection, account_story, candidates)


async def eventful_merchant(connection: Connection, candidates: Iterable[str]) -> MerchantStory | None:
    """The most eventful of some merchants; None when none is known."""
    return await _most_eventful(connection, merchant_story, candidates)


async def account_in_words(
    connection: Connection, story: AccountStory, followed: Mapping[str, Iterable[Message]]
) -> Told:
    """An account from its opening to the end of the quarter; `followed` has all that was sent about it."""
    course = _course(connection, story.account_id, story.history, followed[story.account_id])
    lines = [
        *account_standing(story),
        *[line async for line in course],
        *(order_in_words(each, story.currency) for each in story.orders),
        *other_debts(story),
        *debits(story),
    ]
    return Told(story.account_id, lines)


async def merchant_in_words(
    connection: Connection, story: MerchantStory, followed: Mapping[str, Iterable[Message]]
) -> Told:
    """A merchant from its registration to the end of the quarter."""
    course = _course(connection, story.merchant_id, story.history, followed[story.merchant_id])
    return Told(story.merchant_id, [merchant_standing(story), *[line async for line in course], *deposits(story)])


def eventfulness(story: AccountStory | MerchantStory) -> int:
    """How many different things happened; a story too long to be read counts less."""
    decided = [each for each in story.history if each.outcome in DECIDED]
    kinds: set[tuple[str, str, str | None]] = {(each.type or "", each.outcome, each.reason) for each in decided}
    came_back = False
    if isinstance(story, AccountStory):
        kinds |= {("debit", each.status, None) for each in story.debits}
        kinds |= {("cash-out", "", None) for _ in story.cash_outs}
        kinds |= {("other debt", "", None) for _ in story.other_obligations}
        came_back = _was_overdue(story) and story.status == "active"
    else:
        kinds |= {("refund", each.status, None) for each in story.deposit_refunds}
    too_long = max(0, len(decided) - LINES_AT_MOST // 2)
    return len(kinds) + A_WAY_BACK * came_back - too_long


async def _most_eventful(
    connection: Connection,
    story_of: Callable[[Connection, str], Awaitable[PartyStory | None]],
    candidates: Iterable[str],
) -> PartyStory | None:
    stories = [await story_of(connection, each) for each in islice(candidates, LOOKED_AT_MOST)]
    return max((each for each in stories if each is not None), key=eventfulness, default=None)


def _was_overdue(story: AccountStory) -> bool:
    return any(part.penalty_minor for order in story.orders for part in order.obligations)


async def _course(
    connection: Connection, party_id: str, history: Iterable[HistoryStory], messages: Iterable[Message]
) -> AsyncIterator[str]:
    """Tell inputs by the database and what came between them by the output topics."""
    every = steps(history, messages)
    for step in every[:LINES_AT_MOST]:
        if isinstance(step, Happening):
            yield line(step)
        else:
            decision = await decision_story(connection, step.entry.topic, step.event_id, party_id)
            assert decision is not None, "what is in a history was decided"
            yield sentence(step, decision)
    if len(every) > LINES_AT_MOST:
        yield f"… and {counted(len(every) - LINES_AT_MOST, 'step')} more."
