"""Sending dead letters again, each once in effect, whoever is killed meanwhile.

A dead letter is redriven once: what becomes of it then is another message's story, and if that is a dead letter again,
it is a new one, which links back. Unedited it goes out as it came, under its own event_id; edited under one made from
the dead letter's id, the same for all edits. Before it is sent an intention is entered in the operator log, after it
the outcome. An intention without an outcome may have been sent or not: the same kind of redrive may be repeated, for
its event_id is the same and takes effect once; the other kind is refused.

What somebody has closed is left out, until it is reopened.

Source: docs/operations.md, Redriving.
"""

import asyncio
import hashlib
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from aiokafka import AIOKafkaProducer

from contracts.records import RawRecord
from operating.edits import Edit
from operating.refusal import ActionRefusedError
from operating.resending import Resending, resending
from operating.sending import NOT_SENT
from storage import operator_log
from storage.database import Connection
from storage.dead_letters import KeptLetter, ends, taken_events
from storage.operator_log import Action, Because, LogEntry, LogOutcome, Note
from workers.kafka.clients import producing
from workers.kafka.topics import check
from workers.lanes.fault_points import reached
from workers.settings.model import Settings

LETTERS_AT_ONCE = 200
"""Dead letters of one step: sent together, and on record together."""


class RedriveStatus(StrEnum):
    """What a redrive did with one dead letter."""

    REDRIVEN = "redriven"
    BEFORE = "redriven_before"
    CLOSED = "closed"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Redriven:
    """One dead letter after a redrive.

    `event_id`, `partition` and `offset` are those of the message sent; `detail` says why it was not.
    """

    kept: KeptLetter
    status: RedriveStatus
    event_id: str | None = None
    partition: int | None = None
    offset: int | None = None
    detail: str | None = None

    def document(self) -> dict[str, Any]:
        """What became of it as JSON has it."""
        letter = self.kept.letter
        return {
            "id": letter.dead_letter_id,
            "status": self.status,
            "topic": None if letter.source is None else letter.source.topic,
            "partition": self.partition,
            "offset": self.offset,
            "event_id": self.event_id,
            "detail": self.detail,
        }


class Redriver:
    """Redrives dead letters, step by step.

    Args:
        connection: outside a transaction, of a member of postpay_ops.
        producer: started.
        settings: where to send.
        because: who redrives them, and why.
    """

    def __init__(
        self, connection: Connection, producer: AIOKafkaProducer, settings: Settings, because: Because
    ) -> None:
        self._connection = connection
        self._producer = producer
        self._settings = settings
        self._because = because

    @classmethod
    @asynccontextmanager
    async def ready(cls, connection: Connection, settings: Settings, because: Because) -> AsyncIterator[Self]:
        """A redriver with a producer of its own.

        Raises:
            ActionRefusedError: a topic is missing; sending would make it, as something else than it must be.
            BrokerUnreachableError: no broker answered.
        """
        for difference in await check(settings):
            if difference.what in {"the topic", "partitions"}:
                raise ActionRefusedError(f"{difference}; see: postpay topics check")
        async with producing(settings.kafka) as producer:
            yield cls(connection, producer, settings, because)

    async def redrive(self, letters: Sequence[KeptLetter], edit: Edit | None = None) -> list[Redriven]:
        """Send some dead letters again, in their order, and wait until the broker has them.

        Done again after it was interrupted, it goes on: what is on record as sent is left out.

        Args:
            letters: at most LETTERS_AT_ONCE or so; all of the step are in memory.
            edit: what to change; None sends them as they came.
        """
        results: dict[str, Redriven] = {}
        intentions = await self._intend(letters, edit, results)
        reached("redrive_intended")
        sent = await asyncio.gather(*(self._send(each) for each, _ in intentions))
        reached("redrive_sent")
        await self._conclude(intentions, sent)
        results |= {_id(each.kept): each for each in sent}
        return [results[_id(kept)] for kept in letters]

    async def _intend(
        self, letters: Sequence[KeptLetter], edit: Edit | None, results: dict[str, Redriven]
    ) -> list[tuple[Resending, int]]:
        """Enter what will be sent, each with the number of its entry; what is not to be sent goes to the results."""
        async with self._connection.transaction():
            await operator_log.lock(self._connection)
            plans = await plan(self._connection, self._settings.lanes, letters, edit)
            results |= {_id(each.kept): each for each in plans if isinstance(each, Redriven)}
            wanted = [each for each in plans if isinstance(each, Resending)]
            entries = await operator_log.append(self._connection, [self._intention(each) for each in wanted])
        return [*zip(wanted, entries, strict=True)]

    def _intention(self, each: Resending) -> Note:
        letter = each.kept.letter
        after: dict[str, Any] = {
            "event_id": each.message.event_id,
            "edited": each.is_edited,
            "topic": each.record.topic,
            "partition": each.record.partition,
            "value_sha256": _sha256(each.record.value),
        }
        if each.is_edited:
            after["key"] = None if each.record.key is None else each.record.key.decode(errors="replace")
            after["value_base64"] = b64encode(each.record.value or b"").decode()
        before = {"reason": letter.reason, "event_id": letter.event_id, "value_sha256": _sha256(letter.raw)}
        return self._note(each, LogOutcome.INTENDED, before=before, after=after)

    def _note(self, each: Resending, outcome: LogOutcome, **more: Any) -> Note:
        return Note(because=self._because, action=Action.REDRIVE, subject=_id(each.kept), outcome=outcome, **more)

    async def _send(self, each: Resending) -> Redriven:
        record: RawRecord = each.record
        event_id = each.message.event_id
        try:
            answer = await self._producer.send_and_wait(
                self._settings.topics.prefix + record.topic,
                value=record.value,
                key=record.key,
                partition=record.partition,
                headers=list(record.headers),
            )
        except NOT_SENT as error:
            return Redriven(each.kept, RedriveStatus.FAILED, event_id, detail=str(error) or type(error).__name__)
        return Redriven(each.kept, RedriveStatus.REDRIVEN, event_id, answer.partition, answer.offset)

    async def _conclude(self, intentions: Sequence[tuple[Resending, int]], sent: Sequence[Redriven]) -> None:
        """Enter what came of the intentions."""
        notes = []
        for (each, intention), result in zip(intentions, sent, strict=True):
            after: Mapping[str, Any]
            if result.status is RedriveStatus.REDRIVEN:
                outcome = LogOutcome.DONE
                after = {"event_id": result.event_id, "partition": result.partition, "offset": result.offset}
            else:
                outcome, after = LogOutcome.FAILED, {"error": result.detail}
            after = {**after, "edited": each.is_edited}
            notes.append(self._note(each, outcome, follows=intention, after=after))
        await operator_log.append(self._connection, notes)


async def plan(
    connection: Connection, lanes: int, letters: Sequence[KeptLetter], edit: Edit | None
) -> list[Resending | Redriven]:
    """What to send for each of some dead letters, or why nothing is.

    Args:
        connection: in a transaction that has locked the operator log, unless only to tell; nothing is written.
        lanes: how many there are.
        letters: in their order.
        edit: what to change; None sends them as they came.
    """
    latest = await operator_log.latest(connection, Action.REDRIVE, map(_id, letters))
    done_with = await ends(connection, [*map(_id, letters)])
    plans = [_planned(kept, edit, latest.get(_id(kept)), done_with.get(_id(kept)), lanes) for kept in letters]
    events = [each.original_event for each in plans if isinstance(each, Resending) and each.is_edited]
    answered = await taken_events(connection, [event for event in events if event is not None])
    return [_unless_answered(each, answered) for each in plans]


def _planned(
    kept: KeptLetter, edit: Edit | None, latest: LogEntry | None, end: LogEntry | None, lanes: int
) -> Resending | Redriven:
    begun = {} if latest is None else latest.document()["after"]
    if latest is not None and latest.outcome == LogOutcome.DONE:
        detail = f"{latest.operator} redrove it at {latest.at.isoformat()} as {begun['event_id']}"
        return Redriven(kept, RedriveStatus.BEFORE, begun["event_id"], begun["partition"], begun["offset"], detail)
    if end is not None:
        detail = f"{end.operator} closed it at {end.at.isoformat()} ({end.reason}); reopen it first"
        return Redriven(kept, RedriveStatus.CLOSED, detail=detail)
    if latest is not None and begun["edited"] is not (edit is not None):
        how = "edited" if begun["edited"] else "as it came"
        detail = (
            f"a redrive of it {how} has begun (operator log, entry {latest.entry}), nobody knows whether it was sent:"
            f" repeat it {how}"
        )
        return Redriven(kept, RedriveStatus.REFUSED, detail=detail)
    try:
        return resending(kept, edit, lanes)
    except ActionRefusedError as refused:
        return Redriven(kept, RedriveStatus.REFUSED, detail=str(refused))


def _unless_answered(each: Resending | Redriven, answered: set[bytes]) -> Resending | Redriven:
    """Where the producer was faster, an edit would be the same thing a second time, under another event_id."""
    if isinstance(each, Redriven) or not each.is_edited or each.original_event is None:
        return each
    if each.original_event[1] not in answered:
        return each
    event_id, topic = each.kept.letter.event_id, each.record.topic
    detail = f"its event_id came again and was settled; see: postpay decision show {topic} {event_id}"
    return Redriven(each.kept, RedriveStatus.REFUSED, detail=detail)


def _id(kept: KeptLetter) -> str:
    return kept.letter.dead_letter_id


def _sha256(raw: bytes | None) -> str | None:
    return None if raw is None else hashlib.sha256(raw).hexdigest()
