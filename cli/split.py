"""`postpay lane split`."""

from typing import Annotated

import typer

from cli.acting import AsOperator, Reason, acting
from cli.connections import reaching, run
from cli.output import AsJson, print_document
from cli.progress import moving_bar
from operating.more_lanes import split_lanes
from workers.settings.model import Settings

EPILOG = (
    "Example:  postpay lane split 32 --reason 'Singles Day, CHG-311'\n\n"
    "Step by step, with what producers and consumers have to do: docs/runbooks/adding-lanes.md"
)


def split(
    into: Annotated[int, typer.Argument(metavar="LANES", min=2, help="How many: a multiple of those there are.")],
    *,
    reason: Reason,
    accepted: Annotated[
        list[str] | None,
        typer.Option("--accept", metavar="CHECK", help="An invariant that need not hold, by name; may be given again."),
    ] = None,
    as_operator: AsOperator = None,
    as_json: AsJson = False,
) -> None:
    """Split every lane, so that there are LANES of them; workers and producers must be stopped.

    Nothing is decided anew: accounts and merchants move with all they have to the lanes that their keys have from now
    on. A new schema is filled beside the old one and audited. Then topics get their partitions, which can't be undone,
    and the new schema takes the old one's place, in one transaction; the old one is kept as postpay_DATE_TIME. Killed
    on its way, it is started again. Afterwards set POSTPAY_LANES everywhere, and start workers and producers.

    Exit code 1 when the number does not fit, or something is not settled or not sent.
    """
    settings = Settings.load()
    because = acting(settings, as_operator, reason)
    with reaching(settings.postgres):
        result = run(split_lanes(settings, into, because, moving_bar, accepted=accepted or ()))
    if as_json:
        print_document(result.document())
        return
    typer.echo(
        f"database {result.database_id} has {result.lanes} lanes instead of {result.lanes_before}, {result.invariants}"
        f" invariants hold; the old schema is kept as {result.kept_as}. Set POSTPAY_LANES={result.lanes} everywhere,"
        " then start workers and producers"
    )
