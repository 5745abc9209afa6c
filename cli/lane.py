"""`postpay lane …`."""

from dataclasses import asdict
from typing import Annotated

import typer

from cli import completion
from cli.acting import AsOperator, Reason, acting
from cli.connections import database, run
from cli.output import AsJson, print_document
from cli.split import EPILOG as SPLIT_EPILOG
from cli.split import split
from operating.gaps import AcceptedGap, accept_gap
from storage.operator_log import Because
from workers.settings.model import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def lane() -> None:
    """Let a lane go on whose input is lost, or split all lanes into more."""


app.command(epilog=SPLIT_EPILOG)(split)


@app.command(
    "accept-gap",
    epilog=(
        "Example:  postpay lane accept-gap 3 purchase 1041 --reason 'disk of broker 2 lost, INC-88'\n\n"
        "First look for the records elsewhere: what lies below OFFSET is never settled. docs/runbooks/lane-stopped.md"
    ),
)
def accept(
    lane: Annotated[int, typer.Argument(metavar="LANE", help="The lane that stopped: postpay lag, /readyz.")],
    topic: Annotated[
        str, typer.Argument(metavar="TOPIC", help="The topic, without prefix.", autocompletion=completion.lane_topics)
    ],
    offset: Annotated[int, typer.Argument(metavar="OFFSET", help="The first offset that is there.")],
    *,
    reason: Reason,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    as_operator: AsOperator = None,
    as_json: AsJson = False,
) -> None:
    """Accept that a lane's input below an offset is lost. The lane goes on there by itself, or when it is claimed.

    Exit code 1 when there is no such lane or topic, or the lane goes on at that offset already.
    """
    settings = Settings.load()
    gap = run(_accept(settings, lane, topic, offset, acting(settings, as_operator, reason), dry_run=dry_run))
    if as_json:
        print_document({**asdict(gap), "dry_run": dry_run})
        return
    would = "would go" if dry_run else "goes"
    typer.echo(f"lane {lane} {would} on at offset {offset} of {topic}, instead of at {gap.offset_before}")


async def _accept(
    settings: Settings, lane: int, topic: str, offset: int, because: Because, *, dry_run: bool
) -> AcceptedGap:
    async with database(settings) as connection:
        return await accept_gap(connection, lane, topic, offset, because, dry_run=dry_run)
