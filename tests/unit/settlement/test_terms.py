"""The terms file: what it says, what is refused, and what may follow it."""

import copy
import json
from datetime import date

import pytest

from settlement.entities import PlanKind
from settlement.terms import CapturedOn, RestoredWhen, ReturnWindow, TermsBook, TermsError


def document() -> dict:
    return copy.deepcopy(TermsBook.builtin().document)


def later(effective_from: str) -> dict:
    """The built-in document with one more version."""
    changed = document()
    version = copy.deepcopy(changed["versions"][0])
    version["effective_from"] = effective_from
    changed["versions"].append(version)
    return changed


def test_all_four_programmes_have_their_numbers():
    version = TermsBook.builtin().on(date(2026, 1, 1))
    kuaishou, taobao, douyin, tmall = (version.programmes[n] for n in ("kuaishou", "taobao", "douyin", "tmall"))
    assert kuaishou.plans[PlanKind.DEFERRED].days == (30, 60, 90)
    assert taobao.plans[PlanKind.INSTALMENT].periods == douyin.plans[PlanKind.INSTALMENT].periods == (3, 6, 12)
    assert (taobao.plans[PlanKind.STATEMENT].bill_day, taobao.plans[PlanKind.STATEMENT].due_day) == (1, 10)
    assert (douyin.plans[PlanKind.STATEMENT].bill_day, douyin.plans[PlanKind.STATEMENT].due_day) == (1, 6)
    assert tmall.plans[PlanKind.TRIAL].days == (7, 14, 30)
    assert [each.needs_card for each in (kuaishou, taobao, douyin, tmall)] == [False, True, True, False]
    assert [each.needs_identity for each in (kuaishou, taobao, douyin, tmall)] == [False, False, True, False]
    assert (kuaishou.needs_score, tmall.needs_score) == (None, 650)
    assert [each.captured_on for each in (kuaishou, taobao, douyin, tmall)] == [
        CapturedOn.RECEIPT,
        CapturedOn.RECEIPT,
        CapturedOn.PLACING,
        CapturedOn.TRIAL_END,
    ]
    assert tmall.return_window is ReturnWindow.BEFORE_TRIAL_END
    assert kuaishou.uninspected_returns == {"no_longer_wanted", "other", "quality_issue"}
    assert tmall.extension_days_at_most == 7
    assert kuaishou.reclaims_unused_limit
    assert (taobao.restore.when, taobao.restore.days) == (RestoredWhen.DAYS_AFTER_CLEARING, 3)
    assert (douyin.restore.when, douyin.restore.days) == (RestoredWhen.ON_REQUEST, 60)
    assert taobao.cash_out is not None
    assert (taobao.cash_out.daily_cap_minor, taobao.cash_out.days_without_overdue) == (100_000, 90)
    assert douyin.bill_instalment_periods == (3, 6, 12)
    assert (version.penalty_bps_per_day, version.instalment_fee_bps_per_period) == (5, 60)
    assert version.debit_retry_hours == (24, 48)
    assert (version.automatic_receipt_days, version.reminder_days, version.parcel_wait_days) == (15, 3, 15)
    assert (version.debit_answer_days, version.rescheduling_days) == (7, 30)
    assert (version.penalty_notice_days, version.penalty_notice_minor) == (7, 100)
    assert (version.deposits.freeze_days, version.deposits.escalate_unpaid_days) == (30, 90)
    assert (version.deposits.review_working_days, version.deposits.urgent_review_working_days) == (7, 3)


def test_the_document_is_the_same_as_json():
    book = TermsBook.builtin()
    again = TermsBook.parse(json.loads(json.dumps(book.document)))
    assert again.versions == book.versions
    assert again.digest == book.digest


NEWER = ("debit_answer_days", "penalty_notice_days", "penalty_notice_minor", "rescheduling_days")


def test_a_document_from_before_a_number_was_a_term_has_its_default_and_may_say_it_later():
    older = document()
    for name in NEWER:
        del older["versions"][0][name]
    book = TermsBook.parse(older)
    assert book.versions == TermsBook.builtin().versions
    assert book.succeeded_by(TermsBook.builtin()) is TermsBook.builtin()


def test_the_digest_follows_the_content_not_the_order_of_fields():
    reordered = dict(reversed(document()["versions"][0].items()))
    assert TermsBook.parse({"versions": [reordered]}).digest == TermsBook.builtin().digest
    assert TermsBook.parse(later("2027-01-01")).digest != TermsBook.builtin().digest


def test_the_version_in_force_is_the_last_that_took_effect():
    book = TermsBook.parse(later("2026-03-01"))
    assert book.on(date(2026, 2, 28)).effective_from == date(2020, 1, 1)
    assert book.on(date(2026, 3, 1)).effective_from == date(2026, 3, 1)
    assert book.on(date(2019, 1, 1)).effective_from == date(2020, 1, 1)


def test_a_programme_is_known_by_its_first_version_before_that():
    changed = later("2026-03-01")
    changed["versions"][1]["programmes"]["new"] = copy.deepcopy(changed["versions"][1]["programmes"]["kuaishou"])
    book = TermsBook.parse(changed)
    assert book.offers("new")
    version, programme = book.of_programme("new", date(2026, 1, 1))
    assert (version.effective_from, programme.name) == (date(2026, 3, 1), "new")


def set_at(path: str, value: object):
    def change(changed: dict) -> None:
        *parents, last = path.split(".")
        table = changed["versions"][0]
        for name in parents:
            table = table[name]
        if value is None:
            del table[last]
        else:
            table[last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("effective_from", "2020-13-01", "versions[0].effective_from: expected a date"),
        ("effective_from", 20200101, "versions[0].effective_from: expected a date"),
        ("penalty_bps_per_day", None, "versions[0].penalty_bps_per_day: expected this field, got nothing"),
        ("penalty_bps_per_day", 5.0, "versions[0].penalty_bps_per_day: expected a whole number"),
        ("penalty_bps_per_day", True, "versions[0].penalty_bps_per_day: expected a whole number"),
        ("penalty_bps_per_day", -1, "versions[0].penalty_bps_per_day: expected a whole number from 0"),
        ("debit_answer_days", 0, "versions[0].debit_answer_days: expected a whole number from 1"),
        ("penalty_notice_days", "7", "versions[0].penalty_notice_days: expected a whole number"),
        ("penalty_notice_minor", -1, "versions[0].penalty_notice_minor: expected a whole number from 0"),
        ("rescheduling_days", 1.0, "versions[0].rescheduling_days: expected a whole number"),
        ("debit_retry_hours", [48, 24], "versions[0].debit_retry_hours: expected a list of whole numbers"),
        ("grace_days", 3, "versions[0].grace_days: expected no such field"),
        ("deposits", 7, "versions[0].deposits: expected a table, got 7"),
        ("deposits.freeze_days", "30", "versions[0].deposits.freeze_days: expected a whole number"),
        ("programmes", {}, "versions[0].programmes: expected at least one table"),
        ("programmes.Tmall", {}, "versions[0].programmes.Tmall: expected a name of small letters"),
        ("programmes.tmall.plans.trial.days", [], "versions[0].programmes.tmall.plans.trial.days: expected a list"),
        ("programmes.tmall.plans.barter", {}, "versions[0].programmes.tmall.plans.barter: expected one of deferred"),
        ("programmes.tmall.plans.trial.due_day", 3, "versions[0].programmes.tmall.plans.trial.due_day: expected no"),
        ("programmes.tmall.captured_on", "someday", "captured_on: expected receipt or placing or trial_end"),
        ("programmes.tmall.captured_on", "receipt", "captured_on: expected trial_end exactly where all plans are"),
        ("programmes.kuaishou.return_window", "before_trial_end", "return_window: expected first_due_date where"),
        ("programmes.taobao.plans.statement.due_day", 29, "due_day: expected a whole number from 1 to 28"),
        ("programmes.taobao.needs.card_linked", "yes", "needs.card_linked: expected true or false"),
        ("programmes.taobao.currency", "", "currency: expected a text"),
        ("programmes.kuaishou.uninspected_returns", "all", "uninspected_returns: expected a list of texts"),
        ("programmes.kuaishou.cash_out", {"daily_cap_minor": 1, "days_without_overdue": 0}, "cash_out: expected none"),
        ("programmes.taobao.cash_out.daily_cap_minor", None, "cash_out.days_without_overdue: expected no such field"),
    ],
)
def test_a_wrong_field_is_named(path, value, expected):
    changed = document()
    set_at(path, value)(changed)
    with pytest.raises(TermsError) as refused:
        TermsBook.parse(changed)
    assert expected in str(refused.value)


@pytest.mark.parametrize("wrong", [{}, {"versions": []}, {"versions": "all"}, {"versions": [7]}, [], None])
def test_a_document_of_another_shape_is_refused(wrong):
    with pytest.raises(TermsError, match=r"versions|terms"):
        TermsBook.parse(wrong)


def test_versions_are_in_order():
    with pytest.raises(TermsError, match=r"versions\[1\].effective_from: expected a date after 2020-01-01"):
        TermsBook.parse(later("2020-01-01"))


def test_a_programme_never_disappears():
    changed = later("2026-03-01")
    del changed["versions"][1]["programmes"]["taobao"]
    with pytest.raises(TermsError, match=r"versions\[1\].programmes: expected 'taobao'"):
        TermsBook.parse(changed)


def test_a_book_with_one_more_version_may_follow():
    published = TermsBook.parse(later("2026-03-01"))
    assert TermsBook.builtin().succeeded_by(published) is published


def test_a_book_that_drops_a_version_may_not_follow():
    with pytest.raises(TermsError, match=r"the version of 2026-03-01 to be kept"):
        TermsBook.parse(later("2026-03-01")).succeeded_by(TermsBook.builtin())


def test_a_book_that_changes_a_version_may_not_follow():
    changed = document()
    changed["versions"][0]["penalty_bps_per_day"] = 6
    with pytest.raises(TermsError, match=r"the version of 2020-01-01 unchanged"):
        TermsBook.builtin().succeeded_by(TermsBook.parse(changed))


@pytest.mark.parametrize("effective_from", ["2019-01-01", "2026-03-01"])
def test_a_book_that_gives_a_programme_another_currency_may_not_follow(effective_from):
    changed = later(effective_from)
    changed["versions"][1]["programmes"]["taobao"]["currency"] = "USD"
    changed["versions"].sort(key=lambda version: version["effective_from"])
    with pytest.raises(TermsError, match=r"programme 'taobao' to keep its currency"):
        TermsBook.builtin().succeeded_by(TermsBook.parse(changed))


def test_a_new_programme_has_a_currency_of_its_own_and_keeps_it_as_well():
    changed = later("2026-03-01")
    abroad = copy.deepcopy(changed["versions"][1]["programmes"]["taobao"])
    abroad["currency"] = "USD"
    changed["versions"][1]["programmes"]["abroad"] = abroad
    published = TermsBook.parse(changed)
    assert TermsBook.builtin().succeeded_by(published) is published
    again = copy.deepcopy(changed["versions"][1])
    again["effective_from"] = "2026-04-01"
    again["programmes"]["abroad"]["currency"] = "CNY"
    changed["versions"].append(again)
    with pytest.raises(TermsError, match=r"'abroad' to keep its currency USD from 2026-04-01 on"):
        TermsBook.builtin().succeeded_by(TermsBook.parse(changed))


def test_what_is_in_force_already_does_not_stand_in_the_way_of_what_follows():
    changed = later("2026-03-01")
    changed["versions"][1]["programmes"]["taobao"]["currency"] = "USD"
    present = TermsBook.parse(changed)
    changed["versions"].append({**copy.deepcopy(changed["versions"][1]), "effective_from": "2026-04-01"})
    published = TermsBook.parse(changed)
    assert present.succeeded_by(published) is published
