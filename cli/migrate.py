"""`postpay migrate`."""

from importlib.metadata import version
from typing import Annotated

import typer

from cli.acting import AsOperator, acting
from cli.connections import CONNECT_TIMEOUT_S, reaching, run
from cli.failures import EXIT_FOUND_WRONG
from cli.output import AsJson, print_document
from cli.progress import moving_bar
from settlement.terms import TermsBook
from storage.database import connect
from storage.migrations import check as look_at
from storage.migrations import migrate as bring_up
from workers.settings.model import Settings

app = typer.Typer(add_completion=False)


@app.command(
    epilog=(
        "Example:  POSTPAY_POSTGRES__DSN=postgresql://owner@db/postpay postpay migrate\n\n"
        "The database must exist. The number of lanes (POSTPAY_LANES) is fixed by the first run;"
        " more later: postpay lane split."
    )
)
def migrate(
    *,
    distributed: Annotated[
        bool, typer.Option("--distributed", help="Also distribute the tables by lane over the nodes of Citus.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing: say what is not as it should be; exit code 1 if anything.")
    ] = False,
    as_operator: AsOperator = None,
    as_json: AsJson = False,
) -> None:
    """Bring the database's schema up; safe to run twice, and from several machines at once.

    The first run gives the database its id, its lanes and the terms that come with this release.
    """
    settings = Settings.load()
    if check:
        _check(settings, distributed=distributed, as_json=as_json)
        return
    with reaching(settings.postgres), moving_bar() as shown:
        report = run(
            bring_up(
                settings.postgres.dsn,
                lanes=settings.lanes,
                terms=TermsBook.builtin().document,
                password=settings.postgres.read_password,
                because=acting(settings, as_operator, f"postpay {version('postpay')}"),
                distributed=distributed,
                progress=shown,
            )
        )
    if as_json:
        print_document(
            {
                "applied": report.applied,
                "database_id": report.database_id,
                "lanes": report.lanes,
                "distributed": report.distributed,
            }
        )
        return
    for name in report.applied:
        typer.echo(f"applied {name}")
    for name in report.distributed:
        typer.echo(f"distributed {name}")
    typer.echo(f"database {report.database_id} is up to date, with {report.lanes} lanes")


def _check(settings: Settings, *, distributed: bool, as_json: bool) -> None:
    with reaching(settings.postgres):
        found = run(_look(settings, distributed=distributed))
    if as_json:
        print_document({"findings": found})
    else:
        for finding in found or ["the database is as it should be"]:
            typer.echo(finding)
    if found:
        raise typer.Exit(EXIT_FOUND_WRONG)


async def _look(settings: Settings, *, distributed: bool) -> list[str]:
    postgres = settings.postgres
    connection = await connect(postgres.dsn, application_name="postpay-cli", password=postgres.read_password)
    try:
        return await look_at(connection, lanes=settings.lanes, distributed=distributed)
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)
