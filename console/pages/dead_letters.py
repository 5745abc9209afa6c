"""*Dead letters*: what could not be understood or settled, in groups and one by one, and what was done about each."""

import json
from collections.abc import Mapping
from typing import Any

from console import queries
from console.facets import facets
from console.paging import turns
from console.queries import FILTERS, ROWS, Query
from console.rendering import link
from console.routes import Asked, Page
from settlement.dead_letter import DeadLetter, DeadLetterReason
from storage import dead_letters, operator_log
from storage.dead_letters import LetterStory
from storage.operator_log import LogFilter
from storage.outcome_search import OutcomeFilter, PageEnd

PATH = "/dead-letters"
LETTER_PATH = "/dead-letter"

STATES: Mapping[str, bool | None] = {"open": True, "done": False, "all": None}
"""Which are listed: by whether they are open."""

ENTRIES_SHOWN = 50
LONGEST_SHOWN = 64 * 1024
"""Bytes of a record that are shown, and that may be edited in the page."""


async def read(asked: Asked) -> Mapping[str, Any]:
    """Those that agree with what is asked for, the newest first, and all of these in groups."""
    query, connection = asked.query, asked.connection
    state = queries.choice(query, "state", STATES, "open") or "open"
    wanted = letter_filter(query)
    after = queries.place(query, PageEnd)
    letters = await dead_letters.dead_letters(connection, wanted, is_open=STATES[state], limit=ROWS + 1, after=after)
    shown = await dead_letters.stories(connection, letters[:ROWS])
    groups = await dead_letters.letter_groups(connection, wanted, is_open=STATES[state])
    chosen = queries.given(query, (*FILTERS, "state"))
    return {
        "state": state,
        "given": queries.given(query, FILTERS),
        "looks": [{"state": each, "look": link(PATH, **{**chosen, "state": each})} for each in STATES],
        "facets": facets(groups, PATH, chosen),
        "rows": [_row(each) for each in shown],
        **turns(PATH, chosen, letters, ROWS, after),
    }


def letter_filter(query: Query) -> OutcomeFilter:
    """What is asked for of them.

    Raises:
        AskedWronglyError: a value is not what it must be.
    """
    queries.choice(query, "reason", [*DeadLetterReason])
    return queries.outcome_filter(query)


async def read_letter(asked: Asked) -> Mapping[str, Any] | None:
    """One by its `id`: why, the record as it came, and everything that was done about it."""
    kept = await dead_letters.dead_letter(asked.connection, queries.text(asked.query, "id") or "")
    if kept is None:
        return None
    (story,) = await dead_letters.stories(asked.connection, [kept])
    entries = await operator_log.entries(asked.connection, LogFilter(subject=kept.letter.dead_letter_id), ENTRIES_SHOWN)
    return {
        **_row(story),
        "headers": [{"name": name, "value": value} for name, value in kept.record_document()["headers"]],
        "size_bytes": None if kept.letter.raw is None else len(kept.letter.raw),
        "body": body_shown(kept.letter),
        "is_editable": is_editable(kept.letter),
        "is_open": kept.closed_entry is None,
        "is_closed": story.closed is not None,
        "entries": entries,
    }


def _row(story: LetterStory) -> dict[str, Any]:
    told = story.document()
    told["reason_code"] = told.pop("reason")
    redrive = told["redrive"]
    ends = ("closed" if story.closed is not None else "redriven") if story.kept.closed_entry is not None else None
    return {**told, "state": ends or ("open" if redrive is None else f"redrive_{redrive['outcome']}")}


def is_editable(letter: DeadLetter) -> bool:
    """Whether there is a message, short enough to be changed in the page."""
    return letter.source is not None and len(letter.raw or b"") <= LONGEST_SHOWN


def body_shown(letter: DeadLetter) -> str:
    """The record's value as text: JSON laid out for people, or else the bytes as they came, spelled out."""
    raw = (letter.raw or b"")[:LONGEST_SHOWN]
    try:
        parsed = json.loads(raw)
        if isinstance(parsed, dict):
            return json.dumps(parsed, ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        pass
    text = raw.decode(errors="backslashreplace")
    return "".join(each if each.isprintable() or each in "\n\t" else repr(each)[1:-1] for each in text)


PAGE = Page("dead_letters", PATH, read)
LETTER = Page("letter", LETTER_PATH, read_letter)
