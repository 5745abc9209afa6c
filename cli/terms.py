"""`postpay terms show` and `publish`."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import typer

from cli.acting import AsOperator, acting
from cli.connections import database, require_fitting, run
from cli.failures import EXIT_FOUND_WRONG, Failure
from cli.output import AsJson, people, print_document
from operating import publication
from operating.publication import Publication
from settlement.terms import TermsBook, TermsError
from storage import figures
from storage.operator_log import Because
from words.phrases import counted
from words.tables import table
from workers.settings.model import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Show the terms in force, or publish others.")


@app.command(epilog="Example:  postpay terms show --json | jq '.documents[0].terms' > terms.json")
def show(*, as_json: AsJson = False) -> None:
    """Show the terms each lane settles by.

    All lanes show the same document except for the moment after a publication in which some have not come to it yet.
    """
    settings = Settings.load()
    found = run(_in_force(settings))
    if as_json:
        print_document({"documents": found})
        return
    for document in found:
        lanes = document["lanes"]
        where = "all lanes" if len(found) == 1 else f"lanes {', '.join(map(str, lanes))}"
        typer.echo(f"terms {document['digest']} on {where}")
        people().print(_numbers(TermsBook.parse(document["terms"])))


@app.command(
    epilog=(
        "Examples:\n\n"
        "  postpay terms publish terms.toml\n\n"
        "  postpay terms publish terms.json\n\n"
        "Add a version with a later effective_from; orders keep the version they were accepted under, so one that was"
        " ever in force cannot be changed. docs/terms.md explains every field."
    )
)
def publish(
    file: Annotated[Path, typer.Argument(help="The whole terms document, TOML or JSON.", dir_okay=False)],
    *,
    occurred_at: Annotated[
        datetime | None,
        typer.Option(help="When it happened, for stored histories; default now.", formats=["%Y-%m-%dT%H:%M:%S%z"]),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why, for the operator log; default: from which file.")] = None,
    as_operator: AsOperator = None,
    as_json: AsJson = False,
) -> None:
    """Publish terms to every lane: each switches when it comes to the record, in order with the messages around it.

    The document is checked first; exit code 1 when it is wrong or may not follow the terms in force, naming the field.
    """
    book = parsed(file)
    settings = Settings.load()
    because = acting(settings, as_operator, reason or f"published from {file.name}")
    sent = run(_publish(settings, book, occurred_at or datetime.now(UTC), because))
    if as_json:
        print_document(asdict(sent))
    else:
        typer.echo(f"terms {sent.digest} published to {counted(sent.partitions, 'lane')}; see: postpay terms show")


def parsed(file: Path) -> TermsBook:
    """The terms in a file, TOML or JSON.

    Raises:
        Failure: there are none in it, naming the field.
    """
    try:
        return publication.parsed(file.read_bytes().decode(), is_toml=file.suffix == ".toml")
    except OSError as error:
        raise Failure(f"expected a file with terms, got {file} ({error.strerror})") from error
    except TermsError as error:
        raise Failure(f"{file}: {error}", EXIT_FOUND_WRONG) from error
    except ValueError as error:
        kind = "TOML" if file.suffix == ".toml" else "JSON (TOML files end in .toml)"
        raise Failure(f"expected {kind} in {file}, got something else ({error})", EXIT_FOUND_WRONG) from error


async def _in_force(settings: Settings) -> list[dict[str, Any]]:
    async with database(settings) as connection:
        return await _documents(connection)


async def _documents(connection: asyncpg.Connection) -> list[dict[str, Any]]:
    """The documents that lanes have, those with most lanes first."""
    documents = [
        {"digest": each.digest.hex(), "lanes": list(each.lanes), "terms": each.document}
        for each in await figures.terms_in_force(connection)
    ]
    return sorted(documents, key=lambda document: -len(document["lanes"]))


async def _publish(settings: Settings, book: TermsBook, occurred_at: datetime, because: Because) -> Publication:
    async with database(settings) as connection:
        await require_fitting(settings, connection)
        return await publication.publish(connection, settings, book, occurred_at, because)


def _numbers(book: TermsBook) -> Any:
    rows = [
        (
            version.effective_from,
            name,
            ", ".join(
                f"{kind} {'/'.join(map(str, plan.days or plan.periods))}".strip()
                for kind, plan in programme.plans.items()
            ),
            _needs(programme),
            programme.restore.when,
        )
        for version in book.versions
        for name, programme in version.programmes.items()
    ]
    return table("", ("from", "programme", "plans", "needs", "restored"), rows)


def _needs(programme: Any) -> str:
    needs = [
        "card linked" if programme.needs_card else "",
        "identity verified" if programme.needs_identity else "",
        f"score from {programme.needs_score}" if programme.needs_score is not None else "",
    ]
    return ", ".join(need for need in needs if need)
