"""Lanes in company: batches of several lanes in one transaction, each as its lane would settle it alone.

A member of the company takes its place for a connection. What it sends waits until every member has sent something or
has left; then what is earliest in the order of a batch is sent, for all members that ask for it by one statement. So
eight small batches cost the round trips of one, and one COMMIT.

What fails costs the company, not the lanes: nobody can tell whose fault it was, so it ends, nothing of it is
committed, and each lane goes on alone. One that leaves before it has written anything costs the others nothing. An
unanswered COMMIT is found out about by each lane as ever, from its own row.

Source: docs/protocol.md, In company; docs/decisions/0035.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from storage import arrays, lanes
from storage.database import TOGETHER_UP_TO, Connection, borrowed, suit
from storage.load import LOOKUPS, TOGETHER
from storage.of_lanes import OfLanes, Write, changing, looking_up
from storage.queries import read
from storage.rows import TABLES
from storage.write import FINISH, UPDATES

_SQL = read("company")

COMMIT = "COMMIT"

_COPIED_FIRST = ("decision", "posting", "receipt", "dead_letter")


class CompanyEndedError(Exception):
    """The transaction was not committed, or nobody knows; the lane goes on alone."""


def _finishing() -> OfLanes:
    """`finish` of several lanes; what it answers is the number of each batch that was written."""
    values: Mapping[int, Write] = {
        2: arrays.plain,
        3: arrays.blobs,
        4: arrays.instants,
        5: arrays.plain,
        6: arrays.plain,
        9: arrays.blobs,
    }
    sections = (
        (7, 8, 18, 19),  # offsets
        range(10, 13),  # balances
        range(13, 18),  # activity
        (20,),  # outbox
        range(21, 26),  # timers that are set
        range(26, 30),  # and that are gone
        range(30, 49),  # decisions
        range(49, 56),  # postings
    )
    return OfLanes(_SQL["finish"], sections, lambda rows: {row["lane"]: row["batch_seq"] for row in rows}, values)


_LOCKING = OfLanes(_SQL["lock"], (), lambda rows: {row["lane"]: row for row in rows}, values={})

_OF_LANES: Mapping[str, OfLanes] = {
    lanes.LOCK_AT_ONCE: _LOCKING,
    **{together.statement: together.of_lanes() for together in TOGETHER},
    **{lookup.statement: looking_up(lookup.statement) for lookup in LOOKUPS.values()},
    **{table.insert: changing(table.insert) for table in TABLES.values()},
    **{statement: changing(statement) for statement in UPDATES.values()},
    FINISH: _finishing(),
}
"""By the statement of one lane, that of several."""


def _in_order() -> Mapping[str, int]:
    """The order of what a batch sends: what is earlier waits for no member, what is later for all that are behind."""
    order: list[str] = [lanes.LOCK_AT_ONCE, *(each.statement for each in TOGETHER)]
    order += [lookup.statement for lookup in LOOKUPS.values()]
    order += _COPIED_FIRST
    for table in TABLES.values():
        order += [table.insert, table.name, UPDATES[table.name]]
    return {what: place for place, what in enumerate([*order, FINISH, COMMIT])}


_ORDER = _in_order()


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """What a member waits for: a statement with its parameters, a table with columns and rows, or COMMIT."""

    lane: int
    what: str
    method: str
    given: tuple[Any, ...]
    answer: asyncio.Future[Any]

    @property
    def place(self) -> int:
        """What is not in the order is asked by few members; they are not kept waiting."""
        return _ORDER.get(self.what, -1)


class Company:
    """One transaction of several lanes. It begins at once, in a task of its own, and ends when every member has left.

    Args:
        pool: of sessions that keep their plans.
        messages: by lane, how many its batch has, or about so many.
    """

    def __init__(self, pool: asyncpg.Pool, messages: Mapping[int, int]) -> None:
        self._pool = pool
        self._size = sum(messages.values())
        self.sends_together = self._size <= TOGETHER_UP_TO
        self._present = set(messages)
        self._wrote: set[int] = set()
        self._asked: list[_Asked] = []
        self._moved = asyncio.Event()
        self._failure: BaseException | None = None
        self._task = asyncio.create_task(self._run(), name="company")

    def member(self, lane: int) -> "Member":
        """The place of one of its lanes."""
        return Member(self, lane)

    def leave(self, lane: int) -> None:
        """A lane goes; what it has written is not committed, so nothing is. One that is gone may go again."""
        if lane not in self._present:
            return
        self._present.discard(lane)
        self._asked = [each for each in self._asked if each.lane != lane]
        if lane in self._wrote:
            self._end(CompanyEndedError(f"lane {lane} left after it had written"))
        self._moved.set()

    async def ask(self, lane: int, what: str, method: str, *given: Any) -> Any:
        """Wait for what a member asks of the server.

        Raises:
            CompanyEndedError: the company ended.
        """
        if self._failure is not None:
            raise CompanyEndedError(str(self._failure)) from self._failure
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked.append(_Asked(lane, what, method, given, answer))
        if method in {"execute", "copy"} or what == FINISH:
            self._wrote.add(lane)
        self._moved.set()
        return await answer

    # The company's own task.

    async def _run(self) -> None:
        try:
            async with borrowed(self._pool) as connection, connection.transaction():
                await suit(connection, self._size)
                while (asked := await self._next()) is not None:
                    await self._send(connection, asked)
                    self._asked = [each for each in self._asked if each not in asked]
        except Exception as error:  # noqa: BLE001  each lane finds out alone what it is
            self._end(error)
        except BaseException:
            self._end(asyncio.CancelledError())
            raise
        else:
            for each in self._asked:
                self._present.discard(each.lane)
                if not each.answer.done():
                    each.answer.set_result(None)

    async def _next(self) -> list[_Asked] | None:
        """What is sent next; None: all that are still there want to have it committed."""
        while len(self._asked) < len(self._present):
            self._moved.clear()
            if self._failure is not None:
                break
            await self._moved.wait()
        if self._failure is not None:
            raise self._failure
        if not self._asked:
            return None
        first = min(self._asked, key=lambda each: each.place)
        if first.what == COMMIT:
            return None
        return [each for each in self._asked if each.what == first.what] if first.place >= 0 else [first]

    async def _send(self, connection: Connection, asked: Sequence[_Asked]) -> None:
        """Send what several ask for at the same place of their batches, and answer each."""
        first = asked[0]
        if first.method == "copy":
            rows = [row for each in asked for row in each.given[1]]
            await connection.copy_records_to_table(first.what, columns=first.given[0], records=rows)
            answers: Mapping[int, Any] = {}
            nothing: Any = None
        elif len(asked) == 1:
            answers, nothing = {first.lane: await getattr(connection, first.method)(first.what, *first.given)}, None
        else:
            several = _OF_LANES[first.what]
            given = several.parameters([each.given for each in asked])
            answers = several.answers(await getattr(connection, several.method)(several.statement, *given))
            nothing = several.nothing
        for each in asked:
            if not each.answer.done():
                each.answer.set_result(answers.get(each.lane, nothing))

    def _end(self, failure: BaseException) -> None:
        if self._failure is None:
            self._failure = failure
        for each in self._asked:
            if not each.answer.done():
                each.answer.set_exception(CompanyEndedError(f"{type(failure).__name__}: {failure}"))
        self._asked = []
        self._moved.set()


class Member:
    """A lane's place in a company, which it has instead of a connection and of a transaction on it.

    Args:
        company: it is in.
        lane: its number.
    """

    def __init__(self, company: Company, lane: int) -> None:
        self._company = company
        self._lane = lane

    @property
    def sends_together(self) -> bool:
        """Whether what can go in one statement does."""
        return self._company.sends_together

    def send_together(self, *, wanted: bool) -> None:
        """Nothing to do: the company knows how large all batches are."""

    async def fetch(self, statement: str, *given: Any) -> Any:
        """Send a statement: its rows. For this and the next four: asyncpg's Connection, and `Company.ask`."""
        return await self._company.ask(self._lane, statement, "fetch", *given)

    async def fetchrow(self, statement: str, *given: Any) -> Any:
        """Send a statement: its only row."""
        return await self._company.ask(self._lane, statement, "fetchrow", *given)

    async def fetchval(self, statement: str, *given: Any) -> Any:
        """Send a statement: its only value."""
        return await self._company.ask(self._lane, statement, "fetchval", *given)

    async def execute(self, statement: str, *given: Any) -> None:
        """Send a statement."""
        await self._company.ask(self._lane, statement, "execute", *given)

    async def copy_records_to_table(
        self, table: str, *, columns: Sequence[str], records: Sequence[tuple[Any, ...]]
    ) -> None:
        """Copy rows."""
        await self._company.ask(self._lane, table, "copy", columns, records)

    def transaction(self) -> "Member":
        """The company's own, which has begun."""
        return self

    async def start(self) -> None:
        """Nothing to do."""

    async def commit(self) -> None:
        """Wait for COMMIT, which comes when all that are still there want it."""
        await self._company.ask(self._lane, COMMIT, "commit")

    async def rollback(self) -> None:
        """Leave."""
        self._company.leave(self._lane)
