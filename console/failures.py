"""What went wrong with a request: the status of HTTP, and a kind that has words in every language."""

import asyncpg
from aiohttp import web

from console.gate import NotAllowedError, StaleFormError
from console.login.users import UsersFileError
from console.routes import AskedWronglyError
from operating.refusal import ActionRefusedError
from operating.sending import NOT_SENT
from storage.database import first_line, is_transient

KINDS: tuple[tuple[type[Exception], int, str], ...] = (
    (NotAllowedError, 403, "not_allowed"),
    (StaleFormError, 403, "stale_form"),
    (ActionRefusedError, 409, "refused"),
    (AskedWronglyError, 400, "asked_wrongly"),
    (web.HTTPRequestEntityTooLarge, 413, "asked_wrongly"),
    (web.HTTPMethodNotAllowed, 405, "not_found"),
    (web.HTTPNotFound, 404, "not_found"),
    (UsersFileError, 500, "users_file"),
    (asyncpg.InsufficientPrivilegeError, 503, "privilege"),
    # What the database has no value for: an id with a NUL, a number or an instant beyond those it knows.
    (asyncpg.DataError, 400, "asked_wrongly"),
)


def told(error: Exception) -> tuple[int, str, str]:
    """Status, kind, and what the error itself says."""
    for kind, status, name in KINDS:
        if isinstance(error, kind):
            return status, name, "" if isinstance(error, web.HTTPException) else first_line(error)
    if is_transient(error):
        return 503, "database_away", first_line(error)
    if isinstance(error, NOT_SENT):
        return 503, "broker_away", first_line(error) or type(error).__name__
    return 500, "defect", type(error).__name__
