"""`postpay parked list`."""

from datetime import timedelta
from typing import Annotated

import typer

from cli.connections import database, run
from cli.filters import EventId, Key, Limit, Since, Topic, Until, duration, outcome_filter, paged
from cli.output import AsJson, people, print_json
from storage import parked
from storage.outcome_search import OutcomeFilter, RecordEnd
from storage.parked import WaitingInput
from words.phrases import moment
from words.tables import table
from workers.settings.model import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Look at messages that wait for what they name.")


@app.callback()
def parked_() -> None:
    """Look at messages that wait for what they name."""


@app.command(
    "list",
    epilog=(
        "Examples:\n\n"
        "  postpay parked list --older-than 12h\n\n"
        "  postpay parked list --waits-for order:o-17\n\n"
        "  postpay parked list --waits-for order --json | jq -r .waits_for | sort | uniq -c"
    ),
)
def list_(
    *,
    older_than: Annotated[
        str | None, typer.Option(metavar="SPAN", help="Only what has waited so long: 30m, 12h, 3d; by lane time.")
    ] = None,
    waits_for: Annotated[
        str | None,
        typer.Option("--waits-for", "--reason", help="Only what waits for this, order:o-17, or for this kind, order."),
    ] = None,
    topic: Topic = None,
    key: Key = None,
    event_id: EventId = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 1000,
    as_json: AsJson = False,
) -> None:
    """List what is parked, the newest first; --json gives one line for each.

    It is settled the moment that what it names comes, and a dead letter `unmatched` when its time is over.
    """
    wanted = outcome_filter(topic, key, event_id, waits_for, since, until)
    run(_list(Settings.load(), wanted, duration(older_than), limit, as_json=as_json))


async def _list(
    settings: Settings, wanted: OutcomeFilter, older_than: timedelta | None, limit: int, *, as_json: bool
) -> None:
    rows = []
    async with database(settings) as connection:

        async def page(at_most: int, after: RecordEnd | None) -> list[WaitingInput]:
            return await parked.waiting_inputs(connection, wanted, older_than=older_than, limit=at_most, after=after)

        async for each in paged(page, lambda waiting: waiting.place, limit):
            row = each.row
            if as_json:
                print_json(each.document())
            else:
                rows.append(
                    (row.type, row.party.id, row.event_id, row.waits_for, moment(row.parked_at), moment(each.until))
                )
    if not as_json:
        columns = ("type", "key", "event", "waits for", "since", "until")
        people().print(table("Parked", columns, rows) if rows else "nothing is parked")
