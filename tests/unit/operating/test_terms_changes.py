import copy

from operating.terms_changes import VersionPlace, added, changes
from settlement.terms import TermsBook

BUILTIN = TermsBook.builtin()


def with_later(**changed) -> TermsBook:
    document = copy.deepcopy(BUILTIN.document)
    later = copy.deepcopy(document["versions"][0]) | {"effective_from": "2027-01-01"} | changed
    return TermsBook.parse({"versions": [*document["versions"], later]})


def told(book: TermsBook) -> list[tuple]:
    return [
        (each.programme, each.field, each.before, each.after)
        for each in changes(VersionPlace(book, 0), VersionPlace(book, 1))
    ]


def test_versions_differ_field_by_field():
    programmes = copy.deepcopy(BUILTIN.document["versions"][0]["programmes"])
    programmes["taobao"]["cash_out"]["daily_cap_minor"] = 5
    programmes["douyin"]["extension"] = {"days_at_most": 10}
    del programmes["douyin"]["needs"]
    programmes["new"] = {**programmes["kuaishou"]}
    book = with_later(debit_retry_hours=[24], programmes=programmes)
    found = told(book)
    assert found[0] == (None, "debit_retry_hours", [24, 48], [24])
    assert ("taobao", "cash_out.daily_cap_minor", 100_000, 5) in found
    assert ("douyin", "extension.days_at_most", None, 10) in found
    assert ("douyin", "needs.card_linked", True, None) in found
    assert ("new", "currency", None, "CNY") in found
    assert {each[0] for each in found} == {None, "taobao", "douyin", "new"}


def test_what_may_be_left_out_has_its_default():
    document = copy.deepcopy(BUILTIN.document)
    later = copy.deepcopy(document["versions"][0]) | {"effective_from": "2027-01-01"}
    del later["debit_answer_days"]
    assert told(TermsBook.parse({"versions": [*document["versions"], later]})) == []


def test_what_a_document_adds_is_told_against_the_version_before():
    book = with_later(penalty_bps_per_day=6)
    ((version, found),) = added(BUILTIN, book)
    assert (str(version.effective_from), [each.field for each in found]) == ("2027-01-01", ["penalty_bps_per_day"])
    assert list(added(book, book)) == []
