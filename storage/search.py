"""Finding what an id is the id of, for people who have only the id."""

from dataclasses import dataclass
from datetime import datetime

from storage.database import Connection
from storage.queries import read

_SQL = read("search")

OF_A_KIND = 20
"""Things of one kind that have the same id: an order's counts within its account, an event's within topic and key."""


@dataclass(frozen=True, slots=True)
class Named:
    """Something with the id that was looked for.

    `kind` is account, merchant, order, return, debit, account_payout, merchant_payout, event or dead_letter; `party_id`
    whose it is, None where nobody's; `topic` only of events and dead letters.
    """

    kind: str
    party_id: str | None
    id: str
    topic: str | None
    at: datetime | None


async def named(connection: Connection, name: str) -> list[Named]:
    """Everything that has an id, parties first."""
    return [Named(*row) for row in await connection.fetch(_SQL["named"], name, OF_A_KIND)]
