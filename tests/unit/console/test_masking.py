"""What is masked, and what those for whom it is masked still see."""

from console.masking import mask


def test_nothing_of_a_message_is_shown_whatever_its_producer_calls_it():
    body = {"name": "Zhang San", "title": "Mr", "born_on": "1990-01-01", "phone": 13800138000, "138": [True]}
    differences = [{"path": "phone", "first": 13800138000, "came": "13800138001"}]
    value = {
        "type": "purchase.placed",
        "value": body,
        "first": {"type": "zhang.san.shop", "partition": 0, "value": body},
        "document": {"differences": differences},
        "headers": [{"name": "x-zhang-san", "value": {"base64": "WmhhbmcgU2Fu"}}, {"name": "n", "value": None}],
    }
    assert mask(value) == {
        "type": "purchase.placed",
        "value": "…ue]}",
        "first": {"type": "…shop", "partition": 0, "value": "…ue]}"},
        "document": {"differences": [{"path": "…", "first": "…8000", "came": "…8001"}]},
        "headers": [{"name": "…-san", "value": '…Fu"}'}, {"name": "…", "value": None}],
    }


def test_what_somebody_has_typed_is_theirs_but_not_what_was_found_for_it():
    given = {"producer": "night shop", "since": "2026-03-01T09:00", "key": "acc-000123456"}
    value = {"given": given, "q": "acc-000123456", "found": [{"id": "acc-000123456"}]}
    assert mask(value) == {**value, "found": [{"id": "…3456"}]}
    assert mask({"differences": [{"given": given["key"]}]}) == {"differences": [{"given": "…3456"}]}
