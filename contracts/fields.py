"""Kinds of field that several messages share: ids, dates, amounts, currencies, texts, URIs, and their bounds.

Source: docs/messages.md, Kinds of field.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from iso4217 import Currency as Iso4217
from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from contracts import instants
from settlement.terms_reader import PROGRAMME_NAME

MAX_AMOUNT_MINOR = 10**15

_INVISIBLE = r"\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
"""Control characters, line separators, zero-width and direction marks: they make two ids look alike."""

ID_PATTERN = rf"^[^\s{_INVISIBLE}]([^{_INVISIBLE}]*[^\s{_INVISIBLE}])?$"
URI_PATTERN = r"^[A-Za-z][A-Za-z0-9+.\-]*:[^\s\x00-\x20\x7f-\x9f<>\x22\\^`{|}]+$"

PROGRAMME_PATTERN = f"^{PROGRAMME_NAME.pattern}$"

EXPECTED = {
    ID_PATTERN: "1 to 128 visible characters, without white space at either end",
    PROGRAMME_PATTERN: "1 to 64 small letters, digits and _, the first a letter",
    URI_PATTERN: "an absolute URI of at most 2048 characters, such as https://…",
    instants.PATTERN: instants.EXPECTED,
    instants.DATE_PATTERN: instants.EXPECTED_DATE,
}
"""What a pattern means, in words, for whoever broke it."""

CURRENCIES = tuple(sorted(currency.code for currency in Iso4217 if currency.exponent is not None))
"""ISO 4217 codes that have minor units; gold, test codes and the like have none."""


@dataclass(frozen=True, slots=True)
class _CurrencyCode:
    """One of `CURRENCIES`: a look-up at C speed, and one line in the JSON Schema instead of 165 codes."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.literal_schema(list(CURRENCIES))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217 code that has minor units."}


@dataclass(frozen=True, slots=True)
class _Among:
    """One of some integers. A `Literal` would take 6.0 for 6."""

    numbers: tuple[int, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.chain_schema(
            [core_schema.int_schema(strict=True), core_schema.literal_schema(list(self.numbers))]
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "integer", "enum": list(self.numbers)}


Id = Annotated[str, Field(min_length=1, max_length=128, pattern=ID_PATTERN)]
Instant = Annotated[str, Field(max_length=64, pattern=instants.PATTERN, json_schema_extra={"format": "date-time"})]
Day = Annotated[str, Field(max_length=10, pattern=instants.DATE_PATTERN, json_schema_extra={"format": "date"})]
AmountMinor = Annotated[int, Field(ge=1, le=MAX_AMOUNT_MINOR)]
LimitMinor = Annotated[int, Field(ge=0, le=MAX_AMOUNT_MINOR)]
Currency = Annotated[str, _CurrencyCode()]
Score = Annotated[int, Field(ge=0, le=10_000)]
Days = Annotated[int, Field(ge=1, le=3650)]
Periods = Annotated[int, Field(ge=1, le=120)]
ReschedulingPeriods = Annotated[int, _Among((3, 6, 12))]
Text = Annotated[str, Field(min_length=1, max_length=500)]
LongText = Annotated[str, Field(min_length=1, max_length=4000)]
OptionalText = Annotated[str, Field(max_length=4000)]
ProgrammeName = Annotated[str, Field(min_length=1, max_length=64, pattern=PROGRAMME_PATTERN)]
ApprovedBy = Annotated[str, Field(min_length=1, max_length=128)]
Uri = Annotated[str, Field(max_length=2048, pattern=URI_PATTERN)]
Uris = Annotated[tuple[Uri, ...], Field(max_length=50)]

PRIVATE = frozenset(
    {"evidence", "photos", "contact", "description", "opinion", "urgency", "inspected_by", "approved_by"}
)
"""Fields whose values never appear in a refusal's detail, in logs or in metrics."""
