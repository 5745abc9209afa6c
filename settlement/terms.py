"""Terms: the numbers the rules depend on, as data (settlement/terms.toml). Source: docs/terms.md."""

from typing import Any


class TermsError(ValueError):
    """A terms document is wrong; the message names the field, what was expected and what came."""


class TermsBook:
    """All versions of the terms, by the date they take effect."""

    digest: bytes
    """SHA-256 of the canonical document; names it in the lane and the lane-log."""

    document: dict[str, Any]

    @classmethod
    def builtin(cls) -> "TermsBook":
        """The terms that come with this release; a new database starts with them."""
        raise NotImplementedError

    @classmethod
    def parse(cls, document: dict[str, Any]) -> "TermsBook":
        """Read a terms document.

        Raises:
            TermsError: naming the field, what was expected and what came.
        """
        raise NotImplementedError

    def succeeded_by(self, published: "TermsBook") -> "TermsBook":
        """Return the published terms if they may follow these.

        Raises:
            TermsError: a version that orders were accepted under is missing or changed.
        """
        raise NotImplementedError
