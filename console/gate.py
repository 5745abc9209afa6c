"""Who is at the door: finds the user and the session of a request, and lets in whom the permission allows."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from console.access import Permission, may
from console.login import passwords
from console.login.sessions import OperatorSession, OperatorSessions
from console.login.users import LONGEST_NAME, ConsoleUser, UsersFile
from console.security import is_own, is_secure
from workers.settings.model import Settings

COOKIE = "postpay_console"
CSRF_FIELD = "csrf"
CSRF_HEADER = "X-CSRF-Token"
BY_ITSELF_HEADER = "HX-Trigger"
LIVE = "main"
"""Id of the element that asks for its page anew by itself, as htmx names it."""


class NotLoggedInError(Exception):
    """Nobody is logged in."""


class NotAllowedError(Exception):
    """Who is logged in may not; the message is the permission's name."""


class StaleFormError(Exception):
    """A form does not come from a page of this session."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks, and the session that is theirs."""

    user: ConsoleUser
    session: OperatorSession


class Gate:
    """Lets in.

    Args:
        settings: of the console.
        users: the file of users.
        sessions: those that have begun.
    """

    def __init__(self, settings: Settings, users: UsersFile, sessions: OperatorSessions) -> None:
        self._console = settings.console
        self._users = users
        self.sessions = sessions

    def visitor(self, request: web.Request) -> Visitor:
        """Who asks. A role that has changed counts from now on; who was removed or has a new password is logged out.

        Raises:
            NotLoggedInError: nobody that is known.
            UsersFileError: the file of users can't be used.
        """
        session = self.sessions.find(
            request.cookies.get(COOKIE), by_itself=request.headers.get(BY_ITSELF_HEADER) == LIVE
        )
        user = None if session is None else self._users.users().get(session.name)
        if session is not None and (user is None or user.password != session.password):
            self.sessions.end(session)
            session = None
        proxied = self._named_by_proxy(request)
        if proxied is not None and (session is None or session.name != proxied):
            user = self._users.users().get(proxied)
            session = None if user is None else self.sessions.begin(proxied, user.password)
        if session is None or user is None:
            raise NotLoggedInError
        return Visitor(user, session)

    def admit(self, request: web.Request, permission: Permission) -> Visitor:
        """Who asks, if they may.

        Raises:
            NotLoggedInError: nobody that is known.
            NotAllowedError: their role may not.
        """
        visitor = self.visitor(request)
        if not may(visitor.user.role, permission):
            raise NotAllowedError(permission)
        return visitor

    def require_own_form(self, request: web.Request, visitor: Visitor, fields: Mapping[str, str]) -> None:
        """Make sure that a page of this session sent a form.

        Raises:
            StaleFormError: it did not, or the session has begun anew since.
        """
        given = request.headers.get(CSRF_HEADER) or fields.get(CSRF_FIELD, "")
        if not is_own(request) or not visitor.session.holds(given):
            raise StaleFormError

    async def log_in(self, name: str, password: str, peer: str) -> OperatorSession | float:
        """Begin a session; 0 where name and password don't agree, or the seconds to wait before the next attempt."""
        if len(name) > LONGEST_NAME or len(password) > passwords.MOST_LENGTH:
            return 0.0  # nobody's; and a name is kept while it counts
        waits_s = self.sessions.wait_s(name, peer)
        if waits_s:
            return waits_s
        user = self._users.users().get(name)
        # It counts as wrong while it is looked at: whoever sends many at once waits for those that are under way, too.
        self.sessions.noted_password(name, peer, right=False)
        right = await passwords.matches(password, None if user is None else user.password)
        if user is None or not right:
            return 0.0
        self.sessions.noted_password(name, peer, right=True)
        return self.sessions.begin(name, user.password)

    def _named_by_proxy(self, request: web.Request) -> str | None:
        if not self._console.trusts(request.remote):
            return None
        return request.headers.get(self._console.proxy_header or "")


def keep_cookie(request: web.Request, response: web.StreamResponse, session: OperatorSession) -> None:
    """Give the browser its session's token, if it has not got it."""
    if request.cookies.get(COOKIE) != session.token:
        response.set_cookie(COOKIE, session.token, httponly=True, samesite="Lax", secure=is_secure(request), path="/")
