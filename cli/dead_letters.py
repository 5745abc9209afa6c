"""`postpay dead-letters list` and `show`."""

import base64
from typing import Annotated, Any

import typer

from cli.connections import database, run
from cli.failures import EXIT_FOUND_WRONG, Failure
from cli.output import AsJson, people, print_document, print_lines
from settlement.dead_letter import DeadLetter, DeadLetterReason
from storage import dead_letters
from storage.dead_letters import KeptLetter
from words.phrases import moment
from words.tables import table
from workers.settings.model import Settings

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Look at input that could not be understood or settled."
)

TEXT_SHOWN = 2_000


@app.command(
    "list",
    epilog=(
        "Examples:\n\n"
        "  postpay dead-letters list --reason key_mismatch\n\n"
        "  postpay dead-letters list --json | jq -r .reason | sort | uniq -c"
    ),
)
def list_(
    *,
    reason: Annotated[str | None, typer.Option(help="Only those with this reason code.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the newest first; --json gives one line for each."""
    known = [each.value for each in DeadLetterReason]
    if reason is not None and reason not in known:
        raise Failure(f"expected a reason code ({', '.join(known)}), got {reason!r}")
    settings = Settings.load()
    found = run(_list(settings, reason, limit))
    if as_json:
        print_lines(_as_json(kept) for kept in found)
        return
    rows = [
        (
            letter.dead_letter_id,
            letter.reason,
            letter.type,
            _text(letter.key),
            letter.event_id,
            moment(letter.decided_at),
        )
        for _, letter in found
    ]
    columns = ("id", "reason", "type", "key", "event", "decided")
    people().print(table("Dead letters", columns, rows) if rows else "no dead letters")


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
    kept = run(_show(settings, dead_letter_id))
    if kept is None:
        raise Failure(f"no dead letter {dead_letter_id!r}; see: postpay dead-letters list", EXIT_FOUND_WRONG)
    if as_json:
        print_document({**_as_json(kept), **_record(kept.letter)})
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


async def _list(settings: Settings, reason: str | None, limit: int) -> list[KeptLetter]:
    async with database(settings) as connection:
        return await dead_letters.dead_letters(connection, reason=reason, limit=limit)


async def _show(settings: Settings, dead_letter_id: str) -> KeptLetter | None:
    async with database(settings) as connection:
        return await dead_letters.dead_letter(connection, dead_letter_id)


def _as_json(kept: KeptLetter) -> dict[str, Any]:
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
