"""Whether the rows of every batch are those its hash was computed from."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from storage import chain
from storage.audit.checks import SHOWN, Check, concluded
from storage.database import Connection, Row
from storage.outcomes import DecisionRow, PostingRow
from storage.queries import read

_SQL = read("audit/chain")

BATCHES_AT_ONCE = 500
DECISIONS_AT_ONCE = 5_000
"""Bounds of what is held in memory while hashes are computed."""


async def lanes_with_hashes(connection: Connection) -> Sequence[Row]:
    """Every lane's number, last batch and hash."""
    rows: Sequence[Row] = await connection.fetch(_SQL["lanes"])
    return rows


async def hash_chain(connection: Connection, lanes: Sequence[Row]) -> Check:
    """Compute every batch's hash anew from its rows; after one that differs, go on from what is stored."""
    findings: list[str] = []
    batches = 0
    for lane in lanes:
        previous = chain.genesis(lane["lane"])
        async for batch, decisions, postings in _batches(connection, lane["lane"], lane["batch_seq"]):
            computed = chain.link(previous, batch["batch_seq"], batch["lane_time"], decisions, postings)
            batches += 1
            if computed != batch["chain_hash"] and len(findings) < SHOWN:
                findings.append(
                    f"lane {lane['lane']}, batch {batch['batch_seq']}: expected {computed.hex()} by its rows and the "
                    f"hash before; found {batch['chain_hash'].hex()}"
                )
            previous = batch["chain_hash"]
        if previous != lane["chain_hash"]:
            findings.append(
                f"lane {lane['lane']}: expected its row to hold the last batch's hash {previous.hex()}; "
                f"found {lane['chain_hash'].hex()}"
            )
    return concluded("hash chain", findings, f"{batches} batches")


async def _batches(
    connection: Connection, lane: int, last: int
) -> AsyncIterator[tuple[Row, list[DecisionRow], list[PostingRow]]]:
    """Each batch of a lane up to `last` with its decisions and postings; rows once written never change."""
    done = 0
    while rows := await connection.fetch(_SQL["chain_batches"], lane, done, last, BATCHES_AT_ONCE):
        for group in _groups(rows):
            begin, end = group[0]["first_seq"], group[-1]["first_seq"] + group[-1]["decisions"]
            decisions = [DecisionRow(*row) for row in await connection.fetch(_SQL["chain_decisions"], lane, begin, end)]
            postings = [PostingRow(*row) for row in await connection.fetch(_SQL["chain_postings"], lane, begin, end)]
            for batch in group:
                until = batch["first_seq"] + batch["decisions"]
                yield batch, _taken_before(decisions, until), _taken_before(postings, until)
        done = rows[-1]["batch_seq"]


def _taken_before(rows: list[Any], seq: int) -> list[Any]:
    """Take the rows with a lower number off the front."""
    end = next((index for index, row in enumerate(rows) if row.seq >= seq), len(rows))
    taken = rows[:end]
    del rows[:end]
    return taken


def _groups(batches: Sequence[Row]) -> list[list[Row]]:
    """Neighbouring batches, together at most DECISIONS_AT_ONCE decisions or a single batch."""
    groups: list[list[Row]] = []
    decisions = 0
    for batch in batches:
        if not groups or decisions + batch["decisions"] > DECISIONS_AT_ONCE:
            groups.append([])
            decisions = 0
        groups[-1].append(batch)
        decisions += batch["decisions"]
    return groups
