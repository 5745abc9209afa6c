"""What a conflict contradicts: the message that was taken first, and the fields in which they differ."""

from dataclasses import asdict, dataclass
from typing import Any

from contracts.decode import restore
from operating.differences import FieldDifference, differences
from settlement.messages import Input
from settlement.subjects import Reference, references
from storage import conflicts
from storage.conflicts import Conflict, ConflictReason, KeptMessage
from storage.database import Connection


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A conflict and what it contradicts.

    `first` is None where that is archived, or not to be found any more: `differences` are empty then.
    """

    conflict: Conflict
    reason: ConflictReason
    first: KeptMessage | None
    differences: tuple[FieldDifference, ...]

    def document(self) -> dict[str, Any]:
        """The conflict as JSON has it, with both messages."""
        first = self.first
        return {
            **self.conflict.document(),
            "reason": self.reason,
            "value": self.conflict.message.body,
            "first": None if first is None else {**first.document(), "outcome": first.outcome, "value": first.body},
            "differences": [asdict(each) for each in self.differences],
        }


async def contradiction(connection: Connection, conflict: Conflict) -> Contradiction:
    """Find the message that a conflict contradicts: the one that had its event_id, else the one that made its thing."""
    reason = ConflictReason.SAME_EVENT_ID
    first = await conflicts.first_of_event(connection, conflict)
    if first is None and not await conflicts.is_of_archived_event(connection, conflict):
        reason = ConflictReason.SAME_BUSINESS_ID
        first = await _of_same_thing(connection, conflict)
    raw = None if first is None else first.raw
    came = conflict.message.raw
    found = () if raw is None or came is None else tuple(differences(raw, came))
    return Contradiction(conflict, reason, first, found)


async def _of_same_thing(connection: Connection, conflict: Conflict) -> KeptMessage | None:
    """The earliest decided message of the same type that names the same things; of fewer, the one with most of them."""
    wanted = _named(conflict.message)
    if not wanted:  # it is about the party itself
        return next(iter(await conflicts.earlier_naming(connection, conflict, "")), None)
    best: KeptMessage | None = None
    most = 0
    for name in sorted({entity_id for _, entity_id in wanted}):
        for candidate in await conflicts.earlier_naming(connection, conflict, name.rpartition(":")[2]):
            shared = len(_named(candidate) & wanted)
            if shared > most:
                best, most = candidate, shared
    return best


def _named(message: KeptMessage) -> set[Reference]:
    if message.raw is None:
        return set()
    return set(references(_input(message)))


def _input(message: KeptMessage) -> Input:
    key = None if message.key is None else message.key.encode()
    return restore(message.source, key, message.raw or b"", None)
