import json
import sys
from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from cli.output import people, print_json
from words.document import plain


def test_json_has_a_form_for_instants_dates_ids_and_bytes():
    value = [datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1), UUID(int=1), b"\xff"]
    assert json.loads(json.dumps(value, default=plain)) == [
        "2026-01-01T00:00:00+00:00",
        "2026-01-01",
        "00000000-0000-0000-0000-000000000001",
        {"base64": "/w=="},
    ]
    with pytest.raises(TypeError, match="object has no form in JSON"):
        json.dumps(object(), default=plain)


def test_a_lone_surrogate_is_printed_as_its_escape(capsys):
    print_json({"text": "甲"})
    print_json({"text": "\ud800"})
    assert capsys.readouterr().out == '{"text": "甲"}\n{"text": "\\ud800"}\n'


def test_sentences_are_folded_where_somebody_looks_and_ids_never(monkeypatch, capsys):
    sentence = "Account " + "a" * 50 + " of kuaishou is active."
    people().print(sentence)
    assert capsys.readouterr().out == f"{sentence}\n"
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    people().print(sentence)
    folded = capsys.readouterr().out.splitlines()
    assert len(folded) > 1
    assert "a" * 50 in folded
