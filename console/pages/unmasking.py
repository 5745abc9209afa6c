"""Showing the ids and texts of one page to somebody who needs them, with a reason that goes on record."""

from console.access import Permission
from console.routes import Asked, Done, Form
from console.security import local_path
from storage import operator_log
from storage.operator_log import Action, LogOutcome, Note


async def unmask(asked: Asked) -> Done:
    """Enter who wants to see a page's ids and why; the session has them for a while then.

    Raises:
        ActionRefusedError: there is no reason.
    """
    address = local_path(asked.query.get("address"))
    note = Note(because=asked.because(), action=Action.UNMASK, subject=address, outcome=LogOutcome.DONE)
    await operator_log.append(asked.connection, [note])
    return Done({"unmasked": address}, to=address, unmasks=address)


FORM = Form("unmasking", "/unmask", unmask, Permission.UNMASK)
