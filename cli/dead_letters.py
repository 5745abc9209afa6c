"""`postpay dead-letters list`, `show`, `redrive`, `close` and `reopen`."""

from typing import Annotated

import typer

from cli import closing, redrive
from cli.connections import database, run
from cli.failures import EXIT_FOUND_WRONG, Failure
from cli.filters import EventId, Key, Limit, Since, Topic, Until, one_of, outcome_filter, paged
from cli.output import AsJson, people, print_document, print_json
from settlement.dead_letter import DeadLetterReason
from storage import dead_letters, operator_log
from storage.dead_letters import LetterStory
from storage.operator_log import Action, LogEntry, LogFilter
from storage.outcome_search import OutcomeFilter, PageEnd
from words.phrases import moment
from words.tables import table
from workers.settings.model import Settings

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Look at input that could not be understood or settled, and send it again or close it.",
)
app.command(epilog=redrive.EPILOG)(redrive.redrive)
app.command(epilog=closing.EPILOG)(closing.close)
app.command(epilog=closing.EPILOG_OF_REOPEN)(closing.reopen)

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
    closed: Annotated[bool, typer.Option("--closed", help="Those that are done with: redriven, or closed.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Open ones and those that are done with.")] = False,
    limit: Limit = 1000,
    as_json: AsJson = False,
) -> None:
    """List dead letters that are open, the newest first; --json gives one line for each.

    The time is when it became one. What was redriven or closed is done with: --closed, --all.
    """
    wanted = outcome_filter(topic, key, event_id, one_of(reason, [*DeadLetterReason]), since, until)
    run(_list(Settings.load(), wanted, limit, is_open=None if everything else not closed, as_json=as_json))


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
    story, redrives = run(_show(settings, dead_letter_id))
    if as_json:
        told = {"redrives": [each.document() for each in redrives]}
        print_document({**story.document(), **story.kept.record_document(), **told})
        return
    console, letter = people(), story.kept.letter
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
    if story.closed is not None:
        console.print(f"closed at {moment(story.closed.at)} by {story.closed.operator}: {story.closed.reason}")


async def _list(settings: Settings, wanted: OutcomeFilter, limit: int, *, is_open: bool | None, as_json: bool) -> None:
    rows = []
    async with database(settings) as connection:

        async def page(at_most: int, after: PageEnd | None) -> list[LetterStory]:
            found = await dead_letters.dead_letters(connection, wanted, is_open=is_open, limit=at_most, after=after)
            return await dead_letters.stories(connection, found)

        async for story in paged(page, lambda found: found.kept.place, limit):
            if as_json:
                print_json(story.document())
            else:
                rows.append(_row(story))
    if not as_json:
        columns = ("id", "reason", "type", "key", "event", "decided", "done about it")
        people().print(table("Dead letters", columns, rows) if rows else "no dead letters")


def _row(story: LetterStory) -> tuple[object, ...]:
    letter, closed, redrive_ = story.kept.letter, story.closed, story.redrive
    done = "" if redrive_ is None else f"redrive {redrive_.outcome} {moment(redrive_.at)}"
    return (
        letter.dead_letter_id,
        letter.reason,
        letter.type,
        _text(letter.key),
        letter.event_id,
        moment(letter.decided_at),
        done if closed is None else f"closed {moment(closed.at)}",
    )


async def _show(settings: Settings, dead_letter_id: str) -> tuple[LetterStory, list[LogEntry]]:
    async with database(settings) as connection:
        kept = await dead_letters.dead_letter(connection, dead_letter_id)
        if kept is None:
            raise Failure(f"no dead letter {dead_letter_id!r}; see: postpay dead-letters list", EXIT_FOUND_WRONG)
        wanted = LogFilter(action=Action.REDRIVE, subject=dead_letter_id)
        (story,) = await dead_letters.stories(connection, [kept])
        return story, await operator_log.entries(connection, wanted, ENTRIES_SHOWN)


def _text(raw: bytes | None) -> str:
    """Bytes for a terminal: control characters, which could take it over, are shown as what they are."""
    text = "" if raw is None else raw.decode(errors="backslashreplace")
    return "".join(
        character if character.isprintable() or character == "\n" else repr(character)[1:-1] for character in text
    )
