"""Publishing terms to every lane."""

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from contracts.topics import Topic
from operating.refusal import ActionRefusedError
from operating.sending import on_record
from settlement.terms import TermsBook, TermsError
from storage import figures
from storage.database import Connection
from storage.figures import TermsInForce
from storage.operator_log import Action, Because
from workers.kafka.clients import producing
from workers.kafka.topics import check
from workers.settings.model import Settings


@dataclass(frozen=True, slots=True)
class Publication:
    """What was sent to how many partitions."""

    event_id: str
    digest: str
    partitions: int


def parsed(text: str, *, is_toml: bool) -> TermsBook:
    """The terms in a text, TOML or JSON.

    Raises:
        ValueError: it is neither.
        TermsError: they are wrong; names the field.
    """
    return TermsBook.parse(_with_text_dates(tomllib.loads(text) if is_toml else json.loads(text)))


def _with_text_dates(value: Any) -> Any:
    """TOML has dates, JSON has none: a document is the same whichever it was written in."""
    match value:
        case dict():
            return {name: _with_text_dates(each) for name, each in value.items()}
        case list():
            return [_with_text_dates(each) for each in value]
        case date():
            return value.isoformat()
    return value


async def require_to_follow(connection: Connection, book: TermsBook) -> list[TermsInForce]:
    """Make sure that terms may follow those in force; gives the latter.

    Raises:
        ActionRefusedError: they may not.
    """
    in_force = await figures.terms_in_force(connection)
    for present in in_force:
        try:
            TermsBook.parse(present.document).succeeded_by(book)
        except TermsError as error:
            raise ActionRefusedError(f"these terms may not follow those in force: {error}") from error
    return in_force


async def publish(
    connection: Connection, settings: Settings, book: TermsBook, occurred_at: datetime, because: Because
) -> Publication:
    """Send terms to every lane; each switches when it comes to the record.

    Args:
        connection: outside a transaction, of a member of postpay_ops.
        settings: where to send.
        book: the terms.
        occurred_at: when they were published.
        because: who publishes them, and why.

    Raises:
        ActionRefusedError: they may not follow the terms in force, or the topic is not as it must be.
    """
    in_force = await require_to_follow(connection, book)
    topic = settings.topics.prefix + Topic.TERMS
    for difference in await check(settings):
        if difference.topic == topic and difference.what in {"the topic", "partitions"}:
            raise ActionRefusedError(f"{difference}; see: postpay topics check")
    digest = book.digest.hex()
    event_id = f"terms-{digest[:16]}-{occurred_at.astimezone(UTC):%Y%m%dT%H%M%S.%f}"
    before = {"digests": sorted(each.digest.hex() for each in in_force)}
    after = {"digest": digest, "event_id": event_id, "partitions": settings.lanes}
    async with on_record(connection, because, Action.PUBLISH_TERMS, digest, before=before, after=after):
        await _send(settings, topic, _message(book, event_id, occurred_at), range(settings.lanes))
    return Publication(event_id, digest, settings.lanes)


def _message(book: TermsBook, event_id: str, occurred_at: datetime) -> bytes:
    message = {
        "event_id": event_id,
        "type": "terms.published",
        "occurred_at": occurred_at.isoformat(),
        "terms": book.document,
    }
    return json.dumps(message, ensure_ascii=False).encode()


async def _send(settings: Settings, topic: str, value: bytes, partitions: Sequence[int]) -> None:
    async with producing(settings.kafka) as producer:
        sending = [await producer.send(topic, value=value, key=b"terms", partition=lane) for lane in partitions]
        for answer in sending:
            await answer
