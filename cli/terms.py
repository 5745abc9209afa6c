"""`postpay terms show` and `publish`."""

import json
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import typer

from cli.connections import database, run
from cli.failures import EXIT_FOUND_WRONG, Failure
from cli.output import AsJson, people, plain, print_document
from contracts.topics import Topic
from settlement.terms import TermsBook, TermsError
from storage import figures
from words.phrases import counted
from words.tables import table
from workers.kafka.clients import producing
from workers.kafka.topics import check
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
        everywhere = len(lanes) == settings.lanes
        typer.echo(f"terms {document['digest']} on {'all lanes' if everywhere else f'lanes {lanes}'}")
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
    as_json: AsJson = False,
) -> None:
    """Publish terms to every lane: each switches when it comes to the record, in order with the messages around it.

    The document is checked first; exit code 1 when it is wrong or may not follow the terms in force, naming the field.
    """
    book = parsed(file)
    sent = run(_publish(Settings.load(), book, occurred_at or datetime.now(UTC)))
    if as_json:
        print_document(sent)
    else:
        typer.echo(
            f"terms {sent['digest']} published to {counted(sent['partitions'], 'lane')}; see: postpay terms show"
        )


def parsed(file: Path) -> TermsBook:
    """The terms in a file, TOML or JSON.

    Raises:
        Failure: there are none in it, naming the field.
    """
    try:
        text = file.read_bytes().decode()
        document = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise Failure(f"expected a file with terms, got {file} ({error.strerror})") from error
    except ValueError as error:
        kind = "TOML" if file.suffix == ".toml" else "JSON (TOML files end in .toml)"
        raise Failure(f"expected {kind} in {file}, got something else ({error})", EXIT_FOUND_WRONG) from error
    try:
        return TermsBook.parse(_with_text_dates(document))
    except TermsError as error:
        raise Failure(f"{file}: {error}", EXIT_FOUND_WRONG) from error


def _with_text_dates(value: Any) -> Any:
    """TOML has dates, JSON has none: a document is the same whichever it was written in."""
    match value:
        case dict():
            return {name: _with_text_dates(each) for name, each in value.items()}
        case list():
            return [_with_text_dates(each) for each in value]
        case date():
            return value.isoformat()
    return value


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


async def _publish(settings: Settings, book: TermsBook, occurred_at: datetime) -> dict[str, Any]:
    async with database(settings) as connection:
        for present in await _documents(connection):
            _must_follow(TermsBook.parse(present["terms"]), book)
    topic = settings.topics.prefix + Topic.TERMS
    for difference in await check(settings):
        if difference.topic == topic and difference.what in {"the topic", "partitions"}:
            raise Failure(f"{difference}; see: postpay topics check", EXIT_FOUND_WRONG)
    event_id = f"terms-{book.digest.hex()[:16]}-{occurred_at.astimezone(UTC):%Y%m%dT%H%M%S.%f}"
    message = {
        "event_id": event_id,
        "type": "terms.published",
        "occurred_at": occurred_at.isoformat(),
        "terms": book.document,
    }
    value = json.dumps(message, ensure_ascii=False, default=plain).encode()
    async with producing(settings.kafka) as producer:
        sending = [
            await producer.send(topic, value=value, key=b"terms", partition=lane) for lane in range(settings.lanes)
        ]
        for answer in sending:
            await answer
    return {"event_id": event_id, "digest": book.digest.hex(), "partitions": settings.lanes}


def _must_follow(present: TermsBook, published: TermsBook) -> None:
    try:
        present.succeeded_by(published)
    except TermsError as error:
        raise Failure(f"these terms may not follow those in force: {error}", EXIT_FOUND_WRONG) from error


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
