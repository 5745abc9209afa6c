"""The page of a simulation: nothing that somebody wrote into a message takes effect in it, and nothing is fetched."""

import re

import pytest

import words.page
from words.page import page

NASTY = "</script><script>alert('a & b')</script>"


def document(**changes):
    row = {"recorded_minor": 100, "simulated_minor": 250}
    made = {
        "equal": False,
        "terms": {"digest": "00", "from_date": None},
        "lanes": 1,
        "batches": 1,
        "messages": 1,
        "seconds": 1.0,
        "per_s": 1,
        "outcomes": [
            {"type": "purchase.placed", "outcome": "declined", "reason": NASTY, "recorded": 1, "simulated": 2}
        ],
        "counts": [{"measure": "accounts", "recorded": 1, "simulated": 1}],
        "amounts": [{"measure": "penalties", "currency": "CNY", **row}],
        "days": [{"date": "2026-01-01", "measure": "penalties", "currency": "CNY", **row}],
        "parties_apart": 1,
        "most_apart": [
            {
                "kind": "account",
                "id": NASTY,
                "accepted": 0,
                "fees": 0,
                "penalties": 150,
                "fell_overdue": 0,
                "collected": 0,
                "paid_out": 0,
            }
        ],
        "account": None,
        "notes": [NASTY],
        "how_to_read": ["read it"],
    }
    return made | changes


def test_what_stands_in_messages_takes_no_effect():
    text = page(document())
    assert NASTY not in text
    assert "&lt;/script&gt;" in text
    assert "\\u003c/script\\u003e" in text


def test_nothing_is_fetched():
    text = page(document()).replace(words.page.ECHARTS.read_text(), "")
    assert "default-src 'none'" in text
    assert re.findall(r"<(?:script|img|link|iframe)\b[^>]*\b(?:src|href)=", text) == []


def test_amounts_and_differences_are_told_in_their_currency():
    text = page(document())
    assert "1.00 CNY" in text
    assert "2.50 CNY" in text
    assert "1.50 CNY" in text


def test_a_library_other_than_the_one_that_was_checked_in_draws_nothing(monkeypatch, tmp_path):
    other = tmp_path / "echarts.js"
    other.write_text("alert(1)")
    monkeypatch.setattr(words.page, "ECHARTS", other)
    with pytest.raises(ValueError, match="install this release anew"):
        page(document())
