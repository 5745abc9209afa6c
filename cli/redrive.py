"""`postpay dead-letters redrive`."""

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import completion
from cli.acting import AsOperator, acting
from cli.connections import database, require_fitting, run
from cli.failures import EXIT_FOUND_WRONG, Failure
from cli.filters import EventId, Key, Since, Topic, Until, one_of, outcome_filter
from cli.output import AsJson, print_json
from cli.progress import bar
from operating import bulk
from operating.edits import Edit, parse_change
from operating.selection import selection
from settlement.dead_letter import DeadLetterReason
from storage.operator_log import Because
from storage.outcome_search import OutcomeFilter
from words.phrases import counted, money
from workers.settings.model import Settings

EPILOG = (
    "Examples:\n\n"
    "  postpay dead-letters redrive purchase/3/1041 --dry-run\n\n"
    "  postpay dead-letters redrive purchase/3/1041 --set plan.days=30 --set currency=CNY\n\n"
    "  postpay dead-letters redrive purchase/3/1041 --file mended.json --new-key a-17\n\n"
    "  postpay dead-letters redrive --reason unmatched --topic repayment --since 2026-03-01T00:00:00+08:00\n\n"
    "A dead letter is redriven once; what fails again is a new dead letter. As it came it keeps its event_id, so it is"
    " a duplicate if its producer was faster. Edited it gets an event_id of its own, made from the dead letter's id;"
    " the original is kept. Interrupted? The same command goes on. docs/operations.md, Redriving"
)

TOLD = 20
"""Dead letters of a bulk that are told one by one, where something is wrong with them."""

ReasonCode = Annotated[
    str | None,
    typer.Option(
        "--reason",
        metavar="CODE",
        help="Only with this reason code.",
        autocompletion=completion.dead_letter_reasons,
    ),
]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    ids: list[str]
    filter: OutcomeFilter
    limit: int | None
    edit: Edit | None
    is_dry: bool
    as_json: bool


def redrive(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]…", help="Ids from 'list', or a filter.")] = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Send nothing; decide on the live state and say what would become of it.")
    ] = False,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Change a field: plan.days=30. May be repeated."),
    ] = None,
    file: Annotated[Path | None, typer.Option(help="The whole message instead, as JSON.", dir_okay=False)] = None,
    new_key: Annotated[str | None, typer.Option(help="The record's key, where that was wrong.")] = None,
    reason: ReasonCode = None,
    topic: Topic = None,
    key: Key = None,
    event_id: EventId = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many, the oldest first.")] = None,
    why: Annotated[str | None, typer.Option(help="Why, for the operator log; default: what was asked for.")] = None,
    as_operator: AsOperator = None,
    as_json: AsJson = False,
) -> None:
    """Send dead letters again, each to the topic it came from: as it came, or edited.

    Each is checked first; what would be refused again is not sent. Exit code 1 when one was not sent, or would not be
    settled. --json gives one line for each.
    """
    wanted = Wanted(
        ids or [],
        outcome_filter(topic, key, event_id, one_of(reason, [*DeadLetterReason]), since, until),
        limit,
        _edit(changes or [], file, new_key),
        dry_run,
        as_json,
    )
    if wanted.edit is not None and len(wanted.ids) != 1:
        raise Failure("expected one ID to edit, for an edit is of one message")
    settings = Settings.load()
    because = acting(settings, as_operator, why or _asked(wanted))
    counts = run(_run(settings, wanted, because))
    if not as_json:
        parts = ", ".join(f"{number:,} {what}" for what, number in sorted(counts.items()))
        typer.echo(f"{counted(counts.total(), 'dead letter')}" + (f": {parts}" if parts else ""))
    raise typer.Exit(0 if counts.keys() <= bulk.FINE else EXIT_FOUND_WRONG)


async def _run(settings: Settings, wanted: Wanted, because: Because) -> Counter[str]:
    """Go through the dead letters; how many came out how."""
    counts: Counter[str] = Counter()
    told = 0
    async with database(settings) as connection:
        await require_fitting(settings, connection, brokers=not wanted.is_dry)
        chosen = await selection(connection, wanted.ids, wanted.filter, wanted.limit)
        total = await chosen.count(connection)
        steps = (
            bulk.rehearsed(connection, settings, chosen, wanted.edit)
            if wanted.is_dry
            else bulk.redriven(connection, settings, chosen, because, wanted.edit)
        )
        with bar("deciding" if wanted.is_dry else "sending", total) as shown:
            async for line in (line async for step in steps for line in step.documents):
                counts[line["status"]] += 1
                shown.tell(counts.total())
                if wanted.as_json:
                    print_json(line)
                elif wanted.ids or (line["status"] not in bulk.FINE and told < TOLD):
                    told += 1
                    typer.echo(_in_words(line))
    return counts


def _in_words(line: dict[str, Any]) -> str:
    would = "would be " if "reasons" in line else ""
    parts = [f"{line['id']}: {would}{line['status'].replace('_', ' ')}"]
    parts += [line["reason"]] if line.get("reason") else []
    parts += [f"waits for {line['waits_for']}"] if line.get("waits_for") else []
    parts += [f"as {line['event_id']}"] if line["event_id"] else []
    parts += [line["detail"]] if line.get("detail") else []
    booked = [
        f"  {money(each['amount_minor'], each['currency'])} {each['debit']} → {each['credit']}"
        for each in line.get("postings", ())
    ]
    sent = [f"  sends {each}" for each in line.get("outputs", ())]
    woken = [f"  settles {each}, which waits for it" for each in line.get("wakes", ())]
    return "\n".join([", ".join(parts), *booked, *sent, *woken])


def _edit(changes: list[str], file: Path | None, new_key: str | None) -> Edit | None:
    if not changes and file is None and new_key is None:
        return None
    try:
        body = None if file is None else file.read_bytes()
    except OSError as error:
        raise Failure(f"expected a file with one JSON object, got {file} ({error.strerror})") from error
    return Edit([parse_change(each) for each in changes], body, new_key)


def _asked(wanted: Wanted) -> str:
    """What was asked for, as the reason nobody gave."""
    if wanted.ids:
        return "redriven edited, by id" if wanted.edit else "redriven by id"
    asked = {name: value for name, value in asdict(wanted.filter).items() if value is not None}
    return "redriven all with " + ", ".join(f"{name} {value}" for name, value in asked.items())
