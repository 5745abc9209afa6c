"""Log-ins that a server has refused: tried again seldom, lest a user be locked out, and at once with another secret."""

import time
from collections.abc import Hashable

LOGIN_AGAIN_S = 10.0
"""From a refused log-in to the next one with the same secret, for the whole process. At worst a worker goes on this
late after a user may log in again with the password that its file has had all along."""


class Logins:
    """The log-ins of one process to one server."""

    def __init__(self) -> None:
        self._refused: tuple[Hashable, float, Exception] | None = None

    @property
    def refusal(self) -> Exception | None:
        """Why the last log-in was refused; None when it was not."""
        return None if self._refused is None else self._refused[2]

    def begin(self, secret: Hashable) -> None:
        """Call before a log-in.

        Raises:
            Exception: the refusal of the last one, when that was a moment ago and with the same secret.
        """
        if self._refused is None:
            return
        last, refused_at, refusal = self._refused
        if last == secret and time.monotonic() - refused_at < LOGIN_AGAIN_S:
            raise refusal.with_traceback(None)

    def refused(self, secret: Hashable, refusal: Exception) -> None:
        """The server wants another secret, or lets the user in no more."""
        self._refused = secret, time.monotonic(), refusal

    def clear(self) -> None:
        """The server let the user in, or is not there to ask."""
        self._refused = None
