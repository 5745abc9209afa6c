"""Whether the rows of every batch are those its hash was computed from."""

from collections.abc import Sequence

from storage import branches, recorded
from storage.audit.checks import SHOWN, Check, concluded
from storage.database import Connection, Row


async def hash_chain(connection: Connection, lanes: Sequence[Row]) -> Check:
    """Compute every batch's hash anew from its rows; after one that differs, go on from what is stored.

    Batches whose rows are archived are passed over: `postpay archive check` computes their hashes from the files.
    """
    findings: list[str] = []
    batches = archived = 0
    for lane in lanes:
        begin = await branches.begins(connection, lane["lane"])
        previous = begin.chain_hash
        async for batch in recorded.batches(connection, lane["lane"], begin.batch_seq, lane["batch_seq"]):
            if batch.is_archived:
                archived += 1
                previous = batch.chain_hash
                continue
            computed = batch.hash_after(previous)
            batches += 1
            if computed != batch.chain_hash and len(findings) < SHOWN:
                findings.append(
                    f"lane {lane['lane']}, batch {batch.batch_seq}: expected {computed.hex()} by its rows and the "
                    f"hash before; found {batch.chain_hash.hex()}"
                )
            previous = batch.chain_hash
        if previous != lane["chain_hash"]:
            findings.append(
                f"lane {lane['lane']}: expected its row to hold the last batch's hash {previous.hex()}; "
                f"found {lane['chain_hash'].hex()}"
            )
    left_out = f", and {archived} that are archived" if archived else ""
    return concluded("hash chain", findings, f"{batches} batches{left_out}")
