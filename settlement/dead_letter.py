"""Dead letters as values: what could not be understood, matched or decided, and why.

One value goes to Postgres and to Kafka, so that both tell the same. Source: docs/messages.md, Dead letters.
"""

import traceback
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from settlement.messages import Input, Source
from settlement.timers import Timer

MAX_DETAIL = 2000
"""Characters of a detail that everybody reads."""


class DeadLetterReason(StrEnum):
    """Why something ends as a dead letter, in the order in which a record is checked.

    The codes are public: they change only by adding. docs/messages.md, Reason codes, and the runbook dead-letters list
    them.
    """

    BAD_ORIGIN = "bad_origin"
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    BYTE_ORDER_MARK = "byte_order_mark"
    NUL = "nul"
    BAD_UTF8 = "bad_utf8"
    NOT_JSON = "not_json"
    TOO_DEEP = "too_deep"
    LONE_SURROGATE = "lone_surrogate"
    DUPLICATE_KEY = "duplicate_key"
    WRONG_SHAPE = "wrong_shape"
    UNKNOWN_TYPE = "unknown_type"
    BAD_VERSION = "bad_version"
    MISSING_FIELD = "missing_field"
    WRONG_FIELD = "wrong_field"
    KEY_MISMATCH = "key_mismatch"
    # Found later than by decoding.
    MISROUTED = "misrouted"
    TIME_JUMP = "time_jump"
    TERMS_INVALID = "terms_invalid"
    CALENDAR_UNKNOWN = "calendar_unknown"
    UNMATCHED = "unmatched"
    AMOUNT_OVERFLOW = "amount_overflow"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record or timer that had no other outcome.

    Args:
        source: the record, where it was produced to (the origin, if it was re-routed); None of a timer.
        timer_id: the timer, of one that failed.
        reason: why.
        detail: what was expected, what came and where. It is made so that Postgres and JSON can hold it: NUL and lone
            surrogates are spelled out. Of a defect the lines after the first are a traceback, see `told`.
        decided_at: lane time.
        key: the record's, or the id of the timer's party. Inputs of no party have none.
        raw: the record's value as it came, of any size.
        event_id: where it could be read, as are `type` and `occurred_at`; a timer has the latter two.
        type: of the message, or the timer's kind.
        occurred_at: or when the timer was due.
        headers: the record's, in part.
    """

    source: Source | None
    timer_id: str | None
    reason: DeadLetterReason
    detail: str
    decided_at: datetime
    key: bytes | None
    raw: bytes | None
    event_id: str | None = None
    type: str | None = None
    occurred_at: datetime | None = None
    headers: tuple[tuple[str, bytes], ...] = ()

    def __post_init__(self) -> None:
        spelled = spelled_out(self.detail)
        detail = spelled if self.reason is DeadLetterReason.INTERNAL_ERROR else spelled[:MAX_DETAIL]
        object.__setattr__(self, "detail", detail)

    @property
    def dead_letter_id(self) -> str:
        """The record's position, for it has one outcome only; or the timer's id."""
        if self.source is None:
            return self.timer_id or ""
        return self.source.name

    @property
    def told(self) -> str:
        """The detail as other services read it: of a defect its first line, for a traceback may hold private values."""
        if self.reason is DeadLetterReason.INTERNAL_ERROR:
            return self.detail.partition("\n")[0][:MAX_DETAIL]
        return self.detail


def of_input(message: Input, reason: DeadLetterReason, detail: str, decided_at: datetime) -> DeadLetter:
    """The dead letter of an input that was understood but could not be settled."""
    trace = message.traceparent
    return DeadLetter(
        message.source,
        None,
        reason,
        detail,
        decided_at,
        None if message.party is None else message.party.id.encode(),
        message.raw,
        message.event_id,
        message.type,
        message.occurred_at,
        () if trace is None else (("traceparent", trace.encode()),),
    )


def of_timer(timer: Timer, reason: DeadLetterReason, detail: str, decided_at: datetime) -> DeadLetter:
    """The dead letter of a timer that failed."""
    return DeadLetter(
        None,
        timer.timer_id,
        reason,
        detail,
        decided_at,
        timer.party.id.encode(),
        None,
        type=timer.kind,
        occurred_at=timer.due_at,
    )


def defect(error: Exception) -> str:
    """The detail of an `internal_error`: kind and place of what was raised, without a value; then the traceback."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    first = f"{type(error).__name__} in {place.name}, line {place.lineno}: a defect of postpay, please report it"
    return "".join([first, "\n", *traceback.format_exception(error)]).rstrip("\n")


def spelled_out(text: str) -> str:
    """Spell out what a Postgres text and JSON can't hold: NUL and lone surrogates, both found in broken input."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")
