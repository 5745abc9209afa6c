"""Minor units of currencies (ISO 4217), for showing amounts. The rules themselves only know minor units."""

_WHOLE = (
    "BIF",
    "CLP",
    "DJF",
    "GNF",
    "ISK",
    "JPY",
    "KMF",
    "KRW",
    "PYG",
    "RWF",
    "UGX",
    "UYI",
    "VND",
    "VUV",
    "XAF",
    "XOF",
    "XPF",
)
_THOUSANDTHS = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
_TEN_THOUSANDTHS = ("CLF", "UYW")
_EXPONENTS = dict.fromkeys(_WHOLE, 0) | dict.fromkeys(_THOUSANDTHS, 3) | dict.fromkeys(_TEN_THOUSANDTHS, 4)
"""Currencies whose minor unit is not a hundredth. Source: ISO 4217 list one, 2024."""


def exponent(currency: str) -> int:
    """Return how many decimal places of a currency its minor unit is."""
    return _EXPONENTS.get(currency, 2)


def major(amount_minor: int, currency: str) -> str:
    """Write an amount in major units: 12345 CNY is `123.45`."""
    places = _EXPONENTS.get(currency, 2)
    if places == 0:
        return str(amount_minor)
    sign = "-" if amount_minor < 0 else ""
    whole, part = divmod(abs(amount_minor), 10**places)
    return f"{sign}{whole}.{part:0{places}d}"
