"""A platform on which something went wrong in every way: dead letters, conflicts and inputs that wait."""

import contextlib

from tests.integration.cli.conftest import lines, record

LINE = {"programme": "kuaishou", "limit_minor": 5_000_000, "currency": "CNY", "score": 700}


def opened(account_id: str):
    at = "2026-01-01T10:00:00+08:00"
    return record("credit-line", account_id, "credit_line.opened", f"{account_id}-e", at, account_id=account_id, **LINE)


def placed(event_id: str, order_id: str, at: str = "2026-01-02T10:00:00+08:00", key: str = "a-1", **fields):
    given = {"account_id": "a-1", "order_id": order_id, "merchant_id": "m-1", "amount_minor": 120_000}
    body = {**given, "currency": "CNY", "plan": {"kind": "deferred", "days": 30}, **fields}
    return record("purchase", key, "purchase.placed", event_id, at, **body)


def received(event_id: str, order_id: str, at: str, account_id: str = "a-1"):
    return record("purchase", account_id, "purchase.received", event_id, at, account_id=account_id, order_id=order_id)


def ticked(event_id: str, at: str):
    return record("clock", None, "clock.ticked", event_id, at)


# One part is settled before the next is sent: the lane's time is then that of what was sent last.
TROUBLE = [
    lines(opened("a-1"), opened("a-2")),
    lines(
        placed("p-1", "o-1"),
        placed("p-text", "o-2", amount_minor="12 yuan"),
        placed("p-key", "o-3", key="a-9"),
        {"topic": "purchase", "key": "a-1", "value": {"base64": "AP8="}},
        received("p-7", "o-7", "2026-01-02T11:00:00+08:00"),
        placed("p-1", "o-1", "2026-01-03T10:00:00+08:00", amount_minor=130_000, source="somebody else"),
        placed("p-1b", "o-1", "2026-01-03T11:00:00+08:00", plan={"kind": "deferred", "days": 60}),
    ),
    lines(ticked("t-1", "2026-01-06T10:00:00+08:00")),
    lines(received("p-9", "o-9", "2026-01-06T11:00:00+08:00")),
    lines(received("p-10", "o-10", "2026-01-07T11:00:00+08:00", "a-2")),
    lines(ticked("t-2", "2026-01-07T12:00:00+08:00")),
]


@contextlib.asynccontextmanager
async def log_in(made, role: str):
    """A log-in of its own that is a member of one role of postpay: its name, and the settings that use it."""
    dsn, name = made.settings.postgres.dsn, f"{role}_{made.database_name}"
    scheme, _, rest = dsn.partition("://")
    async with made.database() as connection:
        await connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'made-up' IN ROLE {role}")
    try:
        yield name, {"POSTPAY_POSTGRES__DSN": f"{scheme}://{name}:made-up@{rest.rpartition('@')[2]}"}
    finally:
        async with made.database() as connection:
            await connection.execute(f"DROP ROLE {name}")
