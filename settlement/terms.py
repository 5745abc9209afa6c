"""Terms: the numbers the rules depend on, as data (settlement/terms.toml). Source: docs/terms.md."""

import hashlib
import json
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from settlement.entities import PlanKind
from settlement.terms_reader import Reader, TermsError

__all__ = [
    "CapturedOn",
    "CashOutTerms",
    "DepositTerms",
    "PlanTerms",
    "Programme",
    "RestoreTerms",
    "RestoredWhen",
    "ReturnWindow",
    "TermsBook",
    "TermsError",
    "TermsVersion",
]


class CapturedOn(StrEnum):
    """When a held amount becomes owed."""

    RECEIPT = "receipt"
    PLACING = "placing"
    TRIAL_END = "trial_end"


class ReturnWindow(StrEnum):
    """How long a return may be requested."""

    FIRST_DUE_DATE = "first_due_date"
    BEFORE_TRIAL_END = "before_trial_end"


class RestoredWhen(StrEnum):
    """When a line works again after what was overdue is paid."""

    CLEARED = "cleared"
    DAYS_AFTER_CLEARING = "days_after_clearing"
    ON_REQUEST = "on_request"


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """What of a kind of plan is offered; what does not apply to the kind is empty or None."""

    days: tuple[int, ...] = ()
    periods: tuple[int, ...] = ()
    bill_day: int | None = None
    due_day: int | None = None

    def include(self, days: int | None, periods: int | None) -> bool:
        """Tell whether a plan of the kind is offered; what does not apply to the kind must not be given."""
        return days in (self.days or (None,)) and periods in (self.periods or (None,))


@dataclass(frozen=True, slots=True)
class RestoreTerms:
    """When the line works again; `days` are 24-hour days after clearing, 0 where `when` needs none."""

    when: RestoredWhen
    days: int


@dataclass(frozen=True, slots=True)
class CashOutTerms:
    """Cash-out: the most per business date, and how long nothing may have been overdue."""

    daily_cap_minor: int
    days_without_overdue: int


@dataclass(frozen=True, slots=True)
class Programme:
    """One platform's terms. None: the programme does not offer it."""

    name: str
    currency: str
    captured_on: CapturedOn
    return_window: ReturnWindow
    uninspected_returns: frozenset[str]
    needs_card: bool
    needs_identity: bool
    needs_score: int | None
    plans: Mapping[PlanKind, PlanTerms]
    extension_days_at_most: int | None
    reclaims_unused_limit: bool
    restore: RestoreTerms
    cash_out: CashOutTerms | None
    bill_instalment_periods: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DepositTerms:
    """Deposits of merchants; working days are those of the Chinese calendar."""

    freeze_days: int
    escalate_unpaid_days: int
    review_working_days: int
    urgent_review_working_days: int


@dataclass(frozen=True, slots=True)
class TermsVersion:
    """What is in force from one business date until the next version's."""

    effective_from: date
    penalty_bps_per_day: int
    instalment_fee_bps_per_period: int
    debit_retry_hours: tuple[int, ...]
    """Hours from attempt 1 to attempts 2, 3, …"""
    automatic_receipt_days: int
    reminder_days: int
    parcel_wait_days: int
    debit_answer_days: int
    """24-hour days from the request of a debit until it stands in the way of no other."""
    penalty_notice_days: int
    """Days from one notice of penalties to the next, while something stays overdue."""
    penalty_notice_minor: int
    """Notices of less than this are left out, but for the first."""
    rescheduling_days: int
    """Days from one part of a rescheduled debt to the next where there are no statements."""
    deposits: DepositTerms
    programmes: Mapping[str, Programme]


class TermsBook:
    """All versions of the terms, by the date they take effect."""

    digest: bytes
    """SHA-256 of the canonical document; names it in the lane and the lane-log."""

    document: dict[str, Any]

    def __init__(self, document: dict[str, Any], versions: tuple[TermsVersion, ...]) -> None:
        self.document = document
        self.versions = versions
        canonical = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        self.digest = hashlib.sha256(canonical.encode()).digest()
        self._starts = [version.effective_from for version in versions]
        self._by_start = {version.effective_from: version for version in versions}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TermsBook) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    @classmethod
    def builtin(cls) -> "TermsBook":
        """The terms that come with this release; a new database starts with them."""
        return _builtin()

    @classmethod
    def parse(cls, document: dict[str, Any]) -> "TermsBook":
        """Read a terms document.

        Raises:
            TermsError: naming the field, what was expected and what came.
        """
        reader = Reader("", document)
        versions = tuple(_version(each) for each in reader.tables("versions"))
        reader.finish()
        for number, (earlier, later) in enumerate(pairwise(versions), start=1):
            if later.effective_from <= earlier.effective_from:
                reader.fail(
                    f"versions[{number}].effective_from",
                    f"a date after {earlier.effective_from}, because versions are in order",
                    later.effective_from.isoformat(),
                )
            gone = sorted(earlier.programmes.keys() - later.programmes.keys())
            if gone:
                reader.fail(f"versions[{number}].programmes", f"{gone[0]!r}, which earlier versions have", "none")
        return cls(document, versions)

    def succeeded_by(self, published: "TermsBook") -> "TermsBook":
        """Return the published terms if they may follow these.

        Raises:
            TermsError: a version that orders may have been accepted under is missing or changed, or a programme gets
                another currency. No lane time decides what may have been: every lane must come to the same answer.
        """
        for version in self.versions:
            start = version.effective_from
            kept = next((each for each in published.versions if each.effective_from == start), None)
            if kept is None:
                raise TermsError(f"versions: expected the version of {start} to be kept, got none")
            if kept != version:
                raise TermsError(
                    f"versions: expected the version of {start} unchanged, because orders keep the terms they were "
                    "accepted under, got another one; add a version with a later effective_from"
                )
        for earlier, later in pairwise(published.versions):
            if {earlier.effective_from, later.effective_from} <= self._by_start.keys():
                continue  # in force already
            for name, programme in earlier.programmes.items():
                currency = later.programmes[name].currency
                if currency != programme.currency:
                    raise TermsError(
                        f"versions: expected programme {name!r} to keep its currency {programme.currency} from "
                        f"{later.effective_from} on, because its accounts have it for ever, got {currency}"
                    )
        return published

    def on(self, day: date) -> TermsVersion:
        """The version in force on a business date; before the first one, the first."""
        return self.versions[max(bisect_right(self._starts, day) - 1, 0)]

    def since(self, effective_from: date) -> TermsVersion:
        """The version an order was accepted under, by `Order.terms_from`."""
        return self._by_start[effective_from]

    def offers(self, programme: str) -> bool:
        """Tell whether there are terms for a programme."""
        return programme in self.versions[-1].programmes

    def of_programme(self, programme: str, day: date) -> tuple[TermsVersion, Programme]:
        """The version in force for a programme on a business date; before its first one, its first."""
        version = self.on(day)
        if programme in version.programmes:
            return version, version.programmes[programme]
        first = next(each for each in self.versions if programme in each.programmes)
        return first, first.programmes[programme]


@cache
def _builtin() -> TermsBook:
    return TermsBook.parse(tomllib.loads((Path(__file__).parent / "terms.toml").read_text(encoding="utf-8")))


def _version(reader: Reader) -> TermsVersion:
    version = TermsVersion(
        effective_from=reader.day("effective_from"),
        penalty_bps_per_day=reader.whole("penalty_bps_per_day", 0),
        instalment_fee_bps_per_period=reader.whole("instalment_fee_bps_per_period", 0),
        debit_retry_hours=reader.rising("debit_retry_hours", may_be_empty=True),
        automatic_receipt_days=reader.whole("automatic_receipt_days"),
        reminder_days=reader.whole("reminder_days"),
        parcel_wait_days=reader.whole("parcel_wait_days"),
        debit_answer_days=reader.whole("debit_answer_days", default=7),
        penalty_notice_days=reader.whole("penalty_notice_days", default=7),
        penalty_notice_minor=reader.whole("penalty_notice_minor", 0, default=100),
        rescheduling_days=reader.whole("rescheduling_days", default=30),
        deposits=_deposits(reader.table("deposits")),
        programmes={name: _programme(name, each) for name, each in reader.table("programmes").children()},
    )
    reader.finish()
    return version


def _deposits(reader: Reader) -> DepositTerms:
    deposits = DepositTerms(
        freeze_days=reader.whole("freeze_days", 0),
        escalate_unpaid_days=reader.whole("escalate_unpaid_days"),
        review_working_days=reader.whole("review_working_days"),
        urgent_review_working_days=reader.whole("urgent_review_working_days"),
    )
    reader.finish()
    return deposits


def _programme(name: str, reader: Reader) -> Programme:
    needs = reader.table("needs", required=False)
    extension = reader.table("extension", required=False)
    overdue = reader.table("overdue", required=False)
    bill_instalment = reader.table("bill_instalment", required=False)
    programme = Programme(
        name=name,
        currency=reader.text("currency"),
        captured_on=reader.choice("captured_on", CapturedOn),
        return_window=reader.choice("return_window", ReturnWindow),
        uninspected_returns=frozenset(reader.texts("uninspected_returns")),
        needs_card=needs.flag("card_linked"),
        needs_identity=needs.flag("identity_verified"),
        needs_score=needs.whole("score_at_least", 0) if needs.has("score_at_least") else None,
        plans={PlanKind(kind): _plan(kind, each) for kind, each in reader.table("plans").children(PlanKind)},
        extension_days_at_most=extension.whole("days_at_most") if extension.has("days_at_most") else None,
        reclaims_unused_limit=overdue.flag("reclaim_unused_limit"),
        restore=_restore(reader.table("restore")),
        cash_out=_cash_out(reader.table("cash_out", required=False)),
        bill_instalment_periods=bill_instalment.rising("periods") if bill_instalment.has("periods") else (),
    )
    for each in (needs, extension, overdue, bill_instalment, reader):
        each.finish()
    if (programme.captured_on is CapturedOn.TRIAL_END) != (programme.plans.keys() == {PlanKind.TRIAL}):
        reader.fail("captured_on", "trial_end exactly where all plans are trials", programme.captured_on)
    if programme.return_window is ReturnWindow.BEFORE_TRIAL_END and programme.captured_on is not CapturedOn.TRIAL_END:
        reader.fail("return_window", "first_due_date where there is no trial", programme.return_window)
    if programme.cash_out is not None and PlanKind.STATEMENT not in programme.plans:
        reader.fail("cash_out", "none where there is no statement plan", "one")
    return programme


def _plan(kind: str, reader: Reader) -> PlanTerms:
    """Read what one kind of plan needs; `finish` refuses what it does not."""
    if kind in {PlanKind.TRIAL, PlanKind.DEFERRED}:
        plan = PlanTerms(days=reader.rising("days"))
    else:
        plan = PlanTerms(
            periods=reader.rising("periods") if kind == PlanKind.INSTALMENT else (),
            bill_day=reader.whole("bill_day", 1, 28),
            due_day=reader.whole("due_day", 1, 28),
        )
    reader.finish()
    return plan


def _restore(reader: Reader) -> RestoreTerms:
    when = reader.choice("when", RestoredWhen)
    terms = RestoreTerms(when, 0 if when is RestoredWhen.CLEARED else reader.whole("days"))
    reader.finish()
    return terms


def _cash_out(reader: Reader) -> CashOutTerms | None:
    if not reader.has("daily_cap_minor"):
        reader.finish()
        return None
    terms = CashOutTerms(reader.whole("daily_cap_minor"), reader.whole("days_without_overdue", 0))
    reader.finish()
    return terms
