"""What a page is made of: a read whose value is shown as HTML or JSON, and forms that act."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from console.access import Permission
from console.login.users import ConsoleUser
from console.watch import Watch
from operating import operator
from storage.database import Connection
from storage.operator_log import Because
from workers.settings.model import Settings


class AskedWronglyError(Exception):
    """A parameter or field is not what it must be; the message is for who typed it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks for.

    Args:
        connection: outside a transaction; the auditor's for pages, a member of postpay_ops' for forms.
        query: the address's parameters; for forms the fields as well. Of one that is given twice the last.
        settings: of the console.
        user: who asks.
        watch: what was last seen of broker and workers.
    """

    connection: Connection
    query: Mapping[str, str]
    settings: Settings
    user: ConsoleUser
    watch: Watch

    def because(self) -> Because:
        """Who acts and why, for the operator log; the reason is the field `reason`.

        Raises:
            ActionRefusedError: there is none.
        """
        return operator.because(self.user.name, None, self.query.get("reason", ""))


@dataclass(frozen=True, slots=True)
class Page:
    """Something to look at: `path` is the page, `path.json` the same value as JSON.

    Args:
        name: of its template, `templates/NAME.html`, and its texts, `texts/NAME.toml`.
        path: its address; everything else is in the query.
        read: gives what is shown, anything that has a form in JSON; None where there is no such thing.
        permission: what it takes to see it.
        is_live: the browser asks for it anew every few seconds.
    """

    name: str
    path: str
    read: Callable[[Asked], Awaitable[Mapping[str, Any] | None]]
    permission: Permission = Permission.LOOK
    is_live: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a form. With `template` that is shown; else the browser goes on to `to` and tells `notice` there.

    `notice` is the name of a text of the page it leads to, or a common one. `unmasks` is the address of a page.
    """

    value: Mapping[str, Any]
    to: str = "/"
    notice: str | None = None
    template: str | None = None
    unmasks: str | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """Something to do, by POST of a form or of a JSON object: `path`, and `path.json` which answers in JSON.

    Refusals are ActionRefusedError, told with status 409.
    """

    name: str
    path: str
    act: Callable[[Asked], Awaitable[Done]]
    permission: Permission


@dataclass(frozen=True, slots=True)
class Download:
    """A file that is written piece by piece, however long it is."""

    name: str
    path: str
    filename: str
    content_type: str
    write: Callable[[Asked], AsyncIterator[bytes]]
    permission: Permission = Permission.EXPORT
