"""The terms of the other story: whole, or from a business date on."""

from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

from settlement.terms import TermsBook, TermsError


@dataclass(frozen=True, slots=True)
class OtherTerms:
    """Terms in place of the recorded ones.

    Args:
        document: as `terms publish` takes it.
        from_date: the business date from which they count; what came before keeps the recorded ones. None: always.
    """

    document: dict[str, Any]
    from_date: date | None = None

    def in_place_of(self, recorded: TermsBook) -> TermsBook:
        """The terms to decide by where these were recorded.

        Before `from_date` stand the recorded versions, then the one of these terms that is in force on that date, then
        its later ones: so an order that was accepted before keeps the terms it was accepted under.

        Raises:
            TermsError: the two don't fit together: a programme of the recorded ones is missing in these.
        """
        other = TermsBook.parse(self.document)
        if self.from_date is None:
            return other
        begins = self.from_date.isoformat()
        before = [each for each in recorded.document["versions"] if each["effective_from"] < begins]
        if not before:
            return other
        after = [each for each in other.document["versions"] if each["effective_from"] > begins]
        in_force = other.on(self.from_date).effective_from.isoformat()
        first = next(each for each in other.document["versions"] if each["effective_from"] == in_force)
        document = {**other.document, "versions": [*before, {**first, "effective_from": begins}, *after]}
        try:
            book = TermsBook.parse(document)
        except TermsError as error:
            msg = f"these terms can't follow the recorded ones on {begins}: {error}"
            raise TermsError(msg) from error
        _require_currencies(book)
        # What is the same from a date on as before it is one version: the recorded document says it as it did.
        return recorded if book.versions == recorded.versions else book


def _require_currencies(book: TermsBook) -> None:
    """Programmes keep their currency for ever, because accounts do.

    Raises:
        TermsError: one gets another.
    """
    for earlier, later in pairwise(book.versions):
        for name, programme in earlier.programmes.items():
            currency = later.programmes[name].currency
            if currency != programme.currency:
                msg = (
                    f"expected programme {name!r} to keep its currency {programme.currency} from {later.effective_from}"
                    f" on, got {currency}"
                )
                raise TermsError(msg)
