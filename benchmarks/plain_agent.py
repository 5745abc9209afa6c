"""A Faust agent as anyone would write it: every message in a transaction of its own.

    POSTPAY_BENCHMARK='{"bootstrap": …}' python -m benchmarks.plain_agent -L uvloop worker -l error --without-web

It decides with the same core, on the same tables, and sends the same outputs. It knows no batches, no exactly once, no
parking and no timers; what concerns a merchant it books to the merchant's row in the same transaction. When it has
settled as many messages as it was told to, or its time is over, it prints one line of JSON.
"""

import asyncio
import json
import logging
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import asyncpg
import faust

from contracts.decode import decode
from contracts.encode import encode
from contracts.records import RawRecord
from contracts.topics import Topic
from settlement.batch import Batch, Settled
from settlement.draft import Rules
from settlement.entities import Account, Obligation, Order
from settlement.entity import Entity
from settlement.messages import Input
from settlement.party import Party
from settlement.state import ALL_OPEN, PartyState
from settlement.subjects import references
from settlement.terms import TermsBook
from storage.rows import TABLES, Table
from workers.kafka.homes import home_of
from workers.lanes.working_days import working_days


@dataclass(frozen=True, slots=True)
class Orders:
    """What it was told to do."""

    bootstrap: str
    dsn: str
    prefix: str
    lanes: int
    concurrency: int
    messages: int
    seconds: float


ORDERS = Orders(**json.loads(os.environ["POSTPAY_BENCHMARK"]))
RULES = Rules(TermsBook.builtin(), working_days())

SESSION = {"search_path": "postpay", "plan_cache_mode": "force_custom_plan", "jit": "off"}
"""Plans kept from when the tables were empty would slow the peer down."""


class PlainApp(faust.App):
    """Opens the pool before the first message comes, and makes no records of what nobody logs."""

    pool: asyncpg.Pool

    async def on_start(self) -> None:
        """Begin."""
        await super().on_start()
        # `-l error` is for Faust's handler; the root logger stays at DEBUG, and aiokafka makes records of everything.
        logging.getLogger().setLevel(logging.ERROR)
        self.pool = await asyncpg.create_pool(ORDERS.dsn, min_size=1, max_size=10, server_settings=SESSION)


app = PlainApp(
    f"{ORDERS.prefix}plain",
    broker=f"kafka://{ORDERS.bootstrap}",
    web_enabled=False,
    topic_disable_leader=True,
    topic_allow_declare=False,
    consumer_auto_offset_reset="earliest",
)


class Progress:
    """How many messages are settled, and since when."""

    settled = 0
    began_at = 0.0
    reported = False


def _topic(name: str) -> Any:
    return app.topic(
        ORDERS.prefix + name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )


inputs = _topic(Topic.PURCHASE)
output_topic = cache(_topic)


@app.agent(inputs, concurrency=ORDERS.concurrency)
async def settle(stream: Any) -> None:
    """Settle one message after the other."""
    async for event in stream.events():
        if not Progress.began_at:
            Progress.began_at = time.perf_counter()
            # Not with a message alone: if the last ones never came, nobody would ever hear of the others.
            asyncio.get_running_loop().call_later(ORDERS.seconds, _report)
        own_topic = event.headers["topic"].decode()
        message = event.message
        raw = RawRecord(own_topic, message.partition, message.offset, 0, message.key, message.value)
        decoded = decode(raw)
        if isinstance(decoded, Input) and decoded.party is not None:
            for result in await _in_one_transaction(decoded, decoded.party, message.partition):
                for output in result.decision.outputs:
                    sent = encode(output)
                    await output_topic(sent.topic).send(key=sent.key, value=sent.value, headers=dict(sent.headers))
        Progress.settled += 1
        if Progress.settled == ORDERS.messages or time.perf_counter() - Progress.began_at > ORDERS.seconds:
            _report()


def _report() -> None:
    """Print once what was settled, to the real standard output: Faust turns the other one into log lines."""
    if Progress.reported or not Progress.settled:
        return
    Progress.reported = True
    found = {"messages": Progress.settled, "seconds": time.perf_counter() - Progress.began_at}
    os.write(1, json.dumps(found).encode() + b"\n")


async def _in_one_transaction(message: Input, party: Party, lane: int) -> Sequence[Settled]:
    async with app.pool.acquire() as connection, connection.transaction():
        state = await _read(connection, lane, party, message)
        batch = Batch({party: state, None: PartyState(None, whole=True)}, RULES, datetime.now(UTC), event_clock=False)
        batch.receive(message)
        await _write(connection, lane, party, state, batch.results)
        return batch.results


async def _read(connection: Any, lane: int, party: Party, message: Input) -> PartyState:
    """The account, locked, and what the message names of it."""
    state = PartyState(party, whole=True)
    account = await connection.fetchrow(
        "SELECT * FROM account WHERE lane = $1 AND account_id = $2 FOR UPDATE", lane, party.id
    )
    if account is None:
        return state
    _keep(state, [TABLES[Account].entity(account)])
    known = await connection.fetchval(
        "SELECT fingerprint FROM decision WHERE lane = $1 AND event_hash = $2", lane, message.event_hash
    )
    if known is not None:
        state.seen[message.event_hash] = known
    for kind, entity_id in references(message):
        if entity_id == ALL_OPEN:
            await _read_obligations(connection, lane, state, "status IN ('open', 'overdue')")
        elif kind is not Account and kind.party_kind is party.kind:  # what the lane keeps, it does without
            row = await connection.fetchrow(SELECT[kind], lane, party.id, entity_id)
            if row is not None:
                entity = TABLES[kind].entity(row)
                _keep(state, [entity])
                if isinstance(entity, Order) and entity.obligation_ids:
                    await _read_obligations(connection, lane, state, "obligation_id = ANY($3)", entity.obligation_ids)
    return state


async def _read_obligations(connection: Any, lane: int, state: PartyState, which: str, *arguments: Any) -> None:
    account_id = state.party.id if state.party else ""
    rows = await connection.fetch(
        f"SELECT * FROM obligation WHERE lane = $1 AND account_id = $2 AND {which}", lane, account_id, *arguments
    )
    _keep(state, [TABLES[Obligation].entity(row) for row in rows])


async def _write(connection: Any, lane: int, party: Party, state: PartyState, results: Sequence[Settled]) -> None:
    for kind, ids in state.made.items():
        await connection.executemany(INSERT[kind], _rows(lane, state, kind, ids))
    for kind, ids in state.changed.items():
        await connection.executemany(UPDATE[kind], _rows(lane, state, kind, ids))
    for (timer_kind, subject_id), timer in state.timer_changes.items():
        if timer is None:
            await connection.execute(
                "DELETE FROM timer WHERE lane = $1 AND party_kind = $2 AND party_id = $3 AND kind = $4"
                " AND subject_id = $5",
                lane,
                party.kind,
                party.id,
                timer_kind,
                subject_id,
            )
        else:
            await connection.execute(
                "INSERT INTO timer VALUES ($1, $2, $3, $4, $5, $6)"
                " ON CONFLICT (lane, party_kind, party_id, kind, subject_id) DO UPDATE SET due_at = excluded.due_at",
                lane,
                party.kind,
                party.id,
                timer_kind,
                subject_id,
                timer.due_at,
            )
    for result in results:
        await _write_decision(connection, lane, party, result)


async def _write_decision(connection: Any, lane: int, party: Party, result: Settled) -> None:
    message, decision = result.input, result.decision
    if message is None or decision.outcome not in {"applied", "declined"}:
        return
    seq = await connection.fetchval(
        "INSERT INTO decision (lane, seq, batch_seq, kind, topic, partition, record_offset, party_kind, party_id,"
        " event_id, event_hash, fingerprint, type, occurred_at, decided_at, outcome, reason, reasons, outputs, raw)"
        " VALUES ($1, nextval('plain_seq'), 0, 'input', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,"
        " $16, $17) RETURNING seq",
        lane,
        message.source.topic,
        message.source.partition,
        message.source.offset,
        party.kind,
        party.id,
        message.event_id,
        message.event_hash,
        message.fingerprint,
        message.type,
        message.occurred_at,
        result.decided_at,
        decision.outcome,
        decision.reason,
        " ".join(decision.reasons),
        "\n".join(output.event_id for output in decision.outputs),
        message.raw,
    )
    await connection.executemany(
        "INSERT INTO posting VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        [
            (lane, seq, n, party.id, each.debit, each.credit, each.currency, each.amount_minor)
            for n, each in enumerate(decision.postings)
        ],
    )
    for share in decision.activity:
        await connection.execute(
            "INSERT INTO merchant_balance VALUES ($1, $2, $3, $4, 0, 0)"
            " ON CONFLICT (lane, merchant_id, currency)"
            " DO UPDATE SET payable_minor = merchant_balance.payable_minor + excluded.payable_minor",
            home_of(share.merchant_id, ORDERS.lanes),
            share.merchant_id,
            share.currency,
            share.payable_minor,
        )


def _keep(state: PartyState, entities: Iterable[Entity]) -> None:
    for entity in entities:
        state.entities.setdefault(type(entity), {})[entity.entity_id] = entity


def _rows(lane: int, state: PartyState, kind: type[Entity], ids: Iterable[str]) -> list[tuple[Any, ...]]:
    return [TABLES[kind].row(lane, state.entities[kind][entity_id]) for entity_id in ids]


def _select(table: Table) -> str:
    return f"SELECT * FROM {table.name} WHERE lane = $1 AND {table.columns[0]} = $2 AND {table.columns[1]} = $3"


def _insert(table: Table) -> str:
    places = ", ".join(f"${number}" for number in range(1, len(table.columns) + 2))
    return f"INSERT INTO {table.name} (lane, {', '.join(table.columns)}) VALUES ({places})"


def _update(table: Table) -> str:
    key = table.columns[:1] if table.kind is Account else table.columns[:2]
    columns = [f"{name} = ${number}" for number, name in enumerate(("lane", *table.columns), 1)]
    own = 1 + len(key)
    return f"UPDATE {table.name} SET {', '.join(columns[own:])} WHERE {' AND '.join(columns[:own])}"


SELECT, INSERT, UPDATE = (
    {kind: write(table) for kind, table in TABLES.items()} for write in (_select, _insert, _update)
)


if __name__ == "__main__":
    app.main()
