"""*Terms*: every version and what it changed, and asking for another document to be published."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from console import queries
from console.access import Permission
from console.rendering import link
from console.routes import Asked, AskedWronglyError, Done, Form, Page
from operating import approvals, publication
from operating.refusal import ActionRefusedError
from operating.terms_changes import TermsChange, VersionPlace, added, changes
from settlement.terms import TermsBook, TermsError
from storage import figures
from storage.approvals import ApprovalRequest
from storage.database import Connection
from storage.figures import StoredTerms
from storage.operator_log import Because
from words.document import json_text
from workers.settings.model import Settings

PATH = "/terms"

PUBLISH_TERMS = "publish_terms"
"""The kind of request."""


async def read(asked: Asked) -> Mapping[str, Any]:
    """Every document there was, and two versions against each other.

    `first` and `second` name versions as `DIGEST:DATE`; by default the last two of the document most lanes settle by.
    """
    lanes_of = {each.digest: each.lanes for each in await figures.terms_in_force(asked.connection)}
    stored = await figures.stored_terms(asked.connection)
    current = max(stored, key=lambda each: (len(lanes_of.get(each.digest, ())), each.stored_at))
    places = {name: place for each in stored for name, place in _places(each).items()}
    of_current = [*_places(current)]
    first = queries.choice(asked.query, "first", places, of_current[max(len(of_current) - 2, 0)]) or ""
    second = queries.choice(asked.query, "second", places, of_current[-1]) or ""
    return {
        "documents": [
            {
                "digest": each.digest.hex(),
                "stored_at": each.stored_at,
                "lanes": lanes_of.get(each.digest, ()),
                "versions": [
                    {"name": name, "effective_on": place.version.effective_from}
                    for name, place in _places(each).items()
                ],
                "look": link(PATH, document=each.digest.hex()),
            }
            for each in stored
        ],
        "first_version": first,
        "second_version": second,
        "rows": _rows(changes(places[first], places[second])),
        "digest": current.digest.hex(),
        "shown": json_text(_chosen(asked, stored, current).document, 2),
    }


async def check(asked: Asked) -> Done:
    """Check a document and say what it would change; nothing is sent."""
    book = _book(asked)
    in_force = await publication.require_to_follow(asked.connection, book)
    present = TermsBook.parse(in_force[0].document) if in_force else None
    return Done(
        {
            "digest": book.digest.hex(),
            "text": asked.query["text"],
            "is_in_force": present == book,
            "versions": [
                {"effective_on": version.effective_from, "rows": _rows(found)}
                for version, found in added(present, book)
            ],
        },
        template="terms_check",
    )


async def ask(asked: Asked) -> Done:
    """Ask for a document to be published."""
    book = _book(asked)
    in_force = await publication.require_to_follow(asked.connection, book)
    present = TermsBook.parse(in_force[0].document) if in_force else None
    if present == book:
        raise ActionRefusedError("these terms are in force already")
    found = {str(version.effective_from): [asdict(each) for each in rows] for version, rows in added(present, book)}
    document = {"added": found, "terms": book.document}
    request = await approvals.ask(asked.connection, PUBLISH_TERMS, book.digest.hex(), document, asked.because())
    return Done({"entry": request.entry}, to=PATH, notice="notice_asked")


async def carry_out(
    connection: Connection, settings: Settings, request: ApprovalRequest, because: Because
) -> Mapping[str, Any]:
    """Publish the terms of a request that was approved."""
    book = TermsBook.parse(request.document["terms"])
    return asdict(await publication.publish(connection, settings, book, datetime.now(UTC), because))


def _book(asked: Asked) -> TermsBook:
    text = asked.query.get("text", "")
    is_toml = not text.lstrip().startswith("{")
    try:
        return publication.parsed(text, is_toml=is_toml)
    except TermsError as error:
        raise ActionRefusedError(str(error)) from error
    except (ValueError, RecursionError) as error:
        raise AskedWronglyError(f"expected terms as {'TOML' if is_toml else 'JSON'} ({error})") from error


def _places(stored: StoredTerms) -> dict[str, VersionPlace]:
    book = TermsBook.parse(stored.document)
    digest = stored.digest.hex()
    return {
        f"{digest[:12]}:{each.effective_from}": VersionPlace(book, number) for number, each in enumerate(book.versions)
    }


def _chosen(asked: Asked, stored: list[StoredTerms], current: StoredTerms) -> StoredTerms:
    digest = queries.choice(asked.query, "document", [each.digest.hex() for each in stored], current.digest.hex())
    return next(each for each in stored if each.digest.hex() == digest)


def _rows(found: list[TermsChange]) -> list[dict[str, Any]]:
    return [
        {
            "programme": each.programme,
            "name": each.field,
            "currency": each.currency,
            "was": each.before,
            "becomes": each.after,
        }
        for each in found
    ]


PAGE = Page("terms", PATH, read)
FORMS = (
    Form("terms_check", f"{PATH}/check", check, Permission.REQUEST),
    Form("terms", f"{PATH}/request", ask, Permission.REQUEST),
)
