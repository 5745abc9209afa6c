"""Whether the operator log is whole: entries 1, 2, 3 … without a hole, each with the hash of its content."""

from storage import operator_log
from storage.audit.checks import SHOWN, Check, concluded
from storage.database import Connection

ENTRIES_AT_ONCE = 2_000


async def operator_chain(connection: Connection) -> Check:
    """Compute every entry's hash anew from its row; after one that differs, go on from what is stored."""
    findings: list[str] = []
    last, previous = 0, operator_log.GENESIS
    while entries := await operator_log.next_of_chain(connection, last, ENTRIES_AT_ONCE):
        for entry in entries:
            computed = entry.hash_after(previous)
            if entry.entry != last + 1 and len(findings) < SHOWN:
                findings.append(f"expected entry {last + 1} after entry {last}; found entry {entry.entry}")
            if computed != entry.entry_hash and len(findings) < SHOWN:
                findings.append(
                    f"entry {entry.entry}: expected {computed.hex()} by its row and the hash before; found"
                    f" {entry.entry_hash.hex()}"
                )
            last, previous = entry.entry, entry.entry_hash
    return concluded("operator log", findings, f"{last} entries")
