"""`postpay dead-letters list`, `show` and `redrive`."""

import base64
from typing import Annotated, Any

import typer

from cli import redrive
from cli.connections import database, run
from cli.failures import EXIT_FOUND_WRONG, Failure
from cli.filters import EventId, Key, Limit, Since, Topic, Until, one_of, outcome_filter, paged
from cli.output import AsJson, people, print_document, print_json
from settlement.dead_letter import DeadLetter, DeadLetterReason
from storage import dead_letters, operator_log
from storage.dead_letters import KeptLetter
from storage.operator_log import Action, LogEntry, LogFilter
from storage.outcome_search import OutcomeFilter, PageEnd
from words.phrases import moment
from words.tables import table
from workers.settings.model import Settings

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Look at input that could not be understood or settled, and send it again.",
)
app.command(epilog=redrive.EPILOG)(redrive.redrive)

TEXT_SHOWN = 2_000
ENTRIES_SHOWN = 100


@app.command(
    "list",
    epilog=(
        "Examples:\n\n"
        "  postpay dead-letters list --reason key_mismatch --topic purchase\n\n"
        "  postpay dead-letters list --json | jq -r .reason | sort | uniq -c"
    ),
)
def list_(
    *,
    reason: redrive.ReasonCode = None,
    topic: Topic = None,
    key: Key = None,
    event_id: EventId = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 1000,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the newest first; --json gives one line for each.

    The time is when it became one. What was redriven is told: its message has gone out again.
    """
    wanted = outcome_filter(topic, key, event_id, one_of(reason, [*DeadLetterReason]), since, until)
    run(_list(Settings.load(), wanted, limit, as_json=as_json))


@app.command(
    epilog=(
        "Examples:\n\n"
        "  postpay dead-letters show purchase/3/1041\n\n"
        "  postpay dead-letters show purchase/3/1041 --json | jq -r .value.base64 | base64 -d"
    )
)
def show(
    dead_letter_id: Annotated[str, typer.Argument(metavar="ID", help="The id, topic/partition/offset, from 'list'.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter: why, in detail, and the record as it came. Exit code 1 when there is none of that id."""
    settings = Settings.load()
    kept, redrives = run(_show(settings, dead_letter_id))
    if as_json:
        latest = next((each for each in redrives if each.outcome == "done"), redrives[0] if redrives else None)
        told = {"redrives": [each.document() for each in redrives]}
        print_document({**_as_json(kept, latest), **_record(kept.letter), **told})
        return
    console, letter = people(), kept.letter
    origin = f"timer {letter.timer_id}" if letter.source is None else letter.dead_letter_id
    console.print(f"{origin} was dead-lettered at {moment(letter.decided_at)} (Asia/Shanghai): {letter.reason}")
    console.print(letter.detail)
    console.print(f"key    {_text(letter.key)}")
    for name, value in letter.headers:
        console.print(f"header {name}: {_text(value)}")
    size = "none (tombstone)" if letter.raw is None else f"{len(letter.raw):,} bytes"
    console.print(f"value  {size}")
    console.print(_text(letter.raw)[:TEXT_SHOWN])
    for each in reversed(redrives):
        after = each.document()["after"]
        console.print(
            f"redrive {each.outcome} at {moment(each.at)} by {each.operator}:"
            f" {after.get('event_id') or after.get('error')}"
        )


async def _list(settings: Settings, wanted: OutcomeFilter, limit: int, *, as_json: bool) -> None:
    rows = []
    async with database(settings) as connection:

        async def page(at_most: int, after: PageEnd | None) -> list[tuple[KeptLetter, LogEntry | None]]:
            found = await dead_letters.dead_letters(connection, wanted, limit=at_most, after=after)
            ids = [kept.letter.dead_letter_id for kept in found]
            redriven = await operator_log.latest(connection, Action.REDRIVE, ids)
            return [(kept, redriven.get(kept.letter.dead_letter_id)) for kept in found]

        async for kept, redriven in paged(page, lambda found: found[0].place, limit):
            if as_json:
                print_json(_as_json(kept, redriven))
            else:
                rows.append(_row(kept.letter, redriven))
    if not as_json:
        columns = ("id", "reason", "type", "key", "event", "decided", "redriven")
        people().print(table("Dead letters", columns, rows) if rows else "no dead letters")


def _row(letter: DeadLetter, redriven: LogEntry | None) -> tuple[object, ...]:
    return (
        letter.dead_letter_id,
        letter.reason,
        letter.type,
        _text(letter.key),
        letter.event_id,
        moment(letter.decided_at),
        "" if redriven is None else f"{redriven.outcome} {moment(redriven.at)}",
    )


async def _show(settings: Settings, dead_letter_id: str) -> tuple[KeptLetter, list[LogEntry]]:
    async with database(settings) as connection:
        kept = await dead_letters.dead_letter(connection, dead_letter_id)
        if kept is None:
            raise Failure(f"no dead letter {dead_letter_id!r}; see: postpay dead-letters list", EXIT_FOUND_WRONG)
        wanted = LogFilter(action=Action.REDRIVE, subject=dead_letter_id)
        return kept, await operator_log.entries(connection, wanted, ENTRIES_SHOWN)


def _as_json(kept: KeptLetter, redriven: LogEntry | None) -> dict[str, Any]:
    """What `list` gives of each; the record itself is left to `show`, it may be large."""
    lane, letter = kept
    source = letter.source
    return {
        "id": letter.dead_letter_id,
        "reason": letter.reason,
        "detail": letter.detail,
        "topic": None if source is None else source.topic,
        "partition": None if source is None else source.partition,
        "offset": None if source is None else source.offset,
        "lane": lane,
        "key": _json_text(letter.key),
        "event_id": letter.event_id,
        "timer_id": letter.timer_id,
        "type": letter.type,
        "occurred_at": letter.occurred_at,
        "decided_at": letter.decided_at,
        "redrive": None if redriven is None else {"outcome": redriven.outcome, "at": redriven.at},
    }


def _record(letter: DeadLetter) -> dict[str, Any]:
    """The record as it came; its value always as the bytes, because they are what is wrong."""
    value = None if letter.raw is None else {"base64": base64.b64encode(letter.raw).decode()}
    return {"headers": [[name, _json_text(header)] for name, header in letter.headers], "value": value}


def _json_text(raw: bytes | None) -> Any:
    if raw is None:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}


def _text(raw: bytes | None) -> str:
    """Bytes for a terminal: control characters, which could take it over, are shown as what they are."""
    text = "" if raw is None else raw.decode(errors="backslashreplace")
    return "".join(
        character if character.isprintable() or character == "\n" else repr(character)[1:-1] for character in text
    )
