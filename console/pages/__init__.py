"""Everything that can be looked at and done, each in a module of its own; the only list of it."""

from console.pages import (
    account,
    approvals,
    books,
    conflicts,
    dead_letters,
    decision,
    lanes,
    merchant,
    now,
    operator_log,
    parked,
    payouts,
    reading,
    repair,
    search,
    terms,
    unmasking,
)
from console.routes import Download, Form, Page

MENU: tuple[Page, ...] = (
    now.PAGE,
    lanes.PAGE,
    dead_letters.PAGE,
    conflicts.PAGE,
    parked.PAGE,
    payouts.PAGE,
    books.PAGE,
    terms.PAGE,
    approvals.PAGE,
    operator_log.PAGE,
)
"""Pages that the menu leads to, in its order."""

PAGES: tuple[Page, ...] = (
    *MENU,
    search.PAGE,
    account.PAGE,
    merchant.PAGE,
    decision.PAGE,
    dead_letters.LETTER,
    conflicts.CONFLICT,
    reading.PAGE,
)
FORMS: tuple[Form, ...] = (
    unmasking.FORM,
    lanes.FORM,
    *repair.FORMS,
    *books.FORMS,
    *terms.FORMS,
    *approvals.FORMS,
)
DOWNLOADS: tuple[Download, ...] = books.DOWNLOADS
