"""Logs: one JSON line (or a readable one) per event on standard output, without anything personal.

Only fields named here are written; ids are masked to their last characters. What Faust and aiokafka say goes the same
way. A state that lasts is told once, when it begins, and once when it ends.
"""

import asyncio
import logging
import sys
import traceback
from collections import Counter
from collections.abc import Hashable, Iterator
from typing import TextIO

import structlog
from aiokafka.errors import KafkaError
from structlog.types import EventDict, ExcInfo, Processor, WrappedLogger

from storage.database import first_line, is_transient
from workers.settings.model import Log

# What may be written. Evidence URIs, contacts, names, free texts and whole messages are not here and never get out.
PLAIN_FIELDS = frozenset(
    {
        "attempt",
        "backlog",
        "batch_seq",
        "from_batch",
        "to_batch",
        "bytes",
        "check",
        "clock",
        "cluster_id",
        "database_id",
        "detail",
        "epoch",
        "error",
        "expected",
        "found",
        "group",
        "host",
        "lag_records",
        "lag_seconds",
        "lane",
        "lanes",
        "limit",
        "migration",
        "offset",
        "outcome",
        "partition",
        "pid",
        "port",
        "positions",
        "prefix",
        "profile",
        "reason",
        "records",
        "rules_version",
        "seconds",
        "signal",
        "skew_seconds",
        "state",
        "timers",
        "token",
        "topic",
        "topics",
        "type",
        "url",
        "version",
        "wait_seconds",
        "worker",
    }
)
MASKED_FIELDS = frozenset(
    {"account_id", "debit_id", "deposit_id", "event_id", "key", "merchant_id", "order_id", "party", "repayment_id"}
    | {"request_id", "return_id"}
)
# What structlog itself puts on a line.
OWN_FIELDS = frozenset({"event", "exception", "level", "logger", "timestamp"})
SHOWN_OF_AN_ID = 4
# These tell every step they take (some 40 lines at a start) or every attempt in an outage; at debug whole requests, so
# records and passwords.
QUIET_LOGGERS = frozenset({"aiokafka", "asyncio", "asyncpg", "faust", "mode", "opentelemetry", "workers.kafka"})
"""The last one is Faust as well: it logs under the names of the modules that extend it, and these say nothing."""
OUTAGES = (KafkaError, OSError, TimeoutError, asyncio.CancelledError)
"""What another library's error is when a server is away, besides what is_transient knows."""
REPEATED_WITHIN_S = 60.0
TEMPLATE_LENGTH = 40
TEMPLATES_REMEMBERED = 1000
LEFT_OUT = "lines of one event were left out"
BOUNDED_LINES = 20
BOUNDED_PERIOD_S = 60.0
"""A message that fails is told the moment it does, and a million that fail cost twenty lines a minute."""

__all__ = ["Bounded", "ChangeOfState", "configure", "get"]


def configure(log: Log, stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's logging to one place; calling it again replaces what was there.

    Args:
        log: format and least level.
        stream: standard output unless given.
    """
    shared: list[Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(brief_traceback),
        only_allowed,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
        if log.format == "json"
        else structlog.dev.ConsoleRenderer(colors=(stream or sys.stdout).isatty())
    )
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.addFilter(OnlyTheUnexpected(everything=log.level == "debug"))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(log.level.upper())
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO if log.level == "debug" else max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def get(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger; `get(__name__).warning("database away", lane=3, error=…)`."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


class OnlyTheUnexpected(logging.Filter):
    """Lets a line of another library's through when it tells of an error that no outage explains, and not a minute ago.

    Of servers that are away postpay tells in its own words, once. aiokafka says it of every partition and attempt, some
    hundred lines a second; asyncpg's pool adds a whole traceback for every attempt. At debug all of it comes.

    Args:
        everything: let all through that was not said a minute ago.
    """

    def __init__(self, *, everything: bool) -> None:
        super().__init__()
        self._everything = everything
        self._said_at: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write it."""
        if not any(record.name == name or record.name.startswith(f"{name}.") for name in QUIET_LOGGERS):
            return True
        if not (self._everything or _is_unexpected(record)):
            return False
        # The template, not the text: the text names the partition, the offset, the attempt.
        template = (record.name, str(record.msg)[:TEMPLATE_LENGTH])
        before = self._said_at.get(template, float("-inf"))
        if len(self._said_at) >= TEMPLATES_REMEMBERED:
            self._said_at.clear()
        self._said_at[template] = record.created
        return record.created - before > REPEATED_WITHIN_S


def _is_unexpected(record: logging.LogRecord) -> bool:
    if record.levelno >= logging.CRITICAL:
        return True
    error = record.exc_info[1] if record.exc_info else None
    if error is None:  # without an exception asyncio warns of what nobody waited for, OpenTelemetry of a collector
        return record.name.partition(".")[0] in {"asyncio", "opentelemetry"} and record.levelno >= logging.WARNING
    return not (isinstance(error, OUTAGES) or is_transient(error))


class Bounded:
    """Writes at most so many lines of an event in a while, then one that says how many were left out. In an event loop.

    Args:
        logger: what writes.
        most: lines of each event.
        period_s: from the first line of any event on.
    """

    def __init__(
        self, logger: structlog.stdlib.BoundLogger, most: int = BOUNDED_LINES, period_s: float = BOUNDED_PERIOD_S
    ) -> None:
        self._logger = logger
        self._most = most
        self._period_s = period_s
        self._came: Counter[str] = Counter()

    def write(self, event: str, *, level: str = "warning", **fields: object) -> None:
        """Log the event, unless there were too many of it."""
        if not self._came:
            asyncio.get_running_loop().call_later(self._period_s, self._end)
        self._came[event] += 1
        if self._came[event] <= self._most:
            getattr(self._logger, level)(event, **fields)

    def _end(self) -> None:
        for event, came in self._came.items():
            if came > self._most:
                self._logger.warning(LEFT_OUT, detail=event, records=came - self._most, seconds=self._period_s)
        self._came.clear()


class ChangeOfState:
    """Says what lasts only when it changes, so that an outage of an hour is two lines and not ten thousand."""

    def __init__(self, logger: structlog.stdlib.BoundLogger) -> None:
        self._logger = logger
        self._states: dict[Hashable, str] = {}

    def enter(self, subject: Hashable, state: str, *, level: str = "warning", **fields: object) -> bool:
        """Log `state` unless the subject is in it already; whether it was logged."""
        if self._states.get(subject) == state:
            return False
        self._states[subject] = state
        getattr(self._logger, level)(state, **fields)
        return True

    def leave(self, subject: Hashable, event: str, **fields: object) -> bool:
        """Log `event` if the subject was in some state; whether it was logged."""
        if self._states.pop(subject, None) is None:
            return False
        self._logger.info(event, **fields)
        return True


def only_allowed(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Leave out every field that is not named above, and say which were; show only the end of ids."""
    internal = {name: value for name, value in event.items() if name.startswith("_")}
    allowed = {name: value for name, value in event.items() if name in PLAIN_FIELDS or name in OWN_FIELDS}
    masked_ids = {name: masked(value) for name, value in event.items() if name in MASKED_FIELDS}
    withheld = sorted(event.keys() - internal.keys() - allowed.keys() - masked_ids.keys() - {"exc_info", "stack_info"})
    if withheld:
        allowed["withheld"] = withheld
    return {**allowed, **masked_ids, **internal}


def masked(value: object) -> str:
    """Return the last characters of an id, enough to recognise it beside the whole one; nothing of a short one."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return "…" + text[-SHOWN_OF_AN_ID:] if len(text) > 2 * SHOWN_OF_AN_ID else "…"


def brief_traceback(exc_info: ExcInfo) -> str:
    """Frames, and of each message what may be told of it."""
    return "\n".join(_told(exc_info[1], set()))


def _told(error: BaseException, told: set[int]) -> Iterator[str]:
    told.add(id(error))
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None and id(earlier) not in told:
        yield from _told(earlier, told)
        yield "\nthe cause of:\n" if earlier is error.__cause__ else "\nand while it was handled:\n"
    if error.__traceback__ is not None:
        yield "Traceback (most recent call last):"
        yield from (frame.rstrip("\n") for frame in traceback.format_tb(error.__traceback__))
    kind, said = type(error).__name__, first_line(error)
    yield kind if said == kind else f"{kind}: {said}"
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _told(each, told)
