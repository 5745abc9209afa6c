"""The small words: amounts, instants, dates, counts."""

from datetime import date, datetime

from iso4217 import Currency

from settlement.dates import BUSINESS_ZONE


def money(amount_minor: int, currency: str | None) -> str:
    """Minor units as people write them: `1,234.50 CNY`."""
    digits = _digits(currency)
    sign, size = "-" if amount_minor < 0 else "", abs(amount_minor)
    whole, part = divmod(size, 10**digits)
    return f"{sign}{whole:,}{f'.{part:0{digits}d}' if digits else ''} {currency or ''}".rstrip()


def major(amount_minor: int, currency: str) -> float:
    """Minor units as a number for a chart: nothing is to be counted with it."""
    return amount_minor / float(10 ** _digits(currency))


def _digits(currency: str | None) -> int:
    try:
        exponent = Currency(currency).exponent
    except ValueError:
        return 0
    return exponent or 0


def moment(at: datetime | None) -> str:
    """An instant by the clocks of the business's zone, to the second."""
    return "" if at is None else at.astimezone(BUSINESS_ZONE).strftime("%Y-%m-%d %H:%M:%S")


def minute(at: datetime) -> str:
    """The same without year and seconds, where the year is known: `31 Jan 08:30`."""
    return at.astimezone(BUSINESS_ZONE).strftime("%d %b %H:%M")


def day(on: date) -> str:
    """A date where the year is known: `31 Jan`."""
    return on.strftime("%d %b")


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 order`, `2 orders`; a plural that is not made with an s is given."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def printable(text: str) -> str:
    """Text on one line: control characters, which could take a terminal over, are shown as what they are."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
