"""The tests' lanes settling in company."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from settlement.messages import Input
from storage.company import Company, Member
from tests.integration.storage.planning import RecordedConnection
from tests.integration.storage.settling import StoredLane

PATIENCE_S = 60

Batches = Sequence[Sequence[Input]]
"""One of each lane."""


class InCompany(Member):
    """Also by `async with`, as the tests' lanes use a connection."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        try:
            yield
        except BaseException:
            await self.rollback()
            raise
        await self.commit()


class OneConnection:
    """A pool that lends one connection, which keeps what is sent on it."""

    def __init__(self, recorded: RecordedConnection) -> None:
        self.recorded = recorded

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[RecordedConnection]:
        yield self.recorded


def begin_in_company(pool: Any, lanes: Sequence[StoredLane], batches: Batches) -> list[asyncio.Task]:
    """Begin to settle a batch of each lane in one company; the lanes have been claimed."""
    company = Company(pool, {lane.number: len(batch) for lane, batch in zip(lanes, batches, strict=True)})
    for lane in lanes:
        lane.connection = InCompany(company, lane.number)
    return [asyncio.create_task(lane.settle(batch)) for lane, batch in zip(lanes, batches, strict=True)]


async def in_company(pool: Any, lanes: Sequence[StoredLane], batches: Batches) -> list[Any]:
    """Do so: what each lane gives, or raises."""
    return await results_of(begin_in_company(pool, lanes, batches))


async def results_of(tasks: Sequence[asyncio.Task]) -> list[Any]:
    """What each lane gives, or raises, that has begun to settle in company."""
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.gather(*tasks, return_exceptions=True)
