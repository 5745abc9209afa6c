"""`postpay migrate`."""

from importlib.metadata import version

import typer

from cli.acting import AsOperator, acting
from cli.connections import reaching, run
from cli.output import AsJson, print_document
from settlement.terms import TermsBook
from storage.migrations import migrate as bring_up
from workers.settings.model import Settings

app = typer.Typer(add_completion=False)


@app.command(
    epilog=(
        "Example:  POSTPAY_POSTGRES__DSN=postgresql://owner@db/postpay postpay migrate\n\n"
        "The database must exist. The number of lanes (POSTPAY_LANES) is fixed by the first run."
    )
)
def migrate(*, as_operator: AsOperator = None, as_json: AsJson = False) -> None:
    """Bring the database's schema up; safe to run twice, and from several machines at once.

    The first run gives the database its id, its lanes and the terms that come with this release.
    """
    settings = Settings.load()
    with reaching(settings.postgres):
        report = run(
            bring_up(
                settings.postgres.dsn,
                lanes=settings.lanes,
                terms=TermsBook.builtin().document,
                password=settings.postgres.read_password,
                because=acting(settings, as_operator, f"postpay {version('postpay')}"),
            )
        )
    if as_json:
        print_document({"applied": report.applied, "database_id": report.database_id, "lanes": report.lanes})
        return
    for name in report.applied:
        typer.echo(f"applied {name}")
    typer.echo(f"database {report.database_id} is up to date, with {report.lanes} lanes")
