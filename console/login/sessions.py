"""Who is logged in. Kept in memory: when the console starts anew, everybody logs in again."""

import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

IDLE_S = 2 * 3600.0
"""A session that asks for nothing this long has ended; pages that ask by themselves don't count."""
LONGEST_S = 12 * 3600.0
"""After this anybody logs in anew: one shift."""
UNMASKED_S = 15 * 60.0
"""How long one reason unmasks one page."""
MOST_SESSIONS = 10_000
MOST_OF_ONE = 20
"""Sessions of one user; with more the oldest ends. A program behind the proxy that keeps no cookie begins many."""
FREE_ATTEMPTS = 5
WAIT_S = 30.0
"""After so many wrong passwords from one place for one name, the next is looked at no sooner than this."""


@dataclass(slots=True)
class OperatorSession:
    """One log-in; `token` is the cookie's value, `csrf` stands in every form. Instants are `time.monotonic()`."""

    name: str
    password: str | None = field(default=None, repr=False)
    """The hash that the file of users had when it began: with another it ends."""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    began_at: float = 0.0
    used_at: float = 0.0
    unmasked_until: dict[str, float] = field(default_factory=dict)
    """By the address of the page."""
    notice: str | None = None
    """Told on the next page that is shown, once."""

    def holds(self, csrf: str) -> bool:
        """Whether a form came from a page of this session."""
        return hmac.compare_digest(csrf.encode(errors="replace"), self.csrf.encode())


class OperatorSessions:
    """All of them, and the wrong passwords that came.

    Args:
        now: gives the time, `time.monotonic()` unless a test wants another.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._sessions: OrderedDict[str, OperatorSession] = OrderedDict()
        self._wrong: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def begin(self, name: str, password: str | None = None) -> OperatorSession:
        """Log somebody in; `password` is the hash in the file of users."""
        now = self._now()
        session = OperatorSession(name, password, began_at=now, used_at=now)
        self._sessions[session.token] = session
        own = [each for each in self._sessions.values() if each.name == name]
        for oldest in own[:-MOST_OF_ONE]:
            self.end(oldest)
        while len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return session

    def find(self, token: str | None, *, by_itself: bool) -> OperatorSession | None:
        """The session of a cookie, unless it has ended; `by_itself` is a page that asks without a person."""
        session = None if token is None else self._sessions.get(token)
        if session is None:
            return None
        now = self._now()
        if now - session.began_at > LONGEST_S or now - session.used_at > IDLE_S:
            self.end(session)
            return None
        if not by_itself:
            session.used_at = now
        return session

    def end(self, session: OperatorSession) -> None:
        """Log somebody out."""
        self._sessions.pop(session.token, None)

    def unmask(self, session: OperatorSession, address: str) -> None:
        """Show ids and texts of one page for a while."""
        session.unmasked_until[address] = self._now() + UNMASKED_S

    def is_unmasked(self, session: OperatorSession, address: str) -> bool:
        """Whether they are shown now."""
        return session.unmasked_until.get(address, float("-inf")) > self._now()

    def wait_s(self, name: str, peer: str) -> float:
        """How long the next password of a name from a place has to wait; 0 when it need not."""
        count, last = self._wrong.get((name, peer), (0, 0.0))
        return 0.0 if count < FREE_ATTEMPTS else max(0.0, last + WAIT_S - self._now())

    def noted_password(self, name: str, peer: str, *, right: bool) -> None:
        """A password came."""
        count, _ = self._wrong.pop((name, peer), (0, 0.0))
        if not right:
            self._wrong[name, peer] = (count + 1, self._now())
        while len(self._wrong) > MOST_SESSIONS:
            self._wrong.popitem(last=False)
