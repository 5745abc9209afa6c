"""`postpay conflicts list` and `show`."""

import json
from typing import Annotated, Any

import typer

from cli.connections import database, run
from cli.failures import EXIT_FOUND_WRONG, Failure
from cli.filters import EventId, Key, Limit, Since, Topic, Until, one_of, outcome_filter, paged
from cli.output import AsJson, people, print_document, print_json
from operating.conflicts import Contradiction, contradiction
from storage import conflicts
from storage.conflicts import Conflict, ConflictReason
from storage.outcome_search import OutcomeFilter, RecordEnd
from words.phrases import moment
from words.tables import table
from workers.settings.model import Settings

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Look at messages that contradict one with the same id."
)

TEXT_SHOWN = 60


@app.command(
    "list",
    epilog=(
        "Examples:\n\n"
        "  postpay conflicts list --topic purchase --since 2026-03-01T00:00:00+08:00\n\n"
        "  postpay conflicts list --json | jq -r .key | sort | uniq -c\n\n"
        "same_event_id: an earlier message had the event_id. same_business_id: the order, return, … is there already."
    ),
)
def list_(
    *,
    topic: Topic = None,
    key: Key = None,
    event_id: EventId = None,
    reason: Annotated[str | None, typer.Option(help="Only same_event_id or same_business_id.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 1000,
    as_json: AsJson = False,
) -> None:
    """List conflicts, the newest first; of none of them anything was settled. --json gives one line for each."""
    wanted = outcome_filter(topic, key, event_id, one_of(reason, [*ConflictReason]), since, until)
    run(_list(Settings.load(), wanted, limit, as_json=as_json))


@app.command(
    epilog=(
        "Examples:\n\n"
        "  postpay conflicts show purchase/3/1041\n\n"
        "  postpay conflicts show purchase/3/1041 --json | jq .differences"
    )
)
def show(
    conflict_id: Annotated[str, typer.Argument(metavar="ID", help="The id, topic/partition/offset, from 'list'.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show a conflict: what was taken first, what came, and in which fields they differ.

    Exit code 1 when there is none of that id.
    """
    found = run(_show(Settings.load(), conflict_id))
    if as_json:
        print_document(found.document())
        return
    console, came = people(), found.conflict.message
    known = "event_id" if found.reason is ConflictReason.SAME_EVENT_ID else "business id"
    console.print(
        f"{came.type} {came.event_id} of {came.key} came at {moment(came.decided_at)} (Asia/Shanghai) with a known"
        f" {known} and other content: nothing was changed by it."
    )
    if found.first is None:
        console.print("The message that was taken first is not there any more.")
        return
    first = found.first
    console.print(f"First came {first.event_id} at {moment(first.decided_at)}; it is {first.outcome}.")
    rows = [(each.path, _value(each.first), _value(each.came)) for each in found.differences]
    console.print(table("Differences", ("field", "first", "came"), rows) if rows else "They say the same now.")


async def _list(settings: Settings, wanted: OutcomeFilter, limit: int, *, as_json: bool) -> None:
    rows = []
    async with database(settings) as connection:

        async def page(at_most: int, after: RecordEnd | None) -> list[Conflict]:
            return await conflicts.conflicts(connection, wanted, limit=at_most, after=after)

        async for each in paged(page, lambda conflict: conflict.place, limit):
            message = each.message
            if as_json:
                print_json(each.document())
            else:
                rows.append(
                    (
                        each.conflict_id,
                        each.reason,
                        message.type,
                        message.key,
                        message.event_id,
                        moment(message.decided_at),
                    )
                )
    if not as_json:
        columns = ("id", "reason", "type", "key", "event", "decided")
        people().print(table("Conflicts", columns, rows) if rows else "no conflicts")


async def _show(settings: Settings, conflict_id: str) -> Contradiction:
    async with database(settings) as connection:
        found = await conflicts.conflict(connection, conflict_id)
        if found is None:
            raise Failure(f"no conflict {conflict_id!r}; see: postpay conflicts list", EXIT_FOUND_WRONG)
        return await contradiction(connection, found)


def _value(value: Any) -> str:
    if value is None:
        return "(none)"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= TEXT_SHOWN else text[: TEXT_SHOWN - 1] + "…"
