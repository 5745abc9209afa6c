"""What is asked for in an address or a form, read: each value is one that is expected, or the asker is told."""

import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import datetime, time, timedelta
from typing import Any, TypeVar

from console.routes import AskedWronglyError
from contracts.topics import LANE_TOPICS
from settlement.dates import BUSINESS_ZONE
from settlement.dead_letter import spelled_out
from storage.outcome_search import OutcomeFilter

Query = Mapping[str, str]
PlaceT = TypeVar("PlaceT", bound=tuple[Any, ...])

ROWS = 50
"""Of a page of a list."""

FILTERS = ("topic", "key", "event_id", "reason", "since", "until", "producer", "day")
"""What lists of outcomes are looked through by."""

DIGITS = 19
"""Of the largest number that the database has."""
KEPT = 10_000
"""Values that tokens are for; those asked for longest ago go first."""
TOKEN_LENGTH = 32
_KEY = secrets.token_bytes(32)
_kept: OrderedDict[str, tuple[Any, ...]] = OrderedDict()

ASCII = 128
_SPELLED = re.compile(r"(?:[^\\]|\\[0-3][0-7]{2}|\\\\)*")
_SPAN = re.compile(r"([0-9]{1,6})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def text(query: Query, name: str) -> str | None:
    """A text; None where it is not given, or empty.

    Raises:
        AskedWronglyError: there is in it what no text of ours has.
    """
    given = query.get(name, "").strip()
    if spelled_out(given) != given:
        raise AskedWronglyError(f"{name}: expected a text, got one with NUL or half a character in it")
    return given or None


def choice(query: Query, name: str, choices: Iterable[str], default: str | None = None) -> str | None:
    """One of some codes.

    Raises:
        AskedWronglyError: it is none of them.
    """
    given, known = text(query, name), [*choices]
    if given is None:
        return default
    if given not in known:
        raise AskedWronglyError(f"{name}: expected one of {', '.join(known)}, got {given!r}")
    return given


def instant(query: Query, name: str) -> datetime | None:
    """An instant or the beginning of a date; without an offset it is one of the business's zone.

    Raises:
        AskedWronglyError: it is neither.
    """
    given = text(query, name)
    if given is None:
        return None
    try:
        at = datetime.fromisoformat(given)
    except ValueError as error:
        raise AskedWronglyError(f"{name}: expected 2026-03-01 or 2026-03-01T09:00+08:00, got {given!r}") from error
    return at if at.tzinfo is not None else at.replace(tzinfo=BUSINESS_ZONE)


def span(query: Query, name: str) -> timedelta | None:
    """A time span such as 30m, 12h or 3d.

    Raises:
        AskedWronglyError: it is none.
    """
    given = text(query, name)
    if given is None:
        return None
    found = _SPAN.fullmatch(given)
    if found is None:
        raise AskedWronglyError(f"{name}: expected a time span such as 30m, 12h or 3d, got {given!r}")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def whole(query: Query, name: str) -> int | None:
    """A whole number from 0.

    Raises:
        AskedWronglyError: it is none.
    """
    given = text(query, name)
    if given is None:
        return None
    if not (given.isascii() and given.isdecimal()) or len(given) > DIGITS or int(given) >= 2**63:
        raise AskedWronglyError(f"{name}: expected a whole number, got {given!r}")
    return int(given)


def outcome_filter(query: Query) -> OutcomeFilter:
    """What a list of outcomes must agree with; `day` is a date of the business's zone.

    Raises:
        AskedWronglyError: a value is not what it must be.
    """
    since, until = instant(query, "since"), instant(query, "until")
    day = instant(query, "day")
    if day is not None:
        begin = datetime.combine(day.date(), time(), BUSINESS_ZONE)
        try:
            end = begin + timedelta(days=1)
        except OverflowError as error:
            raise AskedWronglyError(f"day: expected one that another day follows, got {day.date()}") from error
        since = begin if since is None else max(since, begin)
        until = end if until is None else min(until, end)
    return OutcomeFilter(
        topic=choice(query, "topic", LANE_TOPICS),
        key=text(query, "key"),
        event_id=text(query, "event_id"),
        reason=text(query, "reason"),
        since=since,
        until=until,
        producer=_producer(query),
    )


def _producer(query: Query) -> str | None:
    """A producer as lists spell it: the value of a group, or a name that somebody has typed."""
    name = text(query, "producer")
    if name is None:
        return None
    spelled = "".join(chr(byte) if byte < ASCII else f"\\{byte:03o}" for byte in name.encode())
    if _SPELLED.fullmatch(spelled) is None:
        raise AskedWronglyError(f"producer: expected what the page gave, or a name without a backslash, got {name!r}")
    return spelled


def given(query: Query, names: Iterable[str]) -> dict[str, str]:
    """What is asked for by some names, as it was given."""
    return {name: value for name in names if (value := text(query, name)) is not None}


def token(value: tuple[Any, ...]) -> str:
    """A name for a value that a page gives away to have it back later: where a list goes on, how far a bulk is.

    The value stays in this process, since it has ids that who gets the page may not see. The same value has the same
    name, so a page that is looked at again and again keeps one.
    """
    name = hmac.digest(_KEY, f"{type(value).__name__} {value!r}".encode(), "sha256").hex()[:TOKEN_LENGTH]
    _kept[name] = value
    _kept.move_to_end(name)
    while len(_kept) > KEPT:
        _kept.popitem(last=False)
    return name


def place(query: Query, kind: type[PlaceT], name: str = "after") -> PlaceT | None:
    """The value of a token, such as where a list goes on; None where none is given.

    Raises:
        AskedWronglyError: no value of this kind is kept for it.
    """
    given_ = text(query, name)
    if given_ is None:
        return None
    value = _kept.get(given_)
    if not isinstance(value, kind):
        raise AskedWronglyError(f"{name}: expected what the page gave of late, got {given_!r}; begin anew without it")
    _kept.move_to_end(given_)
    return value
