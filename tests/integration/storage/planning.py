"""What a statement's plan reads, and tables that are large enough to tell."""

import json
import re
from collections.abc import Iterator

ROWS = 20_000

GROWN = {
    "account": """
        INSERT INTO account SELECT 0, 'filler-' || n, 'tmall', 'CNY', now(), 'f', 700, true, true, '[]', '[]', NULL, 5,
            100, 50, 30, 20, 20, 0, 0, 0 FROM generate_series(1, $1) AS n""",
    "purchase_order": """
        INSERT INTO purchase_order SELECT 0, 'filler-' || n, 'order-' || n, 1, 'shop', 'trial', 7, NULL, 'owed', 20, 0,
            0, now(), now(), now(), now(), now(), now(), '[]', '[]', 'f' FROM generate_series(1, $1) AS n""",
    "obligation": """
        INSERT INTO obligation SELECT 0, 'filler-' || n, 'obligation-' || n, 1, 'order-' || n, now(), 'open', 20, 0, 0,
            0, 0, 0, NULL FROM generate_series(1, $1) AS n""",
    "debit": """
        INSERT INTO debit SELECT 0, 'filler-' || n, 'debit-' || n, 1, 20, now(), 1, 'due', 'requested', now(), '[]'
        FROM generate_series(1, $1) AS n""",
    "return_request": """
        INSERT INTO return_request SELECT 0, 'filler-' || n, 'return-' || n, 1, 'order-' || n, 'refunded', 20, 'other',
            '[]', NULL, now(), 'f' FROM generate_series(1, $1) AS n""",
    "repayment": """
        INSERT INTO repayment SELECT 0, 'filler-' || n, 'repayment-' || n, 1, 20, 'account', NULL, NULL, 'manual',
            now(), 'f', jsonb_build_array('obligation-' || n || ' 0 0 20') FROM generate_series(1, $1) AS n""",
    "cash_out": """
        INSERT INTO cash_out SELECT 0, 'filler-' || n, 'cash-out-' || n, 1, 20, now(), '[]', 'f'
        FROM generate_series(1, $1) AS n""",
    "appeal": """
        INSERT INTO appeal SELECT 0, 'filler-' || n, 'appeal-' || n, 1, 'upheld', now(), 'f'
        FROM generate_series(1, $1) AS n""",
    "merchant": """
        INSERT INTO merchant SELECT 0, 'filler-' || n, now(), 'CNY', 7, 'f', 0, 0, 0, 0, 0
        FROM generate_series(1, $1) AS n""",
    "merchant_balance": """
        INSERT INTO merchant_balance SELECT 0, 'filler-' || n, 'CNY', 1, 1, 1 FROM generate_series(1, $1) AS n""",
    "merchant_case": """
        INSERT INTO merchant_case SELECT 0, 'filler-' || n, 'promotion:' || n, 'promotion', false, 'f'
        FROM generate_series(1, $1) AS n""",
    "deposit": """
        INSERT INTO deposit SELECT 0, 'filler-' || n, 'deposit-' || n, 1, 'alipay', 'CNY', 5, 5, now(), now(), NULL, 'f'
        FROM generate_series(1, $1) AS n""",
    "deposit_refund": """
        INSERT INTO deposit_refund SELECT 0, 'filler-' || n, 'request-' || n, 1, 'deposit-' || n, 'CNY', 5,
            'shop_balance', 'paid', '[]', false, NULL, 'r', 'c', now(), now(), 'f' FROM generate_series(1, $1) AS n""",
    "shop_withdrawal": """
        INSERT INTO shop_withdrawal SELECT 0, 'filler-' || n, 'withdrawal-' || n, 1, 5, 'CNY', now(), 'f'
        FROM generate_series(1, $1) AS n""",
    "account_payout": """
        INSERT INTO account_payout SELECT 0, 'filler-' || n, 'payout-' || n, 1, 5, 'CNY', 'card', 'cash_out',
            CASE WHEN n % 2 = 0 THEN 'requested' ELSE 'succeeded' END, now(), 'cash-out-' || n, NULL
        FROM generate_series(1, $1) AS n""",
    "merchant_payout": """
        INSERT INTO merchant_payout SELECT 0, 'filler-' || n, 'payout-' || n, 1, 5, 'CNY', 'bank', 'deposit_refund',
            CASE WHEN n % 2 = 0 THEN 'requested' ELSE 'succeeded' END, now(), 'request-' || n, NULL
        FROM generate_series(1, $1) AS n""",
    "decision": """
        INSERT INTO decision SELECT 0, -n, 0, 'input', 'purchase', 0, n, 'account', 'filler-' || n % 5000,
            'filler-' || n, NULL, substr(sha256(n::text::bytea), 1, 16), 'f', 'purchase.placed', now(), now(),
            'applied', NULL, '', '', repeat('x', 250)::bytea FROM generate_series(1, $1) AS n""",
    "posting": """
        INSERT INTO posting SELECT 0, -n, 0, 'filler-' || n, 'receivable', 'merchant_transit', 'CNY', 5
        FROM generate_series(1, $1) AS n""",
    "receipt": """
        INSERT INTO receipt SELECT 0, 'purchase', 0, 1000000 + n, 0, 'account', 'filler-' || n, 'event-' || n,
            substr(sha256(n::text::bytea), 1, 16), 'f', 'purchase.placed', now(), now(), 'duplicate', n % 2 = 0, NULL
        FROM generate_series(1, $1) AS n""",
    "dead_letter": """
        INSERT INTO dead_letter SELECT 0, 'purchase/9/' || n, 0, 'purchase', 9, n, NULL, NULL, NULL, NULL, NULL, now(),
            'empty', '', NULL, NULL FROM generate_series(1, $1) AS n""",
    "parked": """
        INSERT INTO parked SELECT 0, substr(sha256(n::text::bytea), 1, 16), 0, n, 'account', 'filler-' || n, 'purchase',
            9, n, 'event-' || n, 'f', 'purchase.placed', now(), repeat('x', 250)::bytea, NULL, 'order:x', now()
        FROM generate_series(1, $1) AS n""",
    "declined_subject": """
        INSERT INTO declined_subject SELECT 0, 'account', 'filler-' || n, 'order:' || n
        FROM generate_series(1, $1) AS n""",
    "timer": """
        INSERT INTO timer SELECT 0, 'account', 'filler-' || n, 'due_day', '2027-01-01', '2027-01-01'
        FROM generate_series(1, $1) AS n""",
    "batch": """
        INSERT INTO batch SELECT 0, -n, 'hash', now(), 1, 0, '{}', '{}' FROM generate_series(1, $1) AS n""",
    "outbox": """
        INSERT INTO outbox SELECT 0, -n, 0, n % 4, now(), 'hash', repeat('x', 200)::bytea
        FROM generate_series(1, $1) AS n""",
}
"""Rows that no batch is about, on the lane that is settled, by table."""


NEVER_ANALYZED = """
    DO $$
    DECLARE
        part regclass;
    BEGIN
        FOR part IN SELECT oid FROM pg_class WHERE relnamespace = 'postpay'::regnamespace AND relkind = 'r' LOOP
            EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = off)', part);
        END LOOP;
    END $$"""
"""Keeps the server from analyzing tables by itself, sooner or later."""


class RecordedConnection:
    """Keeps every statement that is sent, with its parameters.

    Args:
        connection: to send them on.
        keeps_plans: whether it is planned for whatever parameters may come.
    """

    def __init__(self, connection, *, keeps_plans: bool = False) -> None:
        self._connection = connection
        self._keeps_plans = keeps_plans
        self.sent: dict[str, tuple] = {}

    def __getattr__(self, name: str):
        method = getattr(self._connection, name)
        if name not in {"fetch", "fetchrow", "fetchval", "execute"}:
            return method

        async def recorded(statement, *arguments):
            self.sent[statement] = arguments
            return await method(statement, *arguments)

        return recorded

    async def plan(self, statement: str) -> dict:
        """How a statement that was sent is done."""
        arguments = self.sent[statement]
        explain = "EXPLAIN (FORMAT JSON)"
        if not self._keeps_plans:
            return json.loads(await self._connection.fetchval(f"{explain} {statement}", *arguments))[0]["Plan"]
        await self._connection.execute(f"PREPARE explained AS {statement}")
        # Of the parameters a kept plan knows nothing; but parts of tables are left out by the lane when it is begun.
        given = [str(each) if isinstance(each, int) else "NULL" for each in arguments]
        explained = await self._connection.fetchval(
            f"{explain} EXECUTE explained" + (f"({', '.join(given)})" if given else "")
        )
        await self._connection.execute("DEALLOCATE explained")
        return json.loads(explained)[0]["Plan"]


def nodes(plan: dict) -> Iterator[dict]:
    """All nodes that read to their end: what is under a limit and in order already stops after a few rows."""
    yield plan
    for child in plan.get("Plans", ()):
        if not (plan["Node Type"] == "Limit" and child["Node Type"].startswith("Index")):
            yield from nodes(child)


def all_nodes(plan: dict) -> Iterator[dict]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from all_nodes(child)


def is_whole(node: dict) -> bool:
    """Whether a plan's node reads all of a grown table, or all of a lane's rows of it, which is no less."""
    if node.get("Relation Name", "").split("_lane_")[0].split("_turn_")[0] not in GROWN:
        return False
    if "Index Cond" in node:
        return re.fullmatch(r"\(lane = \S+\)", node["Index Cond"]) is not None
    return node["Node Type"] not in {"Bitmap Heap Scan", "ModifyTable", "Tid Scan"}


async def read_whole(connection: RecordedConnection) -> dict[str, set[str]]:
    """By statement, the grown tables that it would read from end to end."""
    found = {}
    for statement in connection.sent:
        if statement.startswith(("SET", "EXPLAIN", "SELECT set_config")):
            continue
        scanned = {node["Relation Name"] for node in nodes(await connection.plan(statement)) if is_whole(node)}
        if scanned:
            found[statement] = scanned
    return found
