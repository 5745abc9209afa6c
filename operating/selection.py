"""Which dead letters an action is about: some by their ids, or all that agree with a filter; step by step."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from operating.redriving import LETTERS_AT_ONCE
from operating.refusal import ActionRefusedError
from storage import dead_letters
from storage.database import Connection
from storage.dead_letters import KeptLetter
from storage.outcome_search import ANY, OutcomeFilter, PageEnd


@dataclass(frozen=True, slots=True)
class Selection:
    """Dead letters by ids or, without any, by what they must agree with; `until` is the last batch of each lane.

    What is dead-lettered after it was made is not in it, so sending its letters again does not add to it. With
    `is_open` a filter leaves out what is done with; `after` is where it goes on.
    """

    ids: Sequence[str]
    wanted: OutcomeFilter
    until: Sequence[int]
    limit: int
    is_open: bool | None = None
    after: PageEnd | None = None

    async def count(self, connection: Connection) -> int:
        """How many there are."""
        if self.ids:
            return len(self.ids)
        counted = await dead_letters.count_letters(connection, self.wanted, self.until, is_open=self.is_open)
        return min(self.limit, counted)

    async def steps(self, connection: Connection) -> AsyncIterator[list[KeptLetter]]:
        """The dead letters, a bounded number at a time: by filter the oldest first.

        Raises:
            ActionRefusedError: there is none of one of the ids.
        """
        if self.ids:
            for begin in range(0, len(self.ids), LETTERS_AT_ONCE):
                yield [await _of_id(connection, each) for each in self.ids[begin : begin + LETTERS_AT_ONCE]]
            return
        after, left = self.after, self.limit
        while left > 0:
            at_once = min(LETTERS_AT_ONCE, left)
            step = await dead_letters.oldest_letters(
                connection, self.wanted, self.until, is_open=self.is_open, limit=at_once, after=after
            )
            if not step:
                return
            yield step
            left -= len(step)
            after = step[-1].place


async def selection(
    connection: Connection,
    ids: Sequence[str],
    wanted: OutcomeFilter,
    limit: int | None = None,
    *,
    is_open: bool | None = None,
) -> Selection:
    """Select dead letters that are there by now.

    Raises:
        ActionRefusedError: neither ids nor a filter are given, or both: everything is never meant.
    """
    if bool(ids) is (wanted != ANY):
        raise ActionRefusedError("expected either ids of dead letters or a filter (--reason, --topic, --since …)")
    until = await dead_letters.batches(connection)
    return Selection([*dict.fromkeys(ids)], wanted, until, 2**31 - 1 if limit is None else limit, is_open)


async def _of_id(connection: Connection, dead_letter_id: str) -> KeptLetter:
    kept = await dead_letters.dead_letter(connection, dead_letter_id)
    if kept is None:
        raise ActionRefusedError(f"no dead letter {dead_letter_id!r}; see: postpay dead-letters list")
    return kept
