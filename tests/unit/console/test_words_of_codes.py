"""Codes that pages of repair, books and terms show have words in every language."""

import tomllib
from pathlib import Path

import pytest

from console.language import LANGUAGES, Texts
from operating.closing import ClosingStatus
from operating.redriving import RedriveStatus
from settlement.dead_letter import DeadLetterReason
from settlement.entity import ENTITIES
from settlement.ledger import Book, LedgerAccount
from settlement.statuses import PayoutStatus
from storage.audit.checks import OF_ALL_LANES, OF_EACH_LANE
from storage.conflicts import ConflictReason
from storage.operator_log import Action, LogOutcome

CHECKS = [*(each.name for each in (*OF_EACH_LANE, *OF_ALL_LANES)), "trial balance", "hash chain", "operator log"]
TERMS = Path(__file__).parents[3] / "settlement" / "terms.toml"


def fields(document, above="") -> set[str]:
    named = set()
    for name, value in document.items():
        named |= fields(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}"}
    return named


def fields_of_terms() -> list[str]:
    (version,) = tomllib.loads(TERMS.read_text(encoding="utf-8"))["versions"]
    programmes = version.pop("programmes")
    del version["effective_from"]
    return sorted(fields(version).union(*map(fields, programmes.values())))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("page", "group", "codes"),
    [
        ("dead_letters", "reason", [*DeadLetterReason]),
        ("letter", "reason", [*DeadLetterReason]),
        ("letter", "log", [*LogOutcome]),
        ("letter_check", "reason", [*DeadLetterReason]),
        ("letters_bulk", "status", [*RedriveStatus, ClosingStatus.CLOSED, ClosingStatus.CLOSED_BEFORE]),
        ("conflicts", "reason", [*ConflictReason]),
        ("parked", "reason", sorted({each.subject for each in ENTITIES})),
        ("payouts", "payout", [*PayoutStatus]),
        ("books", "ledger", [*LedgerAccount]),
        ("books", "book", [*Book]),
        ("books", "name_of", CHECKS),
        ("terms", "field", fields_of_terms()),
        ("terms_check", "field", fields_of_terms()),
        ("operator_log", "action", [*Action]),
        ("operator_log", "log", [*LogOutcome]),
    ],
)
def test_every_code_has_words(page, group, codes, language):
    texts = Texts(page, language)
    assert [code for code in codes if f"{group}.{code}" not in texts._texts] == []
